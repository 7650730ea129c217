"""How long an experiment will take is judged from what was measured."""

import pytest

from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Result
from arc_core.training.cost import FOLD_S, work_gflop
from arc_core.training.pace import measured_pace


@pytest.fixture
def plan(planner, tmp_path):
    return planner(tmp_path)


def measured(plan, speed: float, startup_s: float = 10.0, *, network="unet", device="cpu", devices=1):
    """A past experiment that trained at `speed` GFLOP/s."""
    spec = plan.spec.changed({"architecture.name": network})
    work = work_gflop(plan.split, spec)
    result = Result(
        metrics={"mean_dice": Estimate(value=0.5, low=0.4, high=0.6)},
        folds=2,
        device=device,
        devices=devices,
        train_s=work / speed,
        total_s=work / speed + startup_s + plan.split.folds * FOLD_S,
        images=100,
        work_gflop=work,
        peak_memory_mib=100,
        files={},
    )
    return spec, result


def pace(past, *, network="unet", device="cpu", jobs=3, devices=1):
    return measured_pace(past, network, device, jobs_at_once=jobs, threads=1, devices=devices)


def test_it_is_the_median_of_what_was_measured(plan):
    past = [measured(plan, speed) for speed in (2.0, 100.0, 4.0)]
    assert pace(past).gflop_s == pytest.approx(4.0)
    assert pace(past).startup_s == pytest.approx(10.0)
    assert pace(past).measurements == 3


def test_twice_the_devices_are_twice_as_fast(plan):
    assert pace([measured(plan, 8.0, devices=2)]).gflop_s == pytest.approx(4.0)
    assert pace([measured(plan, 8.0, devices=2)], devices=4).gflop_s == pytest.approx(16.0)


def test_an_experiment_is_expected_to_take_as_long_as_it_took(plan):
    spec, result = measured(plan, 2.0)
    assert pace([(spec, result)]).seconds(spec, plan.split) == pytest.approx(result.total_s)


def test_folds_quicker_than_assumed_leave_no_negative_startup(plan):
    spec, result = measured(plan, 2.0)
    quick = result.model_copy(update={"total_s": result.train_s + 0.1})
    assert pace([(spec, quick)]).startup_s == 0


def test_the_same_network_counts_before_others(plan):
    past = [measured(plan, 2.0), measured(plan, 8.0, network="segresnet")]
    assert pace(past, network="segresnet").gflop_s == pytest.approx(8.0)
    assert pace(past, network="basic_unet").gflop_s == pytest.approx(5.0)


def test_another_device_says_nothing(plan):
    past = [measured(plan, 9000.0, device="cuda")]
    assert pace(past).measurements == 0
    assert pace(past, device="cuda").gflop_s == pytest.approx(9000.0)


def test_more_work_takes_longer(plan):
    known = pace([measured(plan, 2.0)])
    longer = plan.spec.changed({"epochs": 30})
    assert known.seconds(longer, plan.split) > known.seconds(plan.spec, plan.split) > known.startup_s


def test_before_any_measurement_crowding_slows_the_guess():
    alone, crowded = pace([], jobs=1), pace([], jobs=4096)
    assert crowded.gflop_s < alone.gflop_s
    assert crowded.startup_s > alone.startup_s


def test_a_gpu_that_has_not_trained_yet_is_not_taken_for_a_cpu(monkeypatch):
    monkeypatch.setattr("arc_core.training.pace.machine_gflop_s", lambda: 1.0)
    assert pace([], jobs=1, device="cuda").gflop_s > 100
    assert pace([], jobs=1).gflop_s == 1.0
