"""Records to fill a store with."""

from arc_core.experiments.board import Decision, Feasibility, Proposal, Ruling, Tally, Vote
from arc_core.experiments.holder import Holder
from arc_core.experiments.lease import Lease, Request
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Result
from arc_core.experiments.spec import Architecture, ExperimentSpec, Loss, Optimiser
from arc_core.experiments.study import Study, experiment_id

SPEC = ExperimentSpec(
    task="segmentation",
    architecture=Architecture(name="unet", width=8, depth=3),
    image_size_px=64,
    loss=Loss(name="dice_ce"),
    optimiser=Optimiser(name="adamw", lr=1e-3),
    epochs=5,
    batch_size=8,
)
STUDY = Study(
    id="study-1",
    task="segmentation",
    metric="mean_dice",
    simulated=True,
    dataset_sha256="0" * 64,
    dataset={"root": "/a"},
    split={"folds": 2},
)
RESULT = Result(
    metrics={"mean_dice": Estimate(value=0.8, low=0.7, high=0.9)},
    folds=2,
    device="cpu",
    train_s=1,
    total_s=2,
    images=10,
    work_gflop=3,
    peak_memory_mib=100,
    files={},
)


def proposal(seed: int) -> Proposal:
    spec = SPEC.changed({"seed": seed})
    return Proposal(
        id=f"prop-{seed}",
        proposer="architect",
        category="explore",
        name="seed",
        hypothesis="another seed",
        justification="noise",
        parent_id=None,
        changes={"seed": seed},
        spec=spec,
        predicted=Estimate(value=0.5, low=0, high=1),
    )


def decision(proposal_id: str, *, selected: bool = True) -> Decision:
    return Decision(
        proposal_id=proposal_id,
        outcome="approve" if selected else "reject",
        selected=selected,
        tally=Tally(
            stance="approve",
            score=1,
            entropy_bits=0,
            agreement=1,
            controversial=False,
            strategy="weighted",
            reason="",
        ),
        votes=(
            Vote(role="critic", stance="approve", weight=2, confidence=0.9),
            Vote(role="supervisor", stance="approve", weight=3, confidence=1),
        ),
        ruling=Ruling(proposal_id=proposal_id, decision="approve", reasons=()),
        feasibility=Feasibility(proposal_id=proposal_id, runs=True, seconds=1, memory_mib=1, reasons=()),
        reason="",
    )


def approve(memory: Memory, *seeds: int) -> list[str]:
    """Ids of experiments that the study's open cycle has approved."""
    cycle = memory.begin_cycle(STUDY.id)
    proposals = {p.id: p for p in map(proposal, seeds)}
    memory.keep_decisions(cycle, [decision(p) for p in proposals], proposals)
    return [experiment_id(STUDY.id, p.spec.id) for p in proposals.values()]


def holding(memory: Memory, experiment_id: str, *gpu_ids: int) -> Lease:
    """A lease on these GPUs, that this process holds to train the experiment."""
    request = Request(experiment_id=experiment_id, gpus=max(1, len(gpu_ids)), memory_mib=1)
    lease = memory.leases.ask(request, Holder.this_process(), {})
    held = memory.leases.take(lease, lambda held: gpu_ids, {})
    assert held is not None
    return held
