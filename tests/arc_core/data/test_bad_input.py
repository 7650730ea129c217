"""Every way a dataset folder can be wrong: the message names the file and the cure."""

import pickle
import shutil
from contextlib import closing

import pytest
from PIL import Image

from arc_core.data.manifest import read_dataset
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
    scaled_mask,
    small_mask,
    truncated,
    unlist_images,
    upper_twin,
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
