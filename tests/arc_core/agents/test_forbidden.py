"""What failures teach, and that they never teach too much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.agents.forbidden import cause_of, learned
from arc_core.experiments.board import Outcome
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.space import Choice, Range, SearchSpace
from tests.arc_core.agents.study import BASELINE, SPACE, outcome

NAN = "the training diverged: the loss is nan in epoch 3 of fold 1"
OOM = "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
FULL = "OSError: [Errno 28] No space left on device"
ADAMW, UNET = {"optimiser.name": "adamw"}, {"architecture.name": "unet"}


def taught(*outcomes: Outcome, space=SPACE, spared=(BASELINE,)) -> list[tuple[str, float, float, str]]:
    return [(bad.path, bad.low, bad.high, bad.taught_by) for bad in learned(outcomes, space, spared)]


def ran(number: int, changes: dict[str, object], value: float | None = None, reason: str = NAN) -> Outcome:
    return outcome(number, BASELINE.changed(changes), value, cycle=number, reason=reason)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (NAN, "diverged"),
        ("the training diverged: the loss is inf in epoch 1 of fold 0", "diverged"),
        ("the network of fold 2 predicts values that are not finite", "diverged"),
        (OOM, "out_of_memory"),
        ("RuntimeError: CUDA error: out of memory", "out_of_memory"),
        ("AcceleratorError: CUDA error: out of memory\nCUDA kernel errors might be …", "out_of_memory"),
        (
            "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. can't allocate memory",
            "out_of_memory",
        ),
        ("the machine ran out of memory", "out_of_memory"),
        (FULL, None),
        ("", None),
        ("/data/nan/the training diverged: .png has changed since the dataset was read", None),
        ("the worker was killed by signal 9 (often: the machine ran out of memory)", None),  # a guess
        ("the worker ended with exit code 1; its log ends: OutOfMemoryError: CUDA out of memory", None),
        ("trained longer than launch.job_timeout_s, 60 s", None),
        ("RuntimeError: CUDA error: an illegal memory access was encountered", None),
    ],
)
def test_only_values_to_blame_teach(reason, cause):
    assert cause_of(reason) == cause


def test_a_divergence_forbids_the_learning_rate_from_there_to_the_axis_s_end():
    (bad,) = learned((ran(0, {}, 0.8), ran(1, {"optimiser.lr": 5e-3})), SPACE, (BASELINE,))
    assert bad == ForbiddenRange(path="optimiser.lr", low=5e-3, high=0.01, taught_by="exp-001", when=ADAMW)


def test_other_failures_teach_nothing():
    assert taught(ran(0, {}, 0.8), ran(1, {"optimiser.lr": 5e-3}, reason=FULL)) == []
    stopped = ran(1, {"optimiser.lr": 5e-3}).model_copy(update={"status": "stopped"})
    assert taught(ran(0, {}, 0.8), stopped) == []


@pytest.mark.parametrize("works", [5e-3, 6e-3, 0.01])
def test_what_has_worked_with_the_same_optimiser_is_never_forbidden(works):
    failed = ran(1, {"optimiser.lr": 5e-3})
    assert taught(failed, ran(2, {"optimiser.lr": works, "epochs": 20}, 0.7)) == []
    assert taught(failed, ran(2, {"optimiser.lr": 4e-3}, 0.7)) == [("optimiser.lr", 5e-3, 0.01, "exp-001")]
    with_sgd = ran(2, {"optimiser.lr": works, "optimiser.name": "sgd"}, 0.7)
    assert taught(failed, with_sgd) == [("optimiser.lr", 5e-3, 0.01, "exp-001")]


def test_the_baseline_and_the_champion_are_spared_whatever_their_optimiser():
    failed = ran(1, {"optimiser.lr": 5e-3})
    champion = BASELINE.changed({"optimiser.lr": 8e-3, "optimiser.name": "sgd"})
    assert taught(failed, spared=(BASELINE, champion)) == []
    assert taught(ran(1, {}), spared=(BASELINE,)) == []  # the baseline itself diverged
    assert taught(failed, spared=()) == []  # no word of what works


def test_the_lowest_failure_counts_and_names_itself():
    failures = (
        ran(1, {"optimiser.lr": 8e-3}),
        ran(2, {"optimiser.lr": 4e-3}),
        ran(3, {"optimiser.lr": 4e-3}),
    )
    assert taught(*failures) == [("optimiser.lr", 4e-3, 0.01, "exp-002")]
    # What the lowest had taught is gone once a value above it works; the other one stands.
    assert taught(*failures, ran(4, {"optimiser.lr": 5e-3}, 0.8)) == [("optimiser.lr", 8e-3, 0.01, "exp-001")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image_size_px": 128}, [("image_size_px", 128, 128, "exp-001")]),
        ({"architecture.width": 12}, [("architecture.width", 12, 16, "exp-001")]),
        ({"batch_size": 16}, [("batch_size", 16, 16, "exp-001")]),
        # The pixels grow by 1.8, the width by 1.5 or 2.
        ({"image_size_px": 128, "architecture.width": 12}, [("image_size_px", 128, 128, "exp-001")]),
        ({"image_size_px": 128, "architecture.width": 16}, [("architecture.width", 16, 16, "exp-001")]),
        ({"optimiser.lr": 5e-3, "image_size_px": 64, "batch_size": 4}, []),  # smaller than what works
    ],
)
def test_out_of_memory_blames_the_axis_that_went_furthest(changes, expected):
    assert taught(ran(0, {}, 0.8), ran(1, changes, reason=OOM)) == expected


def test_memory_is_a_matter_of_the_network():
    failed = ran(1, {"image_size_px": 128}, reason=OOM)
    other = ran(2, {"image_size_px": 128, "architecture.name": "segresnet"}, 0.8)
    (bad,) = learned((failed, other), SPACE, (BASELINE,))
    assert bad.when == UNET
    assert bad.forbids(failed.spec.flat())
    assert not bad.forbids(other.spec.flat())


def test_a_failure_off_the_axis_or_at_its_very_start_teaches_nothing():
    failed = ran(1, {"optimiser.lr": 5e-3})
    assert taught(failed, space=SearchSpace(axes={"epochs": Choice(choices=(10, 20))})) == []
    assert taught(failed, space=SearchSpace(axes={"optimiser.lr": Range(low=5e-3, high=0.01)})) == []
    assert taught(failed, space=SearchSpace(axes={"optimiser.lr": Range(low=1e-4, high=4e-3)})) == []
    assert taught(failed, space=SearchSpace(axes={"optimiser.lr": Choice(choices=("a", "b"))})) == []


specs = st.fixed_dictionaries(
    {
        "optimiser.lr": st.floats(1e-4, 0.01),
        "optimiser.name": st.sampled_from(("adamw", "sgd")),
        "architecture.name": st.sampled_from(("unet", "segresnet")),
        "architecture.width": st.sampled_from((8, 12, 16)),
        "image_size_px": st.sampled_from((32, 64, 96, 128)),
        "batch_size": st.sampled_from((4, 8, 16)),
    }
).map(BASELINE.changed)
pasts = st.lists(st.tuples(specs, st.sampled_from((0.8, NAN, OOM, FULL))), max_size=12)


@given(pasts, st.lists(specs, min_size=1, max_size=2))
def test_the_space_is_never_emptied(past, spared):
    outcomes = tuple(
        outcome(i, spec, end if isinstance(end, float) else None, reason=str(end))
        for i, (spec, end) in enumerate(past)
    )
    ranges = learned(outcomes, SPACE, spared)
    free = [*spared, *(each.spec for each in outcomes if each.result)]
    assert not any(bad.forbids(spec.flat()) for bad in ranges for spec in free)
    for path, axis in SPACE.axes.items():
        there = [bad for bad in ranges if bad.path == path]
        ends = axis.choices if isinstance(axis, Choice) else (axis.low, axis.high)
        assert not all(any(bad.holds(value) for bad in there) for value in ends)
    by_id = {each.experiment_id: each for each in outcomes}
    for bad in ranges:
        teacher = by_id[bad.taught_by]
        assert teacher.status == "failed"
        assert teacher.reason in (NAN, OOM)
        assert bad.forbids(teacher.spec.flat())
    assert len(ranges) <= 2 + 3 * 2  # the rate of two optimisers, three axes of two networks
