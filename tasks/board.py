"""The board's meeting. A step that the store already has for this cycle is read, not held again."""

from dataclasses import replace
from math import inf

from arc_core.agents.briefs import CheckBrief, DirectBrief, ProposeBrief, ReviewBrief, RuleBrief
from arc_core.agents.control import blinded, draw_control
from arc_core.agents.decide import decide as decided
from arc_core.agents.director import scaled
from arc_core.agents.forbidden import learned
from arc_core.agents.moved import moved
from arc_core.agents.votes import collect
from arc_core.clock import unix_s
from arc_core.data.study import split_of
from arc_core.errors import LeaseDenied
from arc_core.experiments.board import Budget, Decision, Directive, History, Proposal, Review
from arc_core.experiments.limits import MAX_GPU_MEMORY_MIB, ForbiddenRange
from arc_core.experiments.study import Experiment
from arc_core.provenance.canonical import sha256_of
from arc_core.settings import get_settings
from arc_core.training.feasibility import compile_proposals
from arc_core.training.job import pace_of, past_results
from arc_core.training.placement import place, request_of
from tasks.context import Context
from tasks.policy import arc_task

NONE = Budget(exploit=0, explore=0, wildcat=0)


@arc_task(name="direct")
def direct(context: Context, history: History, taken: int) -> Directive:
    """The director's word on the slots that are not `taken`; one of two or more is the control's."""
    kept = context.memory.kept(context.cycle.id, Directive)
    if kept:
        return kept[0]
    board = context.config.board
    slots = board.experiments_per_cycle - taken
    control = slots >= 2 and board.control_arm != "off" and not _has_control(context)
    before = context.said_before(Directive)
    if before and before[0].budget != NONE and slots > 0:  # its word holds for the places that are left
        shares = before[0].budget
        budget = scaled((shares.exploit, shares.explore, shares.wildcat), slots - control)
        directive = before[0].model_copy(update={"budget": budget})
    else:
        directive = _directed(context, history, max(slots - control, 1), thinking=slots > 0)
    directive = directive.model_copy(update={"control": control})
    if slots <= 0:
        directive = directive.model_copy(
            update={
                "budget": NONE,
                "notes": "Every slot goes to an experiment left from an earlier cycle.",
            }
        )
    context.memory.keep(context.cycle.id, [directive])
    return directive


def _directed(context: Context, history: History, slots: int, *, thinking: bool) -> Directive:
    parent, parent_id = context.parent
    board = context.board if thinking else replace(context.board, counsel=None)
    brief = DirectBrief(
        history=history,
        metric=context.config.metric,
        space=context.config.space,
        parent=parent,
        parent_id=parent_id,
        slots=slots,
    )
    return board.direct(brief)


def _has_control(context: Context) -> bool:
    """Whether one that an earlier meeting of the cycle approved runs as its control."""
    if not context.cycle.meeting:
        return False
    mine = [each.id for each in context.memory.agenda(context.cycle) if each.outcome.status != "withdrawn"]
    said = context.memory.said_of(mine, Decision)
    return any(decision.arm in ("control", "veto_control") for decision in said.values())


