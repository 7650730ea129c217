"""The same photograph under two patients: found however it was copied, told of, and never in two folds."""

import io
import re
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from arc_core.data import study as studies
from arc_core.data.leakage import Leakage, look_for_leakage
from arc_core.data.likeness import alike, spectrum
from arc_core.data.manifest import read_dataset
from arc_core.data.reader import read_image
from arc_core.data.source import DataConfig
from arc_core.data.splits import make_split
from arc_core.data.study import open_study, split_of
from arc_core.data.synthetic import SyntheticConfig, generate
from arc_core.errors import DatasetError
from arc_core.experiments.memory import Memory
from arc_core.experiments.study import Study
from tests.arc_core.data.breakage import bright_copies, brightened

BITS = DataConfig().near_duplicate_bits


def encoded(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=70)
    return Image.open(file).convert("RGB")


def halved(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.BILINEAR)


def cropped(image: Image.Image) -> Image.Image:
    x, y = round(0.02 * image.width), round(0.02 * image.height)
    return image.crop((x, y, image.width - x, image.height - y))


def mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def bordered(image: Image.Image) -> Image.Image:
    wide = Image.new("RGB", (image.width * 3 // 2, image.height * 2))
    wide.paste(image, (image.width // 4, image.height // 2))
    return wide


def all_at_once(image: Image.Image) -> Image.Image:
    return cropped(brightened(encoded(halved(mirrored(image)))))


COPIES = (encoded, halved, brightened, cropped, mirrored, bordered, all_at_once)


def round_field(image: Image.Image) -> Image.Image:
    """As a camera shows it: a bright circle on black."""
    pixels = np.array(image)
    y, x = np.ogrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
    pixels[x**2 + y**2 > 1] = 0
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def eyes(drishti) -> list[Image.Image]:
    """Real photographs of 50 patients."""
    return [Image.fromarray(read_image(path)) for path in sorted((drishti / "images").iterdir())]


def found(images: list[Image.Image]) -> list[tuple[int, int, bool]]:
    """Pairs and whether mirrored, each image a patient of its own."""
    spectra = np.stack([spectrum(np.asarray(image)) for image in images])
    return [(each.one, each.other, each.mirrored) for each in alike(spectra, np.arange(len(images)), BITS)]


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("field", [lambda eye: eye, round_field])
def test_every_copy_of_a_real_photograph_is_found_and_no_other_eye(eyes, copy, field):
    eyes = [field(eye) for eye in eyes]
    turned = copy in (mirrored, all_at_once)
    expected = [(place, place + len(eyes), turned) for place in range(len(eyes))]
    assert found([*eyes, *map(copy, eyes)]) == expected


@pytest.mark.parametrize("field", [lambda eye: eye, round_field])
def test_real_eyes_are_told_apart_at_the_widest_setting(eyes, field):
    """Behind the same circle, too, whose edge is the strongest line in every photograph."""
    spectra = np.stack([spectrum(np.asarray(field(eye))) for eye in eyes])
    assert alike(spectra, np.arange(len(eyes)), 80) == []


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_a_simulated_photograph_is_found(simulated, copy):
    image = Image.fromarray(read_image(simulated.image_path(simulated.cases[0])))
    turned = copy in (mirrored, all_at_once)
    assert found([image, copy(image)]) == [(0, 1, turned)]


@pytest.mark.parametrize(
    "config",
    [
        SyntheticConfig(),
        SyntheticConfig(seed=1),
        SyntheticConfig(cases=300, image_size_px=64),
        # As alike as eyes can be drawn.
        SyntheticConfig(image_size_px=96, noise_sigma=0, distractors=0, vcdr_spread=0, blur=0.05),
    ],
)
def test_no_two_simulated_patients_are_taken_for_one(config, tmp_path):
    generate(config, tmp_path / "drawn")
    leakage = look_for_leakage(read_dataset(tmp_path / "drawn", "segmentation"), BITS)
    assert (leakage.images, leakage.pairs) == (config.cases, ())


def test_images_without_anything_in_them_are_not_alike():
    black, grey = np.zeros((64, 64, 3), np.uint8), np.full((90, 70, 3), 128, np.uint8)
    assert found([Image.fromarray(black), Image.fromarray(grey)]) == []


def test_a_hash_alone_convicts_nobody():
    rng = np.random.default_rng(0)
    one = rng.normal(0, 100, (16, 16))
    other = np.sign(one) * np.abs(rng.normal(0, 100, (16, 16))) ** 2
    spectra = np.stack([one, other, one + rng.normal(0, 9, (16, 16))]).astype(np.float32)
    patients = np.arange(3)
    assert [(pair.one, pair.other) for pair in alike(spectra, patients, BITS)] == [(0, 2)]
    assert 0 < int(np.sum((one > np.median(one)) != (other > np.median(other)))) < BITS


def test_each_pair_is_found_where_thousands_are_compared():
    rng = np.random.default_rng(0)
    spectra = rng.normal(0, 100, (1500, 16, 16)).astype(np.float32)
    spectra[1400] = spectra[3]
    spectra[700] = spectra[600] + rng.normal(0, 5, (16, 16))
    pairs = alike(spectra, np.arange(1500), BITS)
    assert [(pair.one, pair.other) for pair in pairs] == [(3, 1400), (600, 700)]


@pytest.fixture
def opened(folder, tmp_path):
    """A function that opens the study of the folder in a store of its own; `_.memory` is that store."""
    with closing(Memory(f"sqlite:///{tmp_path / 'arc.db'}")) as memory:

        def of(**config: object) -> Study:
            data = DataConfig(path=str(folder), folds=2, **config)
            return open_study(memory, data, "segmentation", "mean_dice", tmp_path)

        of.memory = memory
        yield of


def test_a_copy_in_another_fold_fails_the_split_and_is_named(folder, opened):
    bright_copies(folder)
    with pytest.raises(DatasetError) as caught:
        opened()
    message = str(caught.value)
    assert f"{folder}/images/sim_" in message
    assert "nearly the same image as images/copy_" in message
    assert re.search(r"fold \d and fold \d", message)
    assert f"expected more than {BITS} bits" in message
    assert "Give both the same patient_id in labels.csv, or remove one" in caught.value.cure
    assert opened.memory.studies() == ()


def test_copies_under_one_patient_are_no_leak(folder, opened):
    bright_copies(folder, same_patient=True)
    assert split_of(opened()).leakage.pairs == ()


def test_a_copy_in_the_same_fold_is_recorded(folder, opened):
    bright_copies(folder)
    dataset = read_dataset(folder, "segmentation")
    found = look_for_leakage(dataset, BITS)
    assert {pair.one for pair in found.pairs} == {f"copy_{number}" for number in range(6)}

    def is_whole(seed: int) -> bool:
        fold = make_split(dataset, 2, seed).assignment
        return all(fold[pair.one] == fold[pair.other] for pair in found.pairs)

    study = opened(split_seed=next(filter(is_whole, range(1000))))
    assert split_of(study).leakage == found
    assert Leakage.model_validate(opened.memory.study(study.id).split["leakage"]) == found


def test_the_setting_decides(folder, opened):
    bright_copies(folder)
    bits = [pair.bits for pair in look_for_leakage(read_dataset(folder, "segmentation"), BITS).pairs]
    assert max(bits) > 0
    with pytest.raises(DatasetError, match=f"expected more than {max(bits)} bits"):
        opened(near_duplicate_bits=max(bits))
    leakage = look_for_leakage(read_dataset(folder, "segmentation"), max(bits) - 1)
    assert len(leakage.pairs) == sum(each < max(bits) for each in bits)
    assert leakage.max_bits == max(bits) - 1


def test_a_known_study_is_opened_without_looking_again(folder, opened, monkeypatch):
    known = opened()
    assert split_of(known).leakage.images == 24

    def look(*_: object) -> Leakage:
        raise AssertionError("it looks again")

    monkeypatch.setattr(studies, "look_for_leakage", look)
    assert opened().split == known.split
    assert opened(near_duplicate_bits=0).split == known.split
    with pytest.raises(AssertionError, match="it looks again"):
        opened(split_seed=1)


def test_a_study_from_before_keeps_its_split(folder, opened, monkeypatch):
    """Its split was frozen by an ARC that did not look; what would be found now changes nothing."""
    bright_copies(folder)
    with monkeypatch.context() as before:
        before.setattr(studies, "need_apart", lambda *_: None)
        before.setattr(studies, "look_for_leakage", lambda *_: None)
        old = opened()
    assert split_of(old).leakage is None
    assert opened().split == old.split


def test_the_real_photographs_pass(drishti, tmp_path):
    with closing(Memory(f"sqlite:///{tmp_path / 'arc.db'}")) as memory:
        study = open_study(memory, DataConfig(path=str(drishti)), "segmentation", "mean_dice", tmp_path)
    split = split_of(study)
    assert (split.leakage.images, split.leakage.pairs) == (50, ())
    assert not split.patient_level_demonstrable
