"""A path or a name that a record gives stays below its own folder, whatever the record says."""

import csv
import hashlib
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from arc_core.data.manifest import Dataset, read_dataset
from arc_core.data.study import dataset_of
from arc_core.data.synthetic import SyntheticConfig, generate
from arc_core.errors import DatasetError, SpecError, StoreError
from arc_core.experiments.runs import Runs, inside
from arc_core.experiments.spec import Architecture, Loss
from arc_core.provenance.storage import Storage
from arc_core.training import catalogue
from tests.contracts.records import STUDY
from tests.security.strategies import AGAIN

PART = st.one_of(
    st.sampled_from(
        ["..", ".", "", "a", "out", "circle", "link.pt", "~", "C:", "..\\..\\x", "\0", "x" * 300]
    ),
    st.text(max_size=8),
)
NAMES = st.lists(PART, max_size=6).map("/".join)
ESCAPES = (
    "../x",
    "../../x",
    "/etc/passwd",
    "a/../../x",
    "out/x",
    "link.pt",
    "circle/x",
    "a\0b",
    "",
    "x" * 300,
    "x/" * 3000,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run folder with a folder in it, links out of it, and a link that leads round in a circle."""
    root = tmp_path_factory.mktemp("root")
    run = root / "exp-1"
    (run / "a").mkdir(parents=True)
    (root / "secret").write_text("not yours")
    (run / "out").symlink_to(root)
    (run / "link.pt").symlink_to(root / "secret")
    (run / "circle").symlink_to(run / "circle")
    return run


@settings(AGAIN, max_examples=300)
@given(name=NAMES)
def test_a_recorded_path_stays_in_its_folder(folder, name):
    try:
        path = inside(folder, name)
    except StoreError as error:
        assert str(folder) in str(error)
        assert "restore a backup" in error.cure
    else:
        assert path.resolve().is_relative_to(folder.resolve())
        path.exists()  # the file system can look for it


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_outside_is_read_kept_or_written(folder, tmp_path, name):
    (tmp_path / "shared").mkdir()
    runs = Runs(folder.parent, Storage(f"file://{tmp_path / 'shared'}"))
    before = sorted(folder.parent.rglob("*"))
    files = {name: hashlib.sha256(b"not yours").hexdigest()}
    for act in (runs.fetch, runs.keep):
        with pytest.raises(StoreError, match="outside of its run folder"):
            act("exp-1", files)
    assert sorted(folder.parent.rglob("*")) == before
    assert list((tmp_path / "shared").iterdir()) == []


@settings(AGAIN, max_examples=200)
@given(name=st.one_of(st.sampled_from([*ESCAPES, ".", "..", "a\\b", "~root"]), st.text(max_size=20)))
@example(name="x" * 121)
def test_an_id_is_one_plain_name(folder, name):
    try:
        assert Runs(folder).folder_of(name).parent == folder
    except StoreError as error:
        assert str(folder) in str(error)


OUTSIDE = ("../../x", "/x", "images/../x.png", "images/a/b.png", "images/..", "masks/a\0.png")


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("field", ["image", "mask", "image_id"])
def test_a_dataset_from_a_record_has_no_file_outside_of_its_folder(field, name):
    """A plan, and the store's row of a study, tell where each image lies; results are named by its id."""
    case = {
        "image_id": "a",
        "image": "images/a.png",
        "mask": "masks/a.png",
        "patient_id": "a",
        "height_px": 8,
        "width_px": 8,
        "sha256": "0" * 64,
    }
    said = {"root": "/d", "name": "d", "task": "segmentation", "simulated": True, "has_patient_ids": False}
    good = STUDY.model_copy(update={"dataset": said | {"sha256": "0" * 64, "cases": [case]}})
    assert dataset_of(good).cases
    bad = good.model_copy(update={"dataset": good.dataset | {"cases": [case | {field: name}]}})
    with pytest.raises(StoreError, match=rf"study-1\.cases\.0\.{field}: its dataset in the store can't be"):
        dataset_of(bad)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "eyes"
    generate(SyntheticConfig(cases=12, image_size_px=64), root)
    return root


@pytest.mark.parametrize(
    "image_id", ["../labels", "/etc/passwd", "images/sim_0001", "..\\x", "a\0b", "x" * 5000]
)
def test_an_id_in_the_labels_is_looked_up_and_never_opened(drawn, tmp_path, image_id):
    folder = Path(shutil.copytree(drawn, tmp_path / "eyes"))
    labels = folder / "labels.csv"
    header, first, *rows = labels.read_text().splitlines()
    changed = ",".join([image_id, *first.split(",")[1:]])
    labels.write_text("\n".join([header, changed, *rows]) + "\n")
    with pytest.raises(DatasetError, match=r"labels\.csv"):
        read_dataset(folder, "classification")


def test_a_site_names_no_file(drawn, tmp_path):
    """It may be called anything; it is compared and shown, and that is all."""
    folder = Path(shutil.copytree(drawn, tmp_path / "eyes"))
    labels = folder / "labels.csv"
    with labels.open(newline="") as file:
        rows = [row | {"site": "../../x"} for row in csv.DictReader(file)]
    with labels.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert {case.site for case in read_dataset(folder, "classification").cases} == {"../../x"}


@settings(AGAIN, max_examples=100)
@given(
    name=st.one_of(st.sampled_from([*ESCAPES, "os", "__init__", "..", "unet\n", "a.b"]), st.text(max_size=45))
)
def test_only_a_network_or_loss_that_is_a_file_of_its_folder_is_imported(name):
    for kind in ("networks", "losses"):
        if name not in catalogue.names(kind, "segmentation"):
            with pytest.raises(SpecError, match="there is no such segmentation"):
                catalogue.load(kind, "segmentation", name)
    if not name.isidentifier():
        for record in (lambda: Architecture(name=name, width=8, depth=3), lambda: Loss(name=name)):
            with pytest.raises(ValidationError):
                record()


def test_a_case_that_was_read_is_one_that_a_record_may_hold(drawn):
    found = read_dataset(drawn, "classification")
    assert Dataset.model_validate_json(found.model_dump_json()) == found
