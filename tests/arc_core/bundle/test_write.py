"""A bundle as somebody uses it who has MONAI and no ARC."""

import csv
import hashlib
import json
import re
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from arc_core.bundle.configs import INTENDED_USE
from arc_core.bundle.workflow import load_network
from arc_core.bundle.write import write_bundle
from arc_core.data.reader import read_image, read_mask
from arc_core.errors import ArcError, StoreError
from arc_core.training.prediction import predict_folder

NEEDED = {
    "schema",
    "version",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
}
"""By MONAI's schema of 2024-07-25."""


@pytest.fixture(scope="module")
def photograph_folder(photographs, tmp_path_factory):
    """Other shapes than those of the training, and a photograph that a camera has turned."""
    folder = tmp_path_factory.mktemp("new")
    one, two, three = sorted((photographs / "images").glob("*.png"))[:3]
    Image.open(one).resize((90, 60)).save(folder / "wide.png")
    Image.open(two).resize((70, 131)).save(folder / "tall.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.open(three).convert("RGB").resize((200, 150)).save(folder / "turned.jpg", exif=turned)
    return folder


@pytest.fixture(scope="module")
def predicted(bundled, photograph_folder, tmp_path_factory):
    """The folder through the bundle, and through ARC as `flows.predict` has it."""
    out = tmp_path_factory.mktemp("out")
    config = bundled.folder / "configs" / "inference.json"
    where = ("--dataset_dir", photograph_folder, "--output_dir", out / "bundle")
    ran = bundled.run("monai.bundle", "run", "--config_file", config, *where)
    assert ran.returncode == 0, ran.stderr
    (out / "arc").mkdir()
    images = {path.stem: path for path in sorted(photograph_folder.iterdir())}
    predict_folder(bundled.predictor.predict, images, out / "arc", "", lambda image_id: None)
    return out


def test_it_predicts_what_arc_predicts(predicted):
    by_bundle, by_arc = (
        list(csv.DictReader((predicted / by / "predictions.csv").read_text().splitlines()))
        for by in ("bundle", "arc")
    )
    assert [row["image_id"] for row in by_bundle] == ["tall", "turned", "wide"]
    assert all(row["probability"] for row in by_arc)
    for said, expected in zip(by_bundle, by_arc, strict=True):
        assert said.keys() == expected.keys()
        for column, value in expected.items():
            if column == "probability" and value:
                assert float(said[column]) == pytest.approx(float(value), abs=1.01e-4)  # the last decimal
            else:
                assert said[column] == value


def test_it_says_who_predicted(predicted, bundled):
    about = (predicted / "bundle" / "about.txt").read_text()
    assert about == f"{bundled.origin.words}\n{INTENDED_USE}\n"


def test_its_masks_are_arcs(predicted, bundled):
    masks = {path.name: read_mask(path) for path in (predicted / "arc").glob("masks/*.png")}
    assert len(masks) == (3 if bundled.origin.spec.task == "segmentation" else 0)
    assert {path.name for path in (predicted / "bundle").glob("masks/*.png")} == set(masks)
    for name, mask in masks.items():
        np.testing.assert_array_equal(read_mask(predicted / "bundle" / "masks" / name), mask)


def test_its_readme_predicts_one_image(bundled, photograph_folder, tmp_path):
    readme = (bundled.folder / "docs" / "README.md").read_text()
    (sample,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    image = photograph_folder / "tall.png"
    sample = sample.replace("BUNDLE", str(bundled.folder)).replace("photograph.png", str(image))
    (tmp_path / "sample.py").write_text(f"{sample}\nprint(prediction.probability, prediction.vcdr)\n")

    ran = bundled.run(tmp_path / "sample.py")

    assert ran.returncode == 0, ran.stderr
    expected = bundled.predictor.predict(read_image(image))
    said = [None if word == "None" else float(word) for word in ran.stdout.split()]
    assert said == pytest.approx([expected.probability, expected.vcdr], abs=1e-5)


def test_monai_finds_the_network_as_the_metadata_says(bundled, photograph_folder):
    configs = bundled.folder / "configs"
    files = ("--meta_file", configs / "metadata.json", "--config_file", configs / "inference.json")
    path = bundled.folder.parent / "verify.py"
    path.write_text(
        f"import sys\nsys.path.insert(0, {str(bundled.folder)!r})\n"
        "from monai.bundle import ConfigWorkflow, verify_net_in_out\n"
        f"files = dict(meta_file={str(files[1])!r}, config_file={str(files[3])!r})\n"
        "verify_net_in_out(net_id='network_def', device='cpu', **files)\n"
        f"files['dataset_dir'] = {str(photograph_folder)!r}\n"
        "workflow = ConfigWorkflow(workflow_type='inference', **files)\n"
        "workflow.initialize()\n"
        "print('missing:', workflow.check_properties())\n"
    )
    ran = bundled.run(path)
    assert ran.returncode == 0, ran.stderr
    assert "missing: []" in ran.stdout


def test_it_says_what_it_is_and_how_well_it_did(bundled):
    metadata = json.loads((bundled.folder / "configs" / "metadata.json").read_text())
    readme = (bundled.folder / "docs" / "README.md").read_text()
    result = bundled.origin.result

    assert metadata.keys() >= NEEDED
    assert "not a medical device" in metadata["intended_use"]
    assert metadata["eval_metrics"]["auc"] == asdict(result.metrics["auc"])
    assert str(result.metrics["auc"]) in readme
    for text in (metadata["name"], metadata["data_source"], readme.splitlines()[2]):
        assert "SIMULATED" in text
    for provenance in (
        bundled.origin.experiment.id,
        bundled.origin.spec.id,
        bundled.origin.study.dataset_sha256,
    ):
        assert provenance in readme
        assert provenance in json.dumps(metadata)
    assert "NOT PROVIDED" in (bundled.folder / "LICENSE").read_text()


def test_its_readme_has_the_hash_of_every_other_file(bundled):
    readme = (bundled.folder / "docs" / "README.md").read_text()
    files = {path for path in bundled.folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    for path in files - {bundled.folder / "docs" / "README.md"}:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f"| `{path.relative_to(bundled.folder).as_posix()}` | `{sha256}` |" in readme


def test_a_changed_network_is_not_read(tmp_path):
    (tmp_path / "model.pt2").write_bytes(b"another")
    with pytest.raises(ArcError, match="has changed since it was exported"):
        load_network(str(tmp_path / "model.pt2"), "0" * 64)


def test_nothing_is_overwritten(bundled):
    for taken in (bundled.folder, bundled.folder / "LICENSE"):
        with pytest.raises(StoreError, match="nothing is overwritten"):
            write_bundle(taken, bundled.origin, bundled.predictor.ensemble)


def test_what_cannot_be_written_leaves_nothing(bundled, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be written"):
        write_bundle(tmp_path / "file" / "bundle", bundled.origin, bundled.predictor.ensemble)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
