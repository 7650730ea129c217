import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.errors import SpecError
from arc_core.training import catalogue
from arc_core.training.launch import DeepSpeed, LaunchConfig
from arc_core.training.plan import TrainingPlan, largest_divisor
from arc_core.training.reference import check_reference


def test_a_plan_survives_the_way_to_the_worker(planner, tmp_path):
    plan = planner(tmp_path)

    assert TrainingPlan.model_validate_json(plan.model_dump_json()) == plan


def test_a_process_sees_only_the_gpus_of_its_job(planner, tmp_path):
    assert planner(tmp_path).environment()["CUDA_VISIBLE_DEVICES"] == ""
    assert planner(tmp_path, gpu_ids=(3,)).environment()["CUDA_VISIBLE_DEVICES"] == "3"
    several = planner(tmp_path, gpu_ids=(1, 3)).environment(rank=1)
    assert several["CUDA_VISIBLE_DEVICES"] == "1,3"
    assert (several["LOCAL_RANK"], several["WORLD_SIZE"]) == ("1", "2")


@pytest.mark.parametrize(
    ("gpu_ids", "devices", "deepspeed", "expected"),
    [
        ((), 1, False, ("cpu", 1, None)),
        ((), 2, False, ("cpu", 2, "ddp")),
        ((2,), 1, False, ("cuda", 1, None)),
        ((0, 1), 2, False, ("cuda", 2, "ddp")),
        ((0, 1), 2, True, ("cuda", 2, "deepspeed")),
        ((0,), 1, True, ("cuda", 1, "deepspeed")),
    ],
)
def test_the_gpus_decide_device_strategy_and_batch(planner, tmp_path, gpu_ids, devices, deepspeed, expected):
    launch = LaunchConfig(devices=devices)
    plan = planner(tmp_path, launch=launch, gpu_ids=gpu_ids, enable_deepspeed=deepspeed, batch_size=4)
    assert (plan.system.device, plan.training.devices, plan.training.strategy) == expected
    assert plan.training.batch_size == 4 * devices
    assert plan.system.num_gpus == len(gpu_ids)
    assert plan.deepspeed == (DeepSpeed(stage=2) if deepspeed else None)


@pytest.mark.parametrize(("rule", "factor"), [("none", 1), ("linear", 4), ("sqrt", 2)])
def test_the_learning_rate_grows_by_the_stated_rule(planner, tmp_path, rule, factor):
    plan = planner(tmp_path, launch=LaunchConfig(devices=4, lr_scaling=rule))
    assert plan.training.lr == pytest.approx(factor * plan.spec.optimiser.lr)


def test_parameters_are_offloaded_in_stage_3_only():
    with pytest.raises(ValueError, match="stage 3"):
        DeepSpeed(stage=2, offload_parameters=True)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"optimiser__lr": 0.02}, "optimiser.lr"),
        ({"optimiser__name": "lion"}, "optimiser.name"),
        ({"epochs": 201}, "epochs"),
        ({"loss__name": "hinge"}, "loss.name"),
        ({"architecture__name": "transformer"}, "transformer"),
        ({"architecture__depth": 6}, "depth 3, 4, 5. Choose one of these"),
        ({"loss__params__gamma": 2.0}, "loss.params.gamma"),
        ({"image_size_px": 2048, "batch_size": 16}, "GPU memory"),
    ],
)
def test_what_breaks_a_limit_is_not_compiled(planner, tmp_path, changes, named):
    with pytest.raises(SpecError, match=named):
        planner(tmp_path, **changes)


@given(st.integers(1, 64), st.integers(1, 128))
def test_micro_batches_make_up_the_batch(batch_size, at_most):
    micro_batch = largest_divisor(batch_size, at_most)

    assert batch_size % micro_batch == 0
    assert micro_batch <= at_most
    assert not [n for n in range(micro_batch + 1, min(batch_size, at_most) + 1) if batch_size % n == 0]


def test_planning_and_judging_load_no_torch():
    program = (
        "import sys\n"
        "import arc_core.training.plan, arc_core.training.cost, arc_core.training.process\n"
        "import arc_core.training.evaluator\n"
        "slow = {'torch', 'lightning', 'monai', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {slow}' if slow else 0)"
    )

    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_one_small_image_at_once_is_too_little_for_batch_norm(planner, tmp_path):
    with pytest.raises(SpecError, match="batch_size: batch norm can't learn from one image"):
        planner(tmp_path, "classification", batch_size=4, batch_size_per_gpu=1)
    planner(tmp_path, "classification", batch_size=4, batch_size_per_gpu=1, image_size_px=64)


def test_more_devices_than_cases_are_refused(planner, tmp_path):
    with pytest.raises(SpecError, match="11 devices, 10 cases"):
        planner(tmp_path, launch=LaunchConfig(devices=11))


@pytest.mark.parametrize("name", ["auc", "weighted_bce"])
def test_class_weights_that_a_loss_would_ignore_are_refused(planner, tmp_path, name):
    with pytest.raises(SpecError, match=r"class_weighting: .*balanced.*bce, cross_entropy, focal"):
        planner(tmp_path, "classification", loss__name=name, class_weighting="balanced")


def test_every_segmentation_loss_takes_class_weights(planner, tmp_path):
    for name in catalogue.losses("segmentation"):
        plan = planner(tmp_path, loss__name=name, loss__params={}, class_weighting="effective_number")
        assert plan.spec.class_weighting == "effective_number", name


@pytest.mark.parametrize(
    ("changes", "without_masks", "named"),
    [
        ({"auxiliary__vcdr_weight": 0.2}, 20, "auxiliary.vcdr_weight"),
        ({"auxiliary__vcdr_weight": 0.2}, 19, None),
        ({"curriculum__pacing": "linear", "curriculum__by": "difficulty"}, 1, "curriculum.by"),
        ({"curriculum__pacing": "linear", "curriculum__by": "quality"}, 20, None),
        ({"curriculum__by": "difficulty"}, 20, None),
    ],
)
def test_a_classification_is_asked_for_its_masks_where_it_learns_from_them(
    planner, datasets, tmp_path, changes, without_masks, named
):
    spec = planner(tmp_path, "classification", **changes).spec
    dataset = datasets["classification"]
    bare = [case.model_copy(update={"mask": None}) for case in dataset.cases[:without_masks]]
    cases = (*bare, *dataset.cases[without_masks:])
    masked = dataset.model_copy(update={"cases": cases})

    if named is None:
        check_reference(spec, masked)
    else:
        with pytest.raises(SpecError, match=rf"{named}: .*{without_masks} of 20 cases without a mask"):
            check_reference(spec, masked)
