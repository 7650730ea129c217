"""`python -m flows.predict` as a user calls it."""

import csv
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from arc_core.data.reader import read_image, read_mask
from arc_core.errors import DatasetError
from arc_core.report.summary import printable
from arc_core.training.prediction import COLUMNS, check_out
from tests.command import environment


@pytest.fixture(scope="module")
def predicted(one_cycle, prefect_server, tmp_path_factory):
    """Two photographs of other shapes and one broken file through the champion."""
    folder = tmp_path_factory.mktemp("predict")
    (folder / "new").mkdir()
    source = sorted((one_cycle.home / "data").glob("*/images/*.png"))[0]
    with Image.open(source) as image:
        image.resize((90, 60)).save(folder / "new" / "wide.png")
    shutil.copy(source, folder / "new" / "square.png")
    (folder / "new" / "broken.png").write_bytes(source.read_bytes()[:200])
    command = [sys.executable, "-m", "flows.predict", str(folder / "new"), "--out", str(folder / "out")]
    ran = subprocess.run(
        command,
        cwd=folder,
        env=environment(one_cycle.home, PREFECT_API_URL=prefect_server),
        capture_output=True,
        text=True,
        check=False,
    )
    return ran, folder / "out"


def test_the_table_has_a_row_for_every_readable_image(predicted):
    with (predicted[1] / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["image_id"] for row in rows] == ["square", "wide"]


def test_masks_and_overlays_have_the_images_own_size(predicted):
    mask = read_mask(predicted[1] / "masks" / "wide.png")
    assert mask.shape == (60, 90)
    assert set(mask.ravel().tolist()) <= {0, 1, 2}
    assert read_image(predicted[1] / "overlays" / "wide.png").shape == (60, 90, 3)


def test_an_unreadable_image_is_named_and_stops_no_other(predicted):
    ran, _ = predicted
    assert ran.returncode == 2
    assert "broken.png" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_predictions_of_a_simulated_champion_are_marked(predicted):
    about = (predicted[1] / "about.txt").read_text()
    assert about.startswith("SIMULATED")
    assert "chosen among" in about


def test_that_it_was_trained_on_an_image_is_told_beside_the_table_and_in_the_terminal(predicted):
    ran, out = predicted
    words = "The study itself has 1 of these images: it was trained on them."
    assert words in (out / "about.txt").read_text().splitlines()
    assert words in ran.stderr.splitlines()


def test_reference_masks_are_never_overwritten(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for out in (tmp_path, tmp_path / "images", tmp_path / "masks"):
        with pytest.raises(DatasetError, match="overwrite reference masks"):
            check_out(tmp_path, out)
    with pytest.raises(DatasetError, match="overwrite reference masks"):
        check_out(tmp_path / "images", tmp_path)


def test_a_home_without_a_store_is_told_and_stays_as_it_was(predicted, tmp_path):
    _, out = predicted
    command = [sys.executable, "-m", "flows.predict", str(out / "overlays"), "--out", str(tmp_path / "out")]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path / "home"), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert "there is no champion yet" in ran.stderr
    assert not (tmp_path / "home").exists()


def test_a_dataset_beside_its_images_is_not_taken_for_predictions(tmp_path):
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match="overwrite reference masks"):
        check_out(tmp_path / "photos", tmp_path)


def test_an_earlier_run_leaves_nothing_behind(one_cycle, predicted, prefect_server, tmp_path):
    shutil.copytree(predicted[1], tmp_path / "out")
    (tmp_path / "new").mkdir()
    shutil.copy(predicted[1].parent / "new" / "wide.png", tmp_path / "new" / "other.png")
    command = [sys.executable, "-m", "flows.predict", str(tmp_path / "new"), "--out", str(tmp_path / "out")]
    variables = environment(one_cycle.home, PREFECT_API_URL=prefect_server)
    ran = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "1 image:" in ran.stdout
    for folder in ("masks", "overlays"):
        assert [path.name for path in (tmp_path / "out" / folder).iterdir()] == ["other.png"]


def test_text_cannot_forge_what_a_terminal_shows():
    assert printable("a\x1b[31m\nb\u202ec") == "a [31m b c"
