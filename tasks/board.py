"""The board's meeting. A step that the store already has for this cycle is read, not held again."""

import time
from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from arc_core.agents.briefs import CheckBrief, DirectBrief, ProposeBrief, RecallBrief, ReviewBrief, RuleBrief
from arc_core.agents.decide import decide as decided
from arc_core.agents.votes import collect
from arc_core.data.study import split_of
from arc_core.experiments.board import Budget, Decision, Directive, History, Outcome, Proposal, Review
from arc_core.experiments.limits import MAX_GPU_MEMORY_MIB
from arc_core.experiments.spec import ExperimentSpec
from arc_core.provenance.canonical import sha256_of
from arc_core.settings import get_settings
from arc_core.training.feasibility import compile_proposals
from arc_core.training.job import pace_of, past_results, pick_gpu
from tasks.context import Context
from tasks.policy import arc_task


def recall(context: Context) -> History:
    """The historian's digest, retried as the settings say, and only after a time-out."""
    settings = get_settings()
    return _recall.with_options(
        retries=settings.llm_max_retries,
        retry_delay_seconds=exponential_backoff(settings.llm_retry_delay),
        retry_jitter_factor=0.5,
        retry_condition_fn=_timed_out,
        timeout_seconds=settings.historian_timeout + 60,
    )(context)


@arc_task(name="recall")
def _recall(context: Context) -> History:
    brief = RecallBrief(metric=context.config.metric, outcomes=_outcomes(context))
    return context.board.historian.answer(brief)


def _timed_out(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), TimeoutError)


@arc_task(name="direct")
def direct(context: Context, history: History, deadline: float | None) -> Directive:
    """The director's word for this cycle.

    Experiments left from before take their slots first, but for those that could not end in time:
    they wait for a longer cycle and must not hold up every shorter one.
    """
    kept = context.memory.kept(context.cycle.id, Directive)
    if kept:
        return kept[0]
    slots = context.config.board.experiments_per_cycle - _left_over(context, deadline)
    brief = DirectBrief(history=history, metric=context.config.metric, slots=max(slots, 1))
    directive = context.board.director.answer(brief)
    if slots <= 0:
        directive = directive.model_copy(
            update={
                "budget": Budget(exploit=0, explore=0, wildcat=0),
                "notes": "Every slot goes to an experiment left from an earlier cycle.",
            }
        )
    context.memory.keep(context.cycle.id, [directive])
    return directive


@arc_task(name="propose")
def propose(context: Context, history: History, directive: Directive) -> tuple[Proposal, ...]:
    """Novel changes to the champion's spec, from every proposer."""
    kept = context.memory.kept(context.cycle.id, Proposal)
    if kept:
        return kept
    config, outcomes = context.config, _outcomes(context)
    champion = context.memory.champion(context.study_id)
    slots = sum(directive.budget.model_dump().values())
    brief = ProposeBrief(
        directive=directive,
        history=history,
        outcomes=outcomes,
        parent=champion.outcome.spec if champion else config.spec,
        parent_id=champion.id if champion else None,
        baseline=config.spec,
        space=config.space,
        losses=config.losses,
        # One more each than is needed, so that a rejection leaves no slot idle.
        count=-(-slots // len(config.board.proposers)) + 1 if slots else 0,
        seed=int(sha256_of([context.study_id, context.cycle.number, config.spec.seed])[:7], 16),
        metric=config.metric,
        seen=frozenset(outcome.spec.id for outcome in outcomes),
    )
    proposals = context.board.propose(brief)
    context.memory.keep(context.cycle.id, proposals)
    return proposals


@arc_task(name="review")
def review(
    context: Context, history: History, directive: Directive, proposals: tuple[Proposal, ...]
) -> tuple[Review, ...]:
    """Both critics, each without sight of the other."""
    kept = context.memory.kept(context.cycle.id, Review)
    if kept:
        return kept
    champion = context.memory.champion(context.study_id)
    brief = ReviewBrief(
        proposals=proposals,
        parent=champion.outcome.spec if champion else context.config.spec,
        history=history,
        directive=directive,
        space=context.config.space,
        losses=context.config.losses,
        metric=context.config.metric,
    )
    reviews = context.board.review(brief).reviews
    context.memory.keep(context.cycle.id, reviews)
    return reviews


@arc_task(name="decide")
def decide(
    context: Context,
    history: History,
    directive: Directive,
    proposals: tuple[Proposal, ...],
    reviews: tuple[Review, ...],
    deadline: float | None,
) -> tuple[Decision, ...]:
    """The supervisor's rulings, the executor's check, the vote; what is selected becomes an experiment."""
    memory, config, settings = context.memory, context.config, get_settings()
    kept = memory.kept(context.cycle.id, Decision)
    if kept:
        return kept
    rulings = context.board.supervisor.answer(
        RuleBrief(proposals=proposals, reviews=reviews, losses=config.losses)
    ).rulings
    compiled = compile_proposals(memory, context.study, proposals, settings, config.launch)
    checks = context.board.executor.answer(
        CheckBrief(
            proposals=proposals,
            compiled=compiled,
            memory_limit_mib=MAX_GPU_MEMORY_MIB,
            seconds_available=_seconds_until(deadline),
        )
    ).checks
    votes = collect(
        proposals,
        history=history,
        directive=directive,
        reviews=reviews,
        rulings=rulings,
        checks=checks,
        weights=config.board.weights,
    )
    decisions = decided(
        proposals, votes=votes, rulings=rulings, checks=checks, budget=directive.budget, config=config.board
    )
    memory.keep_decisions(context.cycle, decisions, {proposal.id: proposal for proposal in proposals})
    return decisions


def agenda(context: Context) -> tuple[str, ...]:
    """This cycle's experiments, oldest first: those it approved, and those left from before.

    Whatever has no verdict yet belongs to it, so that a cycle taken up again reports what had
    finished before it was interrupted.
    """
    judged = {verdict.experiment_id for verdict in context.memory.verdicts(context.study_id)}
    return tuple(
        e.id
        for e in context.memory.experiments(context.study_id)
        if e.outcome.cycle == context.cycle.number or not (e.id in judged or e.outcome.status == "failed")
    )


def pending(context: Context) -> tuple[str, ...]:
    """Approved experiments without an outcome, oldest first: this cycle's and those left from before."""
    experiments = context.memory.experiments(context.study_id)
    return tuple(e.id for e in experiments if e.outcome.status in ("approved", "running", "stopped"))


def _left_over(context: Context, deadline: float | None) -> int:
    """How many experiments left from before are expected to end in time."""
    memory, study, settings = context.memory, context.study, get_settings()
    waiting = [memory.experiment(each).outcome.spec for each in pending(context)]
    available = _seconds_until(deadline)
    if available is None or not waiting:
        return len(waiting)
    past, running, split = past_results(memory, study), memory.on_gpus(), split_of(study)

    def seconds(spec: ExperimentSpec) -> float:
        gpu_index = pick_gpu(spec, settings, running, wait=False)
        return pace_of(past, spec, gpu_index, settings, context.config.launch).seconds(spec, split)

    return sum(seconds(spec) <= available for spec in waiting)


def _seconds_until(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.time())


def _outcomes(context: Context) -> tuple[Outcome, ...]:
    return tuple(experiment.outcome for experiment in context.memory.experiments(context.study_id))
