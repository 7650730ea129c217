from pathlib import Path

import pytest

from arc_core.data.splits import Split
from arc_core.errors import SpecError
from arc_core.experiments.limits import MAX_PARAMETERS
from arc_core.experiments.spec import Architecture, parse_spec
from arc_core.training import catalogue
from arc_core.training.cost import (
    cached_mib,
    cost_of,
    estimate_s,
    machine_gflop_s,
    memory_mib,
    table,
    work_gflop,
)
from arc_core.training.profile import DEPTHS, WIDTHS, measure_cost
from tests.arc_core.training.conftest import SEGMENTATION
from tests.conftest import ROOT

CONFIGS = Path(__file__).parents[3] / "configs"
SPEC = parse_spec(SEGMENTATION)


@pytest.mark.parametrize(
    "key",
    [
        "segmentation/unet/16/4",
        "segmentation/attention_unet/8/3",
        "segmentation/segresnet/12/4",
        "segmentation/basic_unet/8/5",
        "classification/resnet/16/5",
        "classification/densenet/8/3",
        "classification/efficientnet/24/3",
    ],
)
def test_the_table_says_what_is_measured_now(key):
    task, name, width, depth = key.split("/")

    measured = measure_cost(task, Architecture(name=name, width=int(width), depth=int(depth)))

    assert measured == table()[key], "run `make costs`"


def test_every_network_has_its_costs():
    for task in ("segmentation", "classification"):
        for name in catalogue.networks(task):
            assert any(key.startswith(f"{task}/{name}/") for key in table()), f"run `make costs` for {name}"


@pytest.mark.parametrize("kind", ["networks", "losses"])
def test_every_network_and_loss_has_its_config(kind):
    folder = {"networks": "model", "losses": "loss"}[kind]
    for task in ("segmentation", "classification"):
        configured = {path.stem for path in (CONFIGS / folder / task).glob("*.yaml")}
        assert configured == catalogue.names(kind, task)


def test_no_entry_is_over_the_parameter_limit():
    assert max(cost.parameters for cost in table().values()) <= MAX_PARAMETERS


ALL = "8, 12, 16, 24, 32"
CHOOSE, ADD = "Choose one of these.", "Run `make costs` after adding a network."


@pytest.mark.parametrize(
    ("network", "measured", "cure"),
    [
        ("unet", f"of unet, width {ALL} with depth 3, 4, 5", CHOOSE),
        ("segresnet", f"of segresnet, width {ALL} with depth 3, 4, or width 8, 12, 16 with depth 5", CHOOSE),
        ("new_net", "a network that was measured", ADD),
    ],
)
def test_what_has_no_measured_cost_is_told_what_has(network, measured, cure):
    architecture = Architecture(name=network, width=4, depth=2)
    with pytest.raises(SpecError) as caught:
        cost_of(SPEC.model_copy(update={"architecture": architecture}))
    assert f"got segmentation/{network}/4/2; expected {measured}. {cure}" in str(caught.value)


def test_the_sizes_that_the_documentation_names_are_the_measured_ones():
    said = (ROOT / "docs" / "experiments.md").read_text()
    for name, sizes in (("width", WIDTHS), ("depth", DEPTHS)):
        (row,) = [line for line in said.splitlines() if line.startswith(f"| `spec.architecture.{name}` |")]
        assert f"of which measured {', '.join(map(str, sizes))} |" in row


def test_a_larger_image_costs_in_proportion_to_its_area():
    small, large = (cost_of(SPEC.changed({"image_size_px": size})) for size in (64, 128))

    assert large.gflop_per_image == pytest.approx(4 * small.gflop_per_image)
    assert large.parameters == small.parameters
    assert memory_mib(SPEC.changed({"image_size_px": 256}), micro_batch=8) > memory_mib(SPEC, micro_batch=8)


def test_a_decoded_case_takes_four_bytes_a_pixel():
    assert cached_mib(SPEC.changed({"image_size_px": 512}), cases=12) == 12


def test_time_grows_with_the_work():
    split = Split(
        dataset_sha256="", folds=2, seed=0, patient_level_demonstrable=True, assignment={"a": 0, "b": 1}
    )
    work = [work_gflop(split, SPEC.changed({"epochs": epochs})) for epochs in (10, 20)]

    assert work[1] == pytest.approx(2 * work[0])
    seconds = [estimate_s(w, speed_gflop_s=machine_gflop_s(), startup_s=5, folds=2) for w in work]
    assert 5 < seconds[0] < seconds[1]
