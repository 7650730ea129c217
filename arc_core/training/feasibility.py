"""What the executor must know of each proposal: whether it compiles, its time and its memory."""

from collections.abc import Sequence

from arc_core.data.study import split_of
from arc_core.errors import ArcError
from arc_core.experiments.board import Compiled, Proposal
from arc_core.experiments.memory import Memory
from arc_core.experiments.rows import OnGpus
from arc_core.experiments.study import Study, experiment_id
from arc_core.settings import Settings
from arc_core.training.cost import cost_of, memory_mib
from arc_core.training.job import pace_of, past_results, pick_gpu, plan_of
from arc_core.training.pace import Past
from arc_core.training.plan import LaunchConfig


def compile_proposals(
    memory: Memory, study: Study, proposals: Sequence[Proposal], settings: Settings, launch: LaunchConfig
) -> tuple[Compiled, ...]:
    """One record per proposal; one that does not compile carries the reason."""
    past, running = past_results(memory, study), memory.on_gpus()

    def compiled(proposal: Proposal) -> Compiled:
        return _compiled(proposal, study, past, running, settings, launch)

    return tuple(map(compiled, proposals))


def _compiled(
    proposal: Proposal, study: Study, past: Past, running: OnGpus, settings: Settings, launch: LaunchConfig
) -> Compiled:
    spec = proposal.spec
    try:
        gpu_index = pick_gpu(spec, settings, running, wait=False)
        plan = plan_of(spec, study, experiment_id(study.id, spec.id), settings, launch, gpu_index)
        pace = pace_of(past, spec, gpu_index, settings, launch)
    except ArcError as error:
        return Compiled(proposal_id=proposal.id, error=str(error))
    return Compiled(
        proposal_id=proposal.id,
        parameters=cost_of(spec).parameters,
        memory_mib=memory_mib(spec, micro_batch=plan.micro_batch, device=plan.device),
        seconds=pace.seconds(spec, split_of(study)),
    )
