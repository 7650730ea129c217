"""A dry run's end: what would be trained, on which device, in what time. Trains nothing."""

from arc_core.experiments.board import Proposal
from arc_core.report.summary import CycleSummary, PlannedRow, changes_in_words, printable, summarise
from arc_core.settings import get_settings
from arc_core.training.feasibility import compile_proposals
from arc_core.training.job import pick_gpu, plan_of
from tasks.board import pending
from tasks.context import Context
from tasks.policy import arc_task


@arc_task(name="plan")
def plan(context: Context) -> CycleSummary:
    """Compile every experiment that would train to its final configuration."""
    memory, study, settings, launch = context.memory, context.study, get_settings(), context.config.launch
    waiting = set(pending(context))
    proposals = {
        proposal.id: proposal
        for cycle in memory.cycles(study.id)
        for proposal in memory.kept(cycle.id, Proposal)
    }

    def planned(experiment_id: str, proposal: Proposal) -> PlannedRow:
        gpu_index = pick_gpu(memory, proposal.spec, settings)
        compiled = plan_of(proposal.spec, study, experiment_id, settings, launch, gpu_index)
        (cost,) = compile_proposals(memory, study, [proposal], settings, launch)
        return PlannedRow(
            experiment_id=experiment_id,
            hypothesis=printable(proposal.hypothesis),
            changes=changes_in_words(proposal),
            device="CPU" if gpu_index is None else f"GPU {gpu_index}",
            minutes=cost.seconds / 60,
            memory_mib=cost.memory_mib,
            configuration=compiled.model_dump(mode="json", exclude={"dataset", "split"}),
        )

    rows = tuple(
        planned(experiment.id, proposals[experiment.proposal_id])
        for experiment in memory.experiments(study.id)
        if experiment.id in waiting
    )
    return summarise(memory, study, context.cycle, ()).model_copy(update={"planned": rows})
