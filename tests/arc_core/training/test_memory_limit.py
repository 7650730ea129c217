"""Trainings whose processes really run out of memory."""

import json
import resource
import sys

import pytest

from arc_core.agents.forbidden import cause_of
from arc_core.errors import ExperimentFailed
from arc_core.training.evaluator import evaluate
from arc_core.training.memory_limit import (
    MAX_HALVINGS,
    as_it_was_left,
    is_out_of_memory,
    with_halved_micro_batch,
)
from arc_core.training.process import run_worker
from tests.processes import has_ended

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit a running process")

LARGE = {"image_size_px": 512, "epochs": 1, "batch_size": 16, "augmentation__rotation_deg": 0}


def limited_to(mib: int, events: list[dict]):
    """Takes every worker's memory away as it starts, before it has read an image."""

    def limit(event: dict) -> None:
        events.append(event)
        if event["event"] == "started":
            resource.prlimit(event["pid"], resource.RLIMIT_DATA, (mib * 2**20, mib * 2**20))

    return limit


def test_what_does_not_fit_at_once_is_put_on_the_device_in_smaller_parts(planner, tmp_path):
    asked = planner(tmp_path / "asked", **LARGE)
    events: list[dict] = []

    done = run_worker(asked, on_event=limited_to(1000, events))

    micro_batch = done.training.micro_batch
    assert micro_batch < asked.training.micro_batch == 16
    assert done.training.micro_batch * done.training.accumulate == 16
    assert done.deviations[0] == "micro-batch 16 → 8: out of memory"
    assert sum(event["event"] == "started" for event in events) == 1 + len(done.deviations)
    assert evaluate(done)[0].deviations == done.deviations
    small = planner(tmp_path / "small", batch_size_per_gpu=micro_batch, **LARGE)
    run_worker(small, on_event=lambda event: None)
    assert (done.fold_dir(0) / "model.pt").read_bytes() == (small.fold_dir(0) / "model.pt").read_bytes()
    events.clear()
    assert run_worker(asked, on_event=events.append) == done, "asked again, it is still finished"
    assert {event["event"] for event in events} == {"started", "fold", "finished"}


def test_what_does_not_fit_at_all_fails_with_the_limit_it_teaches(planner, tmp_path):
    plan = planner(tmp_path, **(LARGE | {"image_size_px": 1024, "batch_size": 8}))
    events: list[dict] = []
    between_libraries_and_images = 750  # the ones take up to 500 MiB, with the others it is 1,080

    with pytest.raises(ExperimentFailed, match=r"out of memory: 1 images? at once .* at 1024 px") as failed:
        run_worker(plan, on_event=limited_to(between_libraries_and_images, events))

    assert cause_of(str(failed.value)) == "out_of_memory"
    assert sum(event["event"] == "started" for event in events) == 1 + MAX_HALVINGS
    assert all(has_ended(event["pid"]) for event in events if event["event"] == "started")


def test_a_micro_batch_is_halved_to_a_part_of_the_batch(planner, tmp_path):
    plan = planner(tmp_path, batch_size=12)
    sizes = []
    while True:
        sizes.append((plan.training.micro_batch, plan.training.accumulate))
        try:
            plan = with_halved_micro_batch(plan, "CUDA out of memory")
        except ExperimentFailed:
            break
    assert sizes == [(12, 1), (6, 2), (3, 4), (1, 12)]


@pytest.mark.parametrize(
    "edited",
    [
        {"training": {"micro_batch": 1_000_000}},
        {"training": {"micro_batch": 6, "accumulate": 2}},
        {"deviations": ["micro-batch 12 → 6: out of memory"]},
    ],
)
def test_a_plan_that_was_edited_is_not_believed(planner, tmp_path, edited):
    plan = planner(tmp_path, batch_size=12)
    tree = json.loads(plan.model_dump_json())
    tree["training"] |= edited.get("training", {})
    tree["deviations"] = edited.get("deviations", [])
    plan.path.write_text(json.dumps(tree))
    assert as_it_was_left(plan) == plan
    halved = with_halved_micro_batch(plan, "CUDA out of memory")
    plan.path.write_text(halved.model_dump_json())
    assert as_it_was_left(plan) == halved
    elsewhere = halved.system.model_copy(update={"gpu_ids": (7,), "cpu_threads": 5})
    other = halved.model_copy(update={"run_dir": "/another/machine", "system": elsewhere})
    plan.path.write_text(other.model_dump_json())
    assert as_it_was_left(plan) == halved, "its place and its devices are this machine's"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("Sizes of tensors must match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_running_out_of_memory_looks_like(error, expected):
    assert is_out_of_memory(error) is expected
