import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.errors import SpecError
from arc_core.training.plan import TrainingPlan, largest_divisor


def test_a_plan_survives_the_way_to_the_worker(planner, tmp_path):
    plan = planner(tmp_path)

    assert TrainingPlan.model_validate_json(plan.model_dump_json()) == plan


def test_the_worker_sees_only_its_own_gpu(planner, tmp_path):
    plan = planner(tmp_path)

    assert plan.environment()["CUDA_VISIBLE_DEVICES"] == ""
    on_gpu = plan.model_copy(update={"device": "cuda", "gpu_index": 3})
    assert on_gpu.environment()["CUDA_VISIBLE_DEVICES"] == "3"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"optimiser__lr": 0.02}, "optimiser.lr"),
        ({"optimiser__name": "lion"}, "optimiser.name"),
        ({"epochs": 201}, "epochs"),
        ({"loss__name": "hinge"}, "loss.name"),
        ({"architecture__name": "transformer"}, "transformer"),
        ({"architecture__depth": 6}, "make costs"),
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
