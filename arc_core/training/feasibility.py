"""What the executor must know of each proposal: whether it compiles, its time and its memory."""

from collections.abc import Callable, Sequence

from arc_core.data.study import split_of
from arc_core.errors import ArcError
from arc_core.experiments.board import Compiled, Proposal
from arc_core.experiments.lease import Lease
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.memory import Memory
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.study import Study, experiment_id
from arc_core.settings import Settings
from arc_core.training.cost import cost_of, memory_mib
from arc_core.training.job import pace_of, past_results, plan_of
from arc_core.training.launch import LaunchConfig
from arc_core.training.pace import Pace
from arc_core.training.placement import place, request_of


def check_launch(
    memory: Memory, study: Study, parent: ExperimentSpec, settings: Settings, launch: LaunchConfig
) -> None:
    """SpecError or LeaseDenied where what all proposals start from could never train: told before any."""
    made = experiment_id(study.id, parent.id)
    request = request_of(parent, made, settings, launch)
    plan_of(parent, study, made, settings, launch, place(request, settings, memory.leases.held()))


def compile_proposals(
    memory: Memory,
    study: Study,
    proposals: Sequence[Proposal],
    settings: Settings,
    launch: LaunchConfig,
    forbidden: tuple[ForbiddenRange, ...] = (),
) -> tuple[Compiled, ...]:
    """One record per proposal; one that does not compile, or is forbidden, carries the reason."""
    past, held = past_results(memory, study), memory.leases.held()
    paces: dict[tuple[str, bool], Pace] = {}

    def pace(spec: ExperimentSpec, gpu_ids: tuple[int, ...]) -> Pace:
        kind = (spec.architecture.name, not gpu_ids)  # all that it depends on
        if kind not in paces:
            paces[kind] = pace_of(past, spec, gpu_ids, settings, launch)
        return paces[kind]

    def compiled(proposal: Proposal) -> Compiled:
        return _compiled(proposal, study, pace, held, settings, launch, forbidden)

    return tuple(map(compiled, proposals))


def _compiled(
    proposal: Proposal,
    study: Study,
    pace: Callable[[ExperimentSpec, tuple[int, ...]], Pace],
    held: Sequence[Lease],
    settings: Settings,
    launch: LaunchConfig,
    forbidden: tuple[ForbiddenRange, ...],
) -> Compiled:
    spec = proposal.spec
    try:
        made = experiment_id(study.id, spec.id)
        gpu_ids = place(request_of(spec, made, settings, launch), settings, held)
        plan = plan_of(spec, study, made, settings, launch, gpu_ids, forbidden)
        seconds = pace(spec, gpu_ids).seconds(spec, split_of(study))
    except ArcError as error:
        return Compiled(proposal_id=proposal.id, error=str(error))
    return Compiled(
        proposal_id=proposal.id,
        parameters=cost_of(spec).parameters,
        memory_mib=memory_mib(spec, micro_batch=plan.training.micro_batch, device=plan.system.device),
        seconds=seconds,
    )
