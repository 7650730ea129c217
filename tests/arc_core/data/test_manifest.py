import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from arc_core.data.manifest import read_dataset
from arc_core.provenance.canonical import sha256_of
from tests.arc_core.data.breakage import rename, with_cells


def test_lists_cases_with_patients_labels_and_sites(simulated):
    assert [case.image_id for case in simulated.cases] == sorted(case.image_id for case in simulated.cases)
    assert len(simulated.cases) == 24
    assert simulated.has_patient_ids
    case = simulated.cases[0]
    assert (case.patient_id, case.site, case.camera) == ("sim_0001", "site-beta", "camera-beta")
    assert (case.height_px, case.width_px) == (64, 64)
    assert simulated.image_path(case).is_file()
    assert simulated.mask_path(case).is_file()


def test_equal_content_has_equal_hash_wherever_it_lies(simulated, folder):
    assert read_dataset(folder, "classification").sha256 == simulated.sha256


@pytest.mark.parametrize("part", ["images", "masks", "labels.csv"])
def test_a_changed_file_changes_the_hash(simulated, folder, part):
    if part == "labels.csv":
        rows = (folder / part).read_text()
        (folder / part).write_text(rows.replace("site-alpha", "site-gamma"))
    else:
        path = min((folder / part).iterdir())
        pixels = np.array(Image.open(path))
        pixels[0, 0] = 1
        Image.fromarray(pixels).save(path)
    assert read_dataset(folder, "classification").sha256 != simulated.sha256


def test_without_patient_ids_the_image_stands_for_the_patient(folder):
    rows = (folder / "labels.csv").read_text().splitlines()
    (folder / "labels.csv").write_text("\n".join(",".join(row.split(",")[:2]) for row in rows))
    dataset = read_dataset(folder, "classification")
    assert not dataset.has_patient_ids
    assert all(case.patient_id == case.image_id for case in dataset.cases)


def test_segmentation_needs_no_labels_and_classification_no_masks(folder):
    shutil.rmtree(folder / "masks")
    assert all(case.mask is None for case in read_dataset(folder, "classification").cases)


def test_segmentation_without_labels(folder):
    (folder / "labels.csv").unlink()
    assert all(case.label is None for case in read_dataset(folder, "segmentation").cases)


def test_one_class_is_enough_for_segmentation(folder):
    rows = (folder / "labels.csv").read_text().splitlines()
    cells = [row.split(",") for row in rows[1:]]
    (folder / "labels.csv").write_text("\n".join([rows[0], *(",".join([c[0], "0", *c[2:]]) for c in cells)]))
    assert {case.label for case in read_dataset(folder, "segmentation").cases} == {0}


def test_litter_of_file_browsers_is_skipped(simulated, folder):
    for name in ("images/.DS_Store", "images/Thumbs.db", "masks/._sim.png", "masks/desktop.ini"):
        (folder / name).write_bytes(b"litter")
    assert read_dataset(folder, "classification").sha256 == simulated.sha256


def test_a_byte_order_mark_and_blank_lines_do_no_harm(simulated, folder):
    text = (folder / "labels.csv").read_text()
    (folder / "labels.csv").write_text(
        "\ufeff" + text.replace("\n", "\r\n") + "\r\n", encoding="utf-8", newline=""
    )
    assert read_dataset(folder, "classification").sha256 == simulated.sha256


def test_mixed_formats_and_suffix_case(folder):
    for path, suffix in zip(
        sorted((folder / "images").iterdir())[:4], (".JPG", ".tif", ".BMP", ".Png"), strict=True
    ):
        Image.open(path).save(folder / "images" / f"{path.stem}_new{suffix}")
        path.unlink()
        (folder / "images" / f"{path.stem}_new{suffix}").rename(path.with_suffix(suffix))
    dataset = read_dataset(folder, "classification")
    assert {Path(case.image).suffix for case in dataset.cases} == {".JPG", ".tif", ".BMP", ".Png", ".png"}