@arc_task(name="propose")
def propose(context: Context, history: History, directive: Directive) -> tuple[Proposal, ...]:
    """Novel changes to the champion's spec, from every proposer; last, the control.

    Where the cycle's first plan was outdated by another champion, its ideas are moved to that one: what was
    thought of is not lost, and no proposer is waited for while places are empty.
    """
    kept = context.memory.kept(context.cycle.id, Proposal)
    if kept:
        return kept
    config, outcomes = context.config, context.outcomes
    parent, parent_id = context.parent
    slots = sum(directive.budget.model_dump().values())
    brief = ProposeBrief(
        directive=directive,
        history=history,
        outcomes=outcomes,
        parent=parent,
        parent_id=parent_id,
        baseline=config.spec,
        space=config.space,
        losses=config.losses,
        # One more each than is needed, so that a rejection leaves no slot idle.
        count=-(-slots // len(config.board.proposers)) + 1 if slots else 0,
        seed=_seed(context),
        metric=config.metric,
        seen=frozenset(outcome.spec_id for outcome in outcomes),
        forbidden=forbidden_ranges(context),
    )
    before = [
        each for each in context.said_before(Proposal) if directive.control or each.proposer != "control"
    ]
    proposals = moved(before, brief)
    if sum(each.proposer != "control" for each in proposals) < slots:
        proposals = context.board.propose(brief)
    if directive.control and all(each.proposer != "control" for each in proposals):
        seen = brief.seen | {proposal.spec.id for proposal in proposals}
        proposals += draw_control(
            brief.model_copy(update={"seen": seen}), config.board.control_arm, proposals
        )
    context.memory.keep(context.cycle.id, proposals)
    return proposals


@arc_task(name="review")
def review(
    context: Context, history: History, directive: Directive, proposals: tuple[Proposal, ...]
) -> tuple[Review, ...]:
    """Both critics, each without sight of the other or of who proposed what."""
    kept = context.memory.kept(context.cycle.id, Review)
    if kept:
        return kept
    parent, _ = context.parent
    brief = ReviewBrief(
        proposals=blinded(proposals),
        parent=parent,
        history=history,
        directive=directive,
        space=context.config.space,
        losses=context.config.losses,
        metric=context.config.metric,
        forbidden=forbidden_ranges(context),
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
    forbidden = forbidden_ranges(context)
    parent, _ = context.parent
    rulings = context.board.rule(
        RuleBrief(
            proposals=blinded(proposals),
            reviews=reviews,
            metric=config.metric,
            parent=parent,
            losses=config.losses,
            forbidden=forbidden,
        )
    ).rulings
    compiled = compile_proposals(memory, context.study, proposals, settings, config.launch, forbidden)
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
        proposals,
        votes=votes,
        rulings=rulings,
        checks=checks,
        budget=directive.budget,
        config=config.board,
        control_slot=directive.control,
        seed=_seed(context),
    )
    by_id, waiting = {proposal.id: proposal for proposal in proposals}, context.asks_before_training
    memory.keep_decisions(context.cycle, decisions, by_id, waiting=waiting)
    return decisions


def left_over(context: Context, deadline: float | None) -> int:
    """How many of the cycle's slots are taken: by those left from before that are expected to end in time,
    and by those it planned ahead that have ended.

    The others wait for a longer cycle and must not hold up every shorter one.
    """
    memory, study, settings = context.memory, context.study, get_settings()
    waiting = memory.pending(context.study_id)
    number, own = context.cycle.number, (each.outcome for each in memory.agenda(context.cycle))
    ran = sum(each.cycle == number and each.status in ("finished", "pruned") for each in own)
    available = _seconds_until(deadline)
    if available is None or not waiting:
        return len(waiting) + ran
    past, held, split = past_results(memory, study), memory.leases.held(), split_of(study)
    launch = context.config.launch

    def seconds(experiment: Experiment) -> float:
        spec = experiment.outcome.spec
        try:
            gpu_ids = place(request_of(spec, experiment.id, settings, launch), settings, held)
        except LeaseDenied:
            return inf  # not on this machine
        return pace_of(past, spec, gpu_ids, settings, launch).seconds(spec, split)

    return sum(seconds(experiment) <= available for experiment in waiting) + ran


def forbidden_ranges(context: Context) -> tuple[ForbiddenRange, ...]:
    """What this study's failures forbid so far."""
    champion = context.memory.champion(context.study_id)
    spared = (context.config.spec, *([champion.outcome.spec] if champion else []))
    return learned(context.outcomes, context.config.space, spared)


def agenda(context: Context) -> tuple[str, ...]:
    """This cycle's experiments, oldest first: those it approved, and those left from before.

    Whatever has no verdict yet belongs to it, so that a cycle taken up again reports what had
    finished before it was interrupted.
    """
    return tuple(experiment.id for experiment in context.memory.agenda(context.cycle))


def pending(context: Context) -> tuple[str, ...]:
    """Approved experiments without an outcome, oldest first: this cycle's and those left from before."""
    return tuple(experiment.id for experiment in context.memory.pending(context.study_id))


def _seed(context: Context) -> int:
    """Of everything that is drawn in the cycle."""
    cycle = context.cycle
    again = [cycle.meeting] if cycle.meeting else []
    return int(sha256_of([context.study_id, cycle.number, context.config.spec.seed, *again])[:7], 16)


def _seconds_until(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - unix_s())
