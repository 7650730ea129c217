"""The test part: set apart by patient, known by its hashes alone, and read by no other door."""

import shutil
from pathlib import Path

import pytest

from arc_core.config import load_config
from arc_core.data.manifest import read_dataset
from arc_core.data.sealed import need_unsealed, reopened, sealed_from
from arc_core.data.source import DataConfig
from arc_core.data.splits import hold_back
from arc_core.data.study import dataset_of, open_study, sealed_in, split_of
from arc_core.data.synthetic import SyntheticConfig, generate
from arc_core.errors import ConfigError, DatasetError
from arc_core.experiments.memory import Memory

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
