"""Every way a dataset folder can be wrong: the message names the file and the cure."""

import pickle
import shutil
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from arc_core.data.columns import check_header
from arc_core.data.manifest import _read_files, read_dataset
from arc_core.data.source import DataConfig
from arc_core.data.splits import make_split
from arc_core.data.study import open_study
from arc_core.errors import DatasetError
from arc_core.experiments.memory import Memory
from tests.arc_core.data.breakage import (
    bit_flipped,
    bomb,
    copied,
    edit_rows,
    first,
    loose_images,
    one_class,
    recompressed,
    relabel,
    rename,
    save_mask,
    scaled_mask,
    small_mask,
    truncated,
    unlist_images,
    upper_twin,
    with_cells,
)

SEG, CLS = "segmentation", "classification"
# name: (task, how to break the folder, the file named, what the message says, a word of its cure)
BAD = {
    "image without its mask": (
        SEG,
        lambda f: first(f, "masks").unlink(),
        "images/sim_",
        "no mask",
        "Add the",
    ),
    "mask without an image": (
        SEG,
        lambda f: first(f).unlink(),
        "masks/sim_",
        "has no image",
        "remove the mask",
    ),
    "mask of 0, 128, 255": (
        SEG,
        lambda f: scaled_mask(f, [0, 128, 255]),
        "masks/",
        "0, 128, 255",
        "2 for 255",
    ),
    "mask of 0, 255": (
        SEG,
        lambda f: scaled_mask(f, [0, 255, 255]),
        "masks/",
        "values 0, 255",
        "in one file",
    ),
    "mask in colour": (
        SEG,
        lambda f: Image.new("RGB", (64, 64)).save(first(f, "masks")),
        "masks/",
        "colour",
        "palette",
    ),
    "mask with no disc": (SEG, lambda f: scaled_mask(f, [0, 0, 0]), "masks/", "no disc", "Mark rim"),
    "sizes differ": (SEG, small_mask, "masks/sim_", "got 60 × 64 px; expected 64 × 64 px", "Export"),
    "damaged mask": (SEG, lambda f: first(f, "masks").write_bytes(b"x"), "masks/", "not an image", "Export"),
    "mask as JPEG": (
        SEG,
        lambda f: first(f, "masks").rename(f / "masks" / "a.jpg"),
        "masks/a.jpg",
        "no mask",
        "as <image_id>.png",
    ),
    "truncated image": (SEG, truncated, "images/sim_", "damaged", "Export it again"),
    "one bit flipped": (SEG, bit_flipped, "images/sim_", "damaged", "Export it again"),
    "empty file": (
        SEG,
        lambda f: first(f).write_bytes(b""),
        "images/sim_",
        "not an image",
        "Export it again",
    ),
    "text called .png": (CLS, lambda f: first(f).write_text("hello"), "images/", "not an image", "Export"),
    "no image file": (
        SEG,
        lambda f: (f / "images/notes.txt").write_text("x"),
        "notes.txt",
        "no image",
        "PNG",
    ),
    "folder in images": (
        SEG,
        lambda f: (f / "images/more").mkdir(),
        "images/more",
        "no image",
        "move it out",
    ),
    "decompression bomb": (SEG, bomb, "images/sim_", "too large", "scale it down"),
    "unsafe id": (SEG, lambda f: first(f).rename(f / "images/a b.png"), "a b.png", "image_id", "Rename"),
    "twin by suffix": (
        SEG,
        lambda f: shutil.copy(first(f), first(f).with_suffix(".tif")),
        "images/sim_0001",
        "duplicate",
        "Rename or remove",
    ),
    "twin by case": (SEG, upper_twin, "images/", "duplicate", "Rename or remove"),
    "same image, two patients": (
        SEG,
        lambda f: copied(f, "other"),
        "zz_copy.png",
        "sim_0001 and other",
        "Remove",
    ),
    "same pixels, two files": (CLS, recompressed, "zz_copy.png", "under two patients", "correct patient_id"),
    "same image, one patient": (
        SEG,
        lambda f: copied(f, None),
        "zz_copy.png",
        "one patient, sim_0001",
        "Remove",
    ),
    "empty folder": (SEG, lambda f: shutil.rmtree(f) or f.mkdir(), "eyes", "is empty", "images/<image_id>"),
    "empty images": (CLS, unlist_images, "images", "no images", "Put the photographs"),
    "no images folder": (SEG, loose_images, "eyes", "no images/ folder", "images/<image_id>.png"),
    "no such folder": (SEG, shutil.rmtree, "eyes", "no such folder", "--data"),
    "a file": (
        SEG,
        lambda f: shutil.rmtree(f) or f.write_text(""),
        "eyes",
        "not a folder",
        "Give the folder",
    ),
    "label 2": (CLS, lambda f: relabel(f, "2"), "labels.csv, line 2", "got '2'", "Correct the row"),
    "label yes": (SEG, lambda f: relabel(f, "yes"), "labels.csv, line 2", "0 (normal)", "Correct the row"),
    "label empty": (SEG, lambda f: relabel(f, ""), "labels.csv, line 2", "got ''", "Correct the row"),
    "one class only": (CLS, one_class, "labels.csv", "only label 1", "other class"),
    "no labels": (CLS, lambda f: (f / "labels.csv").unlink(), "labels.csv", "missing", "image_id,label"),
    "no label column": (
        CLS,
        lambda f: edit_rows(f, lambda rows: [rows[0].replace("label", "ill"), *rows[1:]]),
        "labels.csv",
        "'label' is missing",
        "Add it",
    ),
    "semicolons": (
        CLS,
        lambda f: edit_rows(f, lambda rows: [row.replace(",", ";") for row in rows]),
        "labels.csv",
        "'image_id' is missing",
        "commas",
    ),
    "not UTF-8": (
        CLS,
        lambda f: (f / "labels.csv").write_bytes("image_id,label\nMüller,1\n".encode("latin-1")),
        "labels.csv",
        "0xfc",
        "UTF-8",
    ),
    "short row": (
        CLS,
        lambda f: edit_rows(f, lambda r: [*r, "x,1"]),
        "line 26",
        "fewer fields",
        "same fields",
    ),
    "row twice": (CLS, lambda f: edit_rows(f, lambda r: [*r, r[1]]), "line 26", "twice", "Keep one"),
    "row without image": (
        CLS,
        lambda f: edit_rows(f, lambda r: [*r, "ghost,1,p,s,c"]),
        "labels.csv",
        "'ghost' has no image",
        "remove the row",
    ),
    "image without row": (
        SEG,
        lambda f: edit_rows(f, lambda r: r[:-1]),
        "images/sim_",
        "no row",
        "Add a row",
    ),
    **{
        f"age {age}": (
            CLS,
            lambda f, age=age: edit_rows(
                f, lambda r: [f"{r[0]},age", f"{r[1]},{age}", *(f"{x},50" for x in r[2:])]
            ),
            "labels.csv, line 2",
            f"got '{age}'; expected years",
            "leave it empty",
        )
        for age in ("old", "-1", "121", "nan")
    },
    **{
        f"column {written}": (
            CLS,
            lambda f, written=written, own=own: rename(f, own, written),
            "labels.csv",
            f"nearly one that ARC knows; got '{written}'",
            f"Rename it to {own}",
        )
        for own, written in (
            *(("patient_id", name) for name in ("PatientID", "patient-id", "Patient", "patient_ids")),
            ("site", "Sites"),
        )
    },
    "column imageid": (
        CLS,
        lambda f: rename(f, "image_id", "imageid"),
        "labels.csv",
        "'image_id' is missing",
        "Rename 'imageid' to it",
    ),
    "a column in two ways": (
        CLS,
        lambda f: rename(f, "camera", " SITE"),
        "labels.csv",
        "'site' stands there twice",
        "Keep one",
    ),
    "patient of two sexes": (
        CLS,
        lambda f: with_cells(f, "sex", ["M", "", "F"], patient="same"),
        "labels.csv, lines 2 and 4",
        "patient 'same' has two sexes; got 'M' and 'F'; expected one",
        "Correct sex or patient_id",
    ),
    "patient empty": (
        CLS,
        lambda f: edit_rows(f, lambda r: [*r[:-1], r[-1].split(",")[0] + ",1,,s,c"]),
        "labels.csv, line 25",
        "patient_id is empty",
        "Fill it in",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_message_names_the_file_and_the_cure(name, folder):
    task, break_it, where, what, cure = BAD[name]
    break_it(folder)
    with pytest.raises(DatasetError) as caught:
        read_dataset(folder, task)
    message = str(caught.value)
    assert str(folder) in message
    assert where in message
    assert what in message
    assert cure in caught.value.cure
    assert cure in message
    assert caught.value.exit_code == 2


def complaint_of(folder, task=CLS) -> str:
    with pytest.raises(DatasetError) as caught:
        read_dataset(folder, task)
    return str(caught.value)


def test_a_patient_of_two_sexes_is_told_beside_other_faults(folder):
    with_cells(folder, "sex", ["M", "F"], patient="same")
    edit_rows(folder, lambda rows: [*rows, rows[-1]])
    told = complaint_of(folder).splitlines()[1:]
    assert [words in line for words, line in zip(("line 26", "two sexes"), told, strict=True)] == [True] * 2


def test_the_faults_of_table_and_folders_are_told_in_one_error(folder):
    edit_rows(folder, lambda rows: [*rows[:-2], "ghost,1,p,s,c", "lost,2,p,s,c", "short,1"])
    first(folder, "masks").unlink()
    (folder / "images" / "notes.txt").write_text("x")
    head, *told = complaint_of(folder, SEG).splitlines()
    assert head == f"{folder}: 7 faults. Mend them all; they are:"
    for words in (
        "notes.txt: this is no image",
        "no mask (1 of 24",
        "line 25: the label of 'lost'",
        "line 26: the row has more or fewer fields",
        "'ghost' has no image",
    ):
        assert len([line for line in told if words in line]) == 1, words
    assert len([line for line in told if "has no row" in line]) == 2
    assert len(told) == 7, "a row with a wrong label has no second fault for its image"


def test_of_many_faults_the_first_ten_are_told_and_how_many_there_are(folder):
    edit_rows(folder, lambda rows: [rows[0], *(row.replace(",", ",9", 1) for row in rows[1:])])
    head, *told = complaint_of(folder).splitlines()
    assert head == f"{folder}: 24 faults. Mend them all; ten of them:"
    assert [line.split(" line ")[1].split(":")[0] for line in told] == [str(n) for n in range(2, 12)]


def test_many_faults_of_one_kind_do_not_hide_another(folder):
    edit_rows(
        folder, lambda rows: [rows[0], *(row.replace(",", ",9", 1) for row in rows[1:]), "ghost,1,p,s,c"]
    )
    head, *told = complaint_of(folder).splitlines()
    assert head == f"{folder}: 25 faults. Mend them all; ten of them:"
    assert len(told) == 10
    assert "the label of" in told[0]
    assert "'ghost' has no image" in told[1]


def test_the_faults_in_the_files_are_told_in_one_error(folder):
    truncated(folder)
    for path in sorted((folder / "masks").iterdir())[1:3]:
        save_mask(path, np.zeros((64, 64)))
    head, *told = complaint_of(folder, SEG).splitlines()
    assert head == f"{folder}: 3 faults. Mend them all; they are:"
    assert ["damaged" in told[0], *("the mask has no disc" in line for line in told[1:])] == [True] * 3


def test_a_fault_that_is_kept_holds_no_image(folder):
    """Thousands of them are told at the end, each with all that its traceback would lead to."""
    truncated(folder)
    fault = _read_files(first(folder), None)
    assert isinstance(fault, DatasetError)
    assert fault.__traceback__ is fault.__context__ is None


def test_every_copy_is_told(folder):
    copied(folder, "other")
    shutil.copy(first(folder), folder / "images" / "zz_more.png")
    edit_rows(folder, lambda rows: [*rows, rows[-1].replace("zz_copy", "zz_more")])
    told = complaint_of(folder).splitlines()[1:]
    assert [words in line for words, line in zip(("zz_copy.png", "zz_more.png"), told, strict=True)] == [
        True
    ] * 2


def test_a_line_of_a_list_of_faults_can_not_be_forged(folder):
    edit_rows(folder, lambda rows: [*rows, '"x\n  forged\x1b[31m",1,p,s,c', "ghost,1,p,s,c"])
    told = complaint_of(folder).splitlines()
    assert len(told) == 3
    assert "\x1b" not in "".join(told)


def test_columns_by_the_thousand_are_read_at_once(folder):
    """In time that grows with their number: each was once counted among all, which took half a minute."""
    compared = 0

    class Counted(str):
        def __eq__(self, other):
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    names = [Counted(name) for name in ("image_id", "label", *map(str, range(500)))]
    check_header(folder / "labels.csv", names)
    assert compared < 10 * len(names)
    with pytest.raises(DatasetError, match="column '7' stands there twice"):
        check_header(folder / "labels.csv", [*names, "9", "7"])


@pytest.mark.parametrize("name", ["labels.csv", "masks"])
def test_a_link_to_nowhere_is_not_taken_for_nothing(folder, name):
    path = folder / name
    path.rename(folder.parent / f"{name} elsewhere")
    path.symlink_to(folder.parent / "nowhere")
    with pytest.raises(DatasetError, match=f"{name}: the f.* cannot be"):
        read_dataset(folder, "classification")


def test_a_metric_of_labels_needs_them(folder, tmp_path):
    (folder / "labels.csv").unlink()
    with closing(Memory(f"sqlite:///{tmp_path / 'arc.db'}")) as memory:
        with pytest.raises(DatasetError, match=r"labels\.csv: the metric auc needs a label of every image"):
            open_study(memory, DataConfig(path=str(folder), folds=2), SEG, "auc", tmp_path)
        assert memory.studies() == ()


def test_a_metric_of_masks_needs_one_at_least(folder, tmp_path):
    masks = sorted((folder / "masks").iterdir())
    for path in masks[1:]:
        path.unlink()
    with closing(Memory(f"sqlite:///{tmp_path / 'arc.db'}")) as memory:
        config = DataConfig(path=str(folder), folds=2)
        assert open_study(memory, config, "classification", "dri", tmp_path).metric == "dri"
        masks[0].unlink()
        with pytest.raises(DatasetError, match="masks: the metric dri needs masks"):
            open_study(memory, config, "classification", "dri", tmp_path)


def test_fewer_patients_than_folds(simulated):
    with pytest.raises(DatasetError, match=r"got 18 patients; expected at least 20\. Set data.folds=18"):
        make_split(simulated, 20, 0)


def test_fewer_patients_of_one_class_than_folds(folder):
    def rare(rows: list[str]) -> list[str]:
        cells = [row.split(",") for row in rows[1:]]
        return [rows[0], *(",".join([c[0], str(int(i < 2)), *c[2:]]) for i, c in enumerate(cells))]

    edit_rows(folder, rare)
    with pytest.raises(DatasetError, match=r"labels\.csv: fewer patients with label 1 than folds") as caught:
        make_split(read_dataset(folder, "classification"), 4, 0)
    assert "folds" in caught.value.cure or "Add patients" in caught.value.cure
    # Segmentation does not need both classes in every fold.
    assert make_split(read_dataset(folder, "segmentation"), 4, 0).folds == 4


def test_the_error_survives_pickling(folder):
    truncated(folder)
    with pytest.raises(DatasetError) as caught:
        read_dataset(folder, "segmentation")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own bytes