def test_a_relative_path_is_made_absolute(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert read_dataset(Path("eyes"), "segmentation").root == str(folder)


def test_a_simulated_folder_stays_simulated_when_the_user_names_it(folder):
    assert read_dataset(folder, "segmentation").simulated
    (folder / "README.txt").unlink()
    assert not read_dataset(folder, "segmentation").simulated


def test_the_real_dataset(drishti):
    dataset = read_dataset(drishti, "segmentation")
    assert len(dataset.cases) == 50
    assert sum(case.label for case in dataset.cases) == 32
    assert (512, 1024) in {(case.width_px, case.height_px) for case in dataset.cases}
    assert not dataset.has_patient_ids
    assert not dataset.simulated


def with_columns(folder, head: str, cells: str) -> None:
    rows = (folder / "labels.csv").read_text().splitlines()
    (folder / "labels.csv").write_text(
        "\n".join([f"{rows[0]},{head}", *(f"{row},{cells}" for row in rows[1:])])
    )


def test_sex_and_the_group_of_age_are_read_and_count(simulated, folder):
    with_columns(folder, "sex,age", "female,59.5")
    dataset = read_dataset(folder, "classification")
    assert {(case.sex, case.age_group) for case in dataset.cases} == {("female", "40–59")}
    assert dataset.sha256 != simulated.sha256


def groups_of_the_first(folder, count: int) -> list[tuple[str | None, str | None]]:
    cases = read_dataset(folder, "classification").cases
    assert {(case.sex, case.age_group) for case in cases[count:]} == {(None, None)}
    return [(case.sex, case.age_group) for case in cases[:count]]


def test_sex_and_group_of_age_are_the_patient_s(folder):
    """Whoever grows older between visits, or lacks a cell, is counted once: as at the first visit."""
    with_cells(folder, "age", ["61", "", "58"], patient="same")
    with_cells(folder, "sex", ["", "F"], patient="same")
    assert groups_of_the_first(folder, 3) == [("F", "40–59")] * 3


def test_without_patient_ids_each_image_has_its_own_sex_and_age(folder):
    with_cells(folder, "age", ["61", "58"])
    with_cells(folder, "sex", ["M", "F"])
    rename(folder, "patient_id", "number")
    assert groups_of_the_first(folder, 2) == [("M", "60–79"), ("F", "40–59")]


def test_names_of_columns_may_be_written_otherwise(simulated, folder, caplog):
    for name, written in (("image_id", "Image_ID"), ("patient_id", "PATIENT_ID "), ("site", " Site")):
        rename(folder, name, written)
    dataset = read_dataset(folder, "classification")
    assert (dataset.sha256, dataset.has_patient_ids, dataset.remark) == (simulated.sha256, True, "")
    assert not caplog.records


def test_columns_that_arc_does_not_know_are_named(folder, caplog):
    names = [f"c{number:02}" for number in range(12)]
    rename(folder, "patient_id", "subject")
    with_columns(folder, ",".join(["Stage\x1b", *names]), ",".join(map(str, range(13))))
    dataset = read_dataset(folder, "classification")
    assert "ignored: 'subject', 'Stage\\x1b', 'c00'" in dataset.remark
    assert "'c07' and 4 more. It knows image_id,label" in dataset.remark
    assert dataset.remark.endswith("Patients unknown: each image counted as one.")
    assert caplog.messages == [f"{folder}/{dataset.remark}"]
    assert "remark" not in dataset.model_dump()


@pytest.mark.parametrize(
    ("head", "cells"), [("sex,age", ","), ("country,remark", "NO,none"), ("sites,Patients", "x,y")]
)
def test_what_is_empty_or_no_column_of_arc_s_changes_no_hash(simulated, folder, head, cells):
    """A folder from before ARC read these columns is still the same study."""
    with_columns(folder, head, cells)
    assert read_dataset(folder, "classification").sha256 == simulated.sha256


def test_the_hash_of_a_folder_is_that_of_the_arc_before(simulated):
    """Its study is found again, whatever fields a case has got since."""
    cases = [case.model_dump(mode="json", exclude={"sex", "age_group"}) for case in simulated.cases]
    assert simulated.sha256 == sha256_of(cases)
