"""What the executor is told of a proposal before anything is trained."""

import pytest

from arc_core.data.splits import make_split
from arc_core.experiments.board import Proposal
from arc_core.experiments.limits import MAX_GPU_MEMORY_MIB, ForbiddenRange
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.study import Study
from arc_core.gpu.inventory import Gpu
from arc_core.settings import load_settings
from arc_core.training.feasibility import compile_proposals
from arc_core.training.launch import LaunchConfig

GPU = Gpu(index=0, uuid="GPU-0", name="test", memory_total_mib=24_000, memory_used_mib=0)


@pytest.fixture
def compiled_on(planner, tmp_path, monkeypatch):
    """A proposal for twelve thousand cases, 12 GiB once they are decoded, compiled on these GPUs."""
    plan = planner(tmp_path / "run", image_size_px=512)
    cases = tuple(
        case.model_copy(
            update={"image_id": f"{case.image_id}-{copy}", "patient_id": f"p{case.image_id}-{copy}"}
        )
        for case in plan.dataset.cases
        for copy in range(600)
    )
    dataset = plan.dataset.model_copy(update={"cases": cases})
    study = Study(
        id="study-1",
        task="segmentation",
        metric="mean_dice",
        simulated=True,
        dataset_sha256=dataset.sha256,
        dataset=dataset.model_dump(mode="json"),
        split=make_split(dataset, folds=2, seed=0).model_dump(mode="json"),
    )
    proposal = Proposal(
        id="prop-1",
        proposer="architect",
        category="explore",
        name="one",
        hypothesis="it learns",
        justification="it has",
        predicted=Estimate(value=0.5, low=0, high=1),
        parent_id=None,
        changes={},
        spec=plan.spec,
    )
    settings = load_settings(_env_file=None, home=tmp_path / "home")
    memory = Memory(settings.store_url)

    def compiled(*gpus: Gpu, forbidden: tuple[ForbiddenRange, ...] = ()):
        monkeypatch.setattr("arc_core.training.placement.read_inventory", lambda: gpus)
        return compile_proposals(memory, study, [proposal], settings, LaunchConfig(), forbidden)[0]

    yield compiled
    memory.close()


def test_what_is_forbidden_does_not_compile(compiled_on):
    size = ForbiddenRange(path="image_size_px", low=512, high=1024, taught_by="exp-9")
    assert "taught by exp-9" in compiled_on(forbidden=(size,)).error
    assert compiled_on(forbidden=(size.model_copy(update={"low": 528}),)).error is None


def test_the_memory_limit_is_not_held_against_the_decoded_cases(compiled_on):
    assert compiled_on().memory_mib < MAX_GPU_MEMORY_MIB
    assert compiled_on(GPU).memory_mib < MAX_GPU_MEMORY_MIB
