import numpy as np
import pytest

from arc_core.data import synthetic
from arc_core.data.anatomy import vertical_cdr
from arc_core.data.manifest import read_dataset
from arc_core.data.reader import read_image, read_mask
from arc_core.data.source import DataConfig, open_dataset
from arc_core.data.synthetic import SyntheticConfig, generate

SMALL = SyntheticConfig(cases=8, image_size_px=48)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    root = tmp_path_factory.mktemp("cohort") / "eyes"
    generate(SyntheticConfig(cases=120, image_size_px=64, seed=1), root)
    return read_dataset(root, "segmentation")


def ratios(dataset) -> list[float]:
    return [vertical_cdr(read_mask(dataset.mask_path(case))) for case in dataset.cases]


def test_the_label_follows_the_vcdr_with_noise(cohort):
    from sklearn.metrics import roc_auc_score

    labels = [case.label for case in cohort.cases]
    assert 0.45 <= np.mean(labels) <= 0.55
    assert 0.85 <= roc_auc_score(labels, ratios(cohort)) <= 0.96


def test_neither_site_nor_eye_gives_the_label_away(cohort):
    for group in ({"site-alpha"}, {"site-beta"}):
        share = np.mean([case.label for case in cohort.cases if case.site in group])
        assert 0.3 < share < 0.7


def test_some_patients_have_both_eyes_at_one_site(cohort):
    by_patient: dict[str, list[str]] = {}
    for case in cohort.cases:
        by_patient.setdefault(case.patient_id, []).append(case.site)
    pairs = [sites for sites in by_patient.values() if len(sites) == 2]
    assert 0.2 < len(pairs) / len(by_patient) < 0.5
    assert all(one == other for one, other in pairs)


def test_sites_differ_in_brightness(cohort):
    means = {
        site: np.mean([read_image(cohort.image_path(c)).mean() for c in cohort.cases if c.site == site])
        for site in ("site-alpha", "site-beta")
    }
    assert means["site-alpha"] > means["site-beta"] + 8


def test_no_single_brightness_finds_the_cup(cohort):
    """The best threshold on green over all images, told where the disc is, still misses much."""
    overlap = np.zeros((2, 256))
    for case in cohort.cases[:40]:
        mask = read_mask(cohort.mask_path(case))
        green = read_image(cohort.image_path(case))[..., 1]
        for row, region in enumerate((mask == 2, mask == 1)):
            overlap[row] += np.bincount(green[region], minlength=256) / region.sum()
    kept = overlap[:, ::-1].cumsum(axis=1)[:, ::-1] / 40  # shares of cup and rim above each level
    assert 0.6 < (kept[0] - kept[1]).max() / 2 + 0.5 < 0.85


def test_the_cup_lies_inside_the_disc_and_away_from_the_border(cohort):
    for case in cohort.cases:
        mask = read_mask(cohort.mask_path(case))
        assert (mask[[0, -1]] == 0).all()
        assert (mask[:, [0, -1]] == 0).all()
        assert 0.1 < vertical_cdr(mask) < 0.99


def test_equal_config_draws_equal_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        generate(SMALL.model_copy(update={"seed": seed}), tmp_path / name)
    files = {
        name: {
            path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")
        }
        for name in "abc"
    }
    assert files["a"] == files["b"]
    assert files["a"] != files["c"]


def test_the_folder_says_that_it_is_simulated(tmp_path):
    generate(SMALL, tmp_path / "eyes")
    assert "SIMULATED" in (tmp_path / "eyes" / "README.txt").read_text()
    assert read_image(next((tmp_path / "eyes" / "images").iterdir())).shape == (48, 48, 3)


def test_an_interrupted_generation_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(path, mask):
        raise KeyboardInterrupt

    monkeypatch.setattr(synthetic, "write_mask", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(SMALL, tmp_path / "eyes")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "keep.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        generate(SMALL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["keep.txt"]


def test_open_dataset_draws_once_and_again_for_another_config(tmp_path):
    config = DataConfig(synthetic=SMALL)
    one = open_dataset(config, "segmentation", tmp_path)
    stamp = (tmp_path / "data").stat().st_mtime_ns
    assert open_dataset(config, "segmentation", tmp_path) == one
    assert (tmp_path / "data").stat().st_mtime_ns == stamp
    assert one.simulated
    harder = config.model_copy(update={"synthetic": SMALL.model_copy(update={"cup_contrast": 0.1})})
    assert open_dataset(harder, "segmentation", tmp_path).root != one.root


def test_open_dataset_reads_the_users_folder(folder, tmp_path):
    config = DataConfig(path=str(folder))
    assert open_dataset(config, "segmentation", tmp_path).root == str(folder)
    assert not (tmp_path / "data").exists()
