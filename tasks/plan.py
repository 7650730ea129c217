"""A dry run's end: what would be trained, on which device, in what time. Trains nothing."""

import logging

from arc_core.data.study import split_of
from arc_core.experiments.board import Decision, Proposal
from arc_core.experiments.lease import Lease
from arc_core.experiments.study import Experiment
from arc_core.logs import about
from arc_core.report.summary import (
    CycleSummary,
    PlannedRow,
    changes_in_words,
    printable,
    spec_in_words,
    summarise,
)
from arc_core.settings import get_settings
from arc_core.training.cost import cached_mib, memory_mib
from arc_core.training.job import pace_of, past_results, plan_of
from arc_core.training.placement import place, request_of
from arc_core.training.plan import TrainingPlan
from tasks.context import Context
from tasks.policy import arc_task

log = logging.getLogger(__name__)


@arc_task(name="plan")
def plan(context: Context) -> CycleSummary:
    """Compile every experiment that would train to its final configuration."""
    memory, study, settings, launch = context.memory, context.study, get_settings(), context.config.launch
    waiting, past = memory.pending(study.id), past_results(memory, study)
    ids, held = [experiment.id for experiment in waiting], list(memory.leases.held())
    proposals, decisions = memory.said_of(ids, Proposal), memory.said_of(ids, Decision)

    def planned(experiment: Experiment) -> PlannedRow:
        proposal = proposals[experiment.id]
        spec = proposal.spec
        request = request_of(spec, experiment.id, settings, launch)
        gpu_ids = place(request, settings, held)
        held.append(Lease.planned(request, gpu_ids))  # the next one is planned beside it
        compiled = plan_of(spec, study, experiment.id, settings, launch, gpu_ids)
        needed = memory_mib(spec, micro_batch=compiled.training.micro_batch, device=compiled.system.device)
        if compiled.system.device == "cpu":
            needed += cached_mib(spec, len(compiled.dataset.cases))
        with about(experiment_id=experiment.id):
            whole = compiled.model_dump_json(exclude={"dataset", "split"})
            log.info("final training configuration: %s", whole)
        return PlannedRow(
            experiment_id=experiment.id,
            arm=decisions[experiment.id].arm,
            hypothesis=printable(proposal.hypothesis),
            changes=changes_in_words(proposal),
            device=f"GPU {', '.join(map(str, gpu_ids))}" if gpu_ids else "CPU",
            minutes=pace_of(past, spec, gpu_ids, settings, launch).seconds(spec, split_of(study)) / 60,
            memory_mib=needed,
            configuration=_in_words(compiled),
        )

    rows = tuple(map(planned, waiting))
    return summarise(memory, study, context.cycle, ()).model_copy(
        update={"planned": rows, "models": context.config.llm.words}
    )


def _in_words(compiled: TrainingPlan) -> str:
    told = compiled.training
    strategy = f" on each of {told.devices} devices, {told.strategy}" if told.strategy else ""
    return (
        f"{spec_in_words(compiled.spec)}; {told.micro_batch} images at once{strategy}, "
        f"precision {told.precision}"
    )
