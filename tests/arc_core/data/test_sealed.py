"""The test part: set apart by patient, known by its hashes alone, and read by no other door."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from arc_core.config import load_config
from arc_core.data.leakage import need_none_sealed
from arc_core.data.likeness import packed, spectrum, unpacked
from arc_core.data.manifest import read_dataset
from arc_core.data.reader import read_image
from arc_core.data.sealed import Sealed, need_unlike, need_unsealed, reopened, sealed_from
from arc_core.data.source import DataConfig
from arc_core.data.splits import hold_back
from arc_core.data.study import dataset_of, open_study, sealed_in, split_of
from arc_core.data.synthetic import SyntheticConfig, generate
from arc_core.errors import ConfigError, DatasetError
from arc_core.experiments.memory import Memory
from arc_core.report.summary import split_in_words
from tests.arc_core.data.test_leakage import COPIES
from tests.contracts.records import decision, holding, proposal

MANY = SyntheticConfig(cases=40, image_size_px=64)
OTHERS = SyntheticConfig(cases=12, image_size_px=64, seed=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data") / "many"
    generate(MANY, root)
    return root


@pytest.fixture
def memory(tmp_path):
    memory = Memory(f"sqlite:///{tmp_path / 'arc.db'}")
    yield memory
    memory.close()


def opened(memory: Memory, folder: Path, test: float | str | None, task="segmentation", **more):
    config = DataConfig(path=str(folder), folds=2, test=test, **more)
    return open_study(memory, config, task, "mean_dice" if task == "segmentation" else "auc", folder.parent)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_a_share_of_the_patients_is_held_back(folder, share):
    whole = read_dataset(folder, "classification")
    development, test = hold_back(whole, share, seed=3)
    assert {*development.cases} | {*test.cases} == {*whole.cases}
    patients = [{case.patient_id for case in part.cases} for part in (development, test)]
    assert patients[0] & patients[1] == set()
    assert len(patients[1]) / len(patients[0] | patients[1]) == pytest.approx(share, abs=0.05)
    assert {case.label for case in test.cases} == {0, 1}
    assert hold_back(whole, share, seed=3) == (development, test)
    assert hold_back(whole, share, seed=4)[1] != test


def test_no_case_of_it_is_in_the_study(memory, folder):
    study = opened(memory, folder, 0.25)
    sealed = split_of(study).sealed
    cases = dataset_of(study).cases
    assert len(cases) + sealed.images == len(read_dataset(folder, "segmentation").cases)
    assert {case.sha256 for case in cases} & {*sealed.image_sha256} == set()
    told = study.model_dump_json()
    hidden = hold_back(read_dataset(folder, "segmentation"), 0.25, 0)[1].cases
    assert all(f'"{case.image_id}"' not in told for case in hidden)
    events = {entry.event.kind: entry.event for entry in memory.ledger.entries(subject=study.id)}
    assert events["testset.registered"].outputs == {"test": sealed.sha256}
    assert events["testset.registered"].facts["images"] == sealed.images
    assert "image_sha256" not in str(events["testset.registered"].facts)
    assert opened(memory, folder, 0.25) == study


def test_without_one_a_study_is_what_it_always_was(memory, folder):
    assert split_of(opened(memory, folder, None)).sealed is None
    assert opened(memory, folder, None).id != opened(memory, folder, 0.25, split_seed=1).id


def test_its_images_are_no_data_of_another_study(memory, folder, tmp_path):
    study = opened(memory, folder, 0.25)
    for test, task in ((None, "segmentation"), (0.5, "segmentation"), (None, "classification")):
        with pytest.raises(DatasetError, match=rf"sealed test part of {study.id}.*open-test"):
            opened(memory, folder, test, task, split_seed=5)
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    with pytest.raises(DatasetError, match="sealed test part"):
        opened(memory, copy, None)
    assert memory.studies() == (study.id,)


def test_a_folder_is_a_test_part_too(memory, folder, tmp_path):
    generate(OTHERS, tmp_path / "others")
    rename_patients(tmp_path / "others")
    study = opened(memory, folder, str(tmp_path / "others"))
    sealed = split_of(study).sealed
    assert (sealed.share, sealed.images) == (None, 12)
    assert len(dataset_of(study).cases) == len(read_dataset(folder, "segmentation").cases)
    assert reopened(sealed, "segmentation", hold_back).sha256 == sealed.sha256
    with pytest.raises(DatasetError, match="sealed test part"):
        opened(memory, tmp_path / "others", None)


def rename_patients(folder: Path) -> None:
    labels = folder / "labels.csv"
    rows = [row.split(",") for row in labels.read_text().splitlines()]
    place = rows[0].index("patient_id")
    for row in rows[1:]:
        row[place] = f"other-{row[place]}"
    labels.write_text("\n".join(",".join(row) for row in rows) + "\n")


def test_a_patient_on_both_sides_is_refused(memory, folder, tmp_path):
    generate(OTHERS, tmp_path / "others")
    with pytest.raises(DatasetError, match=r"patient \S+ is in the study's data too"):
        opened(memory, folder, str(tmp_path / "others"))
    assert memory.studies() == ()


def test_a_near_duplicate_on_both_sides_is_refused(memory, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "others")
    rename_patients(tmp_path / "others")
    with pytest.raises(DatasetError, match=r"nearly the same image.*fold . and the test part"):
        opened(memory, folder, str(tmp_path / "others"))
    assert memory.studies() == ()


def test_what_has_changed_since_is_not_opened(folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    test = hold_back(read_dataset(copy, "segmentation"), 0.25, 0)[1]
    sealed = sealed_from(test, 0.25, 0, "patient")
    assert reopened(sealed, "segmentation", hold_back) == test
    name = test.cases[0].mask
    (copy / name).write_bytes((copy / test.cases[1].mask).read_bytes())
    with pytest.raises(DatasetError, match="not the one that was sealed"):
        reopened(sealed, "segmentation", hold_back)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_copies_of_its_images_are_no_data_of_another_study(memory, folder, tmp_path, suffix):
    """Other bytes, and other patients as far as ids tell; a copy of what is not sealed is let in."""
    study = opened(memory, folder, 0.25)
    development, hidden = hold_back(read_dataset(folder, "segmentation"), 0.25, 0)
    for name, part in (("sealed", hidden), ("open", development)):
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / "masks").mkdir()
        for case in part.cases[:6]:
            with Image.open(part.image_path(case)) as image:
                wide = image.resize((image.width * 2, image.height * 2))
                wide.save(tmp_path / name / "images" / f"new_{case.image_id}.{suffix}")
            with Image.open(part.mask_path(case)) as mask:
                wide = mask.resize((mask.width * 2, mask.height * 2), Image.Resampling.NEAREST)
                wide.save(tmp_path / name / "masks" / f"new_{case.image_id}.png")
    with pytest.raises(
        DatasetError, match=rf"looks like an image of the sealed test part of {study.id} \(6 of"
    ):
        opened(memory, tmp_path / "sealed", None)
    assert opened(memory, tmp_path / "open", None).id in memory.studies()


def test_of_real_photographs_copies_are_known_and_no_other_eye(drishti):
    eyes = [Image.fromarray(read_image(path)) for path in sorted((drishti / "images").iterdir())]
    spectra = np.stack([spectrum(np.asarray(eye)) for eye in eyes])
    bits = DataConfig().near_duplicate_bits
    part = {"spectra": packed(spectra[:25]), "max_bits": bits, "image_sha256": (), "root": "/", "share": None}
    sealed = {"study-1": Sealed(seed=0, by="patient", sha256="", images=25, patients=25, **part)}
    need_unlike(range(25, 50), spectra[25:], sealed)
    for copy in COPIES:
        for place, eye in enumerate(eyes[:25]):
            mine = spectrum(np.asarray(copy(eye)))[None]
            with pytest.raises(DatasetError, match=r"eye: it looks like an image of the sealed test part"):
                need_unlike(["eye"], mine, sealed)
            assert np.allclose(unpacked(packed(mine)), mine, rtol=1e-3, atol=1e-3), place


def test_files_are_decoded_only_where_copies_can_be_known(memory, folder, tmp_path):
    study = opened(memory, folder, 0.25)
    sealed = sealed_in(memory)
    hidden = hold_back(read_dataset(folder, "segmentation"), 0.25, 0)[1]
    with Image.open(hidden.image_path(hidden.cases[0])) as image:
        image.convert("RGB").save(tmp_path / "copy.jpg", quality=70)
    (tmp_path / "bad.png").write_text("no image")
    need_none_sealed([tmp_path / "bad.png"], sealed)
    with pytest.raises(DatasetError, match=r"copy.jpg: it looks like"):
        need_none_sealed([tmp_path / "bad.png", tmp_path / "copy.jpg"], sealed)
    older = sealed[study.id].model_copy(update={"spectra": ""})
    need_none_sealed([tmp_path / "copy.jpg", tmp_path / "not even there.png"], {study.id: older})


@pytest.mark.parametrize("trained", [True, False])
def test_that_another_study_trained_on_its_images_is_a_deviation(memory, folder, trained):
    first, made = opened(memory, folder, None), proposal(1)
    memory.keep_decisions(memory.begin_cycle(first.id), [decision(made.id)], {made.id: made})
    if trained:
        holding(memory, memory.experiments(first.id)[0].id)
    study = opened(memory, folder, 0.25)
    sealed = split_of(study).sealed
    assert sealed.trained_before == ({first.id: sealed.images} if trained else {})
    assert (first.id in split_in_words(split_of(study), dataset_of(study))) == trained
    told = [entry.event for entry in memory.ledger.entries(subject=study.id)]
    assert [event.kind for event in told] == [
        *("dataset.registered", "testset.registered"),
        *(["deviation.recorded"] if trained else []),
        "split.frozen",
    ]
    if trained:
        words = f"{sealed.images} of the {sealed.images} images of the test part were data of {first.id}"
        assert words in told[2].reason
    assert "spectra" not in str(told[1].facts)


def test_an_image_that_is_sealed_is_named(memory, folder):
    study = opened(memory, folder, 0.25)
    sealed = sealed_in(memory)
    need_unsealed({"0" * 64: "new.png"}, sealed)
    with pytest.raises(
        DatasetError, match=rf"here.png: the image belongs to the sealed test part of {study.id}"
    ):
        need_unsealed({sealed[study.id].image_sha256[0]: "here.png"}, sealed)


@pytest.mark.parametrize("share", ["0.01", "0.9"])
def test_a_share_out_of_its_range_is_refused(share):
    with pytest.raises(ConfigError, match=r"data\.test"):
        load_config([f"data.test={share}"])
