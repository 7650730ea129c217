"""Where a person has to agree: before the board goes the director's way, and before anything trains."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from arc_core.agents.approval import decision_on_edit, settled
from arc_core.agents.briefs import CheckBrief
from arc_core.agents.edit import edited, parse_changes
from arc_core.errors import SpecError
from arc_core.experiments.board import Approval, Budget, Decision, Directive, Feasibility, Proposal, Review
from arc_core.experiments.limits import MAX_GPU_MEMORY_MIB
from arc_core.experiments.spec import ExperimentSpec
from arc_core.record import Record
from arc_core.report.question import Item, on_directive, on_experiments
from arc_core.settings import get_settings
from arc_core.training.feasibility import compile_proposals
from tasks.board import forbidden_ranges, pending
from tasks.context import Context
from tasks.forms import Sent, Unfit, ask_until_fit, directive_form, experiments_form

EDITABLE = ("mode", "exploit", "explore", "wildcat")


class Taken(Record):
    """What an answer to the experiments comes to. `edits`: proposal id → the decision on what it became."""

    approved: tuple[str, ...] = ()
    edits: dict[str, Decision] = {}
    made: tuple[Proposal, ...] = ()


def approve_directive(context: Context, directive: Directive, deadline: float | None) -> Directive | None:
    """The directive as a person lets it stand, with autonomy `semi`; None where they rejected it."""
    answered = context.memory.approvals.of_cycle(context.cycle.id).get("directive")
    if answered is not None:
        return directive if answered.outcome == "approve" else None
    if context.config.board.autonomy != "semi" or context.scratch is not None:
        return directive
    most = context.config.board.experiments_per_cycle - directive.control  # its place is not given away
    until = _until(context, deadline)
    answer = ask_until_fit(
        partial(directive_form, directive),
        lambda faults: on_directive(most, until, faults),
        until,
        lambda sent: _directed(directive, sent, most),
    )
    sent, agreed = answer or (None, None)
    approval = _approval(sent, stage="directive", outcome="reject" if agreed is None else "approve")
    context.memory.approvals.keep_directive(context.cycle, approval, agreed or directive)
    return agreed


def approve_experiments(context: Context, deadline: float | None) -> None:
    """Ask which of what the board selected may train; only what is approved becomes an experiment.

    What an interrupted cycle was to ask is asked whatever the mode now is. A dry run asks nobody.
    """
    items = _waiting(context)
    if not items or "experiments" in context.memory.approvals.of_cycle(context.cycle.id):
        return
    memory, until = context.memory, _until(context, deadline)
    decisions, proposals = memory.kept(context.cycle.id, Decision), _proposals(context)
    asked = frozenset(item.proposal.id for item in items)
    if context.scratch is not None:
        answer: tuple[Sent | None, Taken] | None = None, Taken(approved=tuple(asked))
    else:
        others = [(proposals[d.proposal_id], d) for d in decisions if d.proposal_id not in asked]
        reviews = [
            review for cycle in memory.cycles(context.study_id) for review in memory.kept(cycle.id, Review)
        ]
        answer = ask_until_fit(
            partial(experiments_form, items, reviews, context.config.metric),
            lambda faults: on_experiments(items, others, until, faults),
            until,
            lambda sent: _taken(context, items, sent),
        )
    _keep(context, items, decisions, proposals, *(answer or (None, Taken())))


def cleared(context: Context) -> tuple[str, ...]:
    """Those of `pending` that may train now.

    None in a cycle whose directive was rejected; where a person has to agree, those they approved.
    """
    memory = context.memory
    directive = memory.approvals.of_cycle(context.cycle.id).get("directive")
    if directive is not None and directive.outcome == "reject":
        return ()
    if not context.asks_before_training:
        return pending(context)
    approved = memory.approvals.approved(context.study_id)
    return tuple(each for each in pending(context) if memory.experiment(each).proposal_id in approved)


def _waiting(context: Context) -> tuple[Item, ...]:
    """What needs a person's yes: selected without an experiment yet, or left from a run that asked nobody."""
    memory, study = context.memory, context.study_id
    proposals, known = _proposals(context), {e.proposal_id for e in memory.agenda(context.cycle)}
    left: dict[str, str] = {}
    if context.asks_before_training:
        approved = memory.approvals.approved(study)
        left = {e.proposal_id: e.id for e in memory.pending(study) if e.proposal_id not in approved}
    cycles = memory.cycles(study) if left else (context.cycle,)
    decisions = {d.proposal_id: d for cycle in cycles for d in memory.kept(cycle.id, Decision)}
    now = [
        d.proposal_id
        for d in memory.kept(context.cycle.id, Decision)
        if d.selected and d.proposal_id not in known
    ]
    return tuple(
        Item(
            proposal=proposals[each],
            decision=decisions[each],
            parent=_parent(context, proposals[each]),
            experiment_id=left.get(each),
        )
        for each in [*now, *left]
    )


def _proposals(context: Context) -> dict[str, Proposal]:
    """This cycle's, and those that experiments without an outcome were approved as; by id."""
    memory = context.memory
    left = memory.said_of([each.id for each in memory.pending(context.study_id)], Proposal).values()
    return {each.id: each for each in (*left, *memory.kept(context.cycle.id, Proposal))}


def _parent(context: Context, proposal: Proposal) -> ExperimentSpec:
    if proposal.parent_id is None:
        return context.config.spec
    return context.memory.experiment(proposal.parent_id).outcome.spec


def _directed(directive: Directive, sent: Sent, most: int) -> Directive | None:
    """The directive as the person wants it; Unfit where its budget is too large."""
    given = sent.fields
    if given["decision"] == "reject":
        return None
    before = {"mode": directive.mode, **directive.budget.model_dump()}
    changed = {key: given[key] for key in EDITABLE if given[key] != before[key]}
    budget = Budget.model_validate({key: given[key] for key in EDITABLE[1:]})
    if (total := sum(budget.model_dump().values())) > most:
        raise Unfit(f"The three numbers add up to {total}; a cycle has {most} places.")
    if not changed:
        return directive
    words = ", ".join(f"{key} from {before[key]} to {value}" for key, value in changed.items())
    notes = f"{directive.notes.rstrip('.')}. {sent.name} changed {words}.".removeprefix(". ")
    return Directive.model_validate(
        directive.model_dump() | {"mode": given["mode"], "budget": budget.model_dump(), "notes": notes}
    )


def _taken(context: Context, items: Sequence[Item], sent: Sent) -> Taken:
    """What the person approved, with their edits checked; Unfit names every edit that can't run."""
    approved: list[str] = []
    edits: dict[str, Decision] = {}
    made: list[Proposal] = []
    faults: list[str] = []
    for number, item in enumerate(items, start=1):
        if sent.fields[f"p{number}_decision"] == "reject":
            continue
        text = sent.fields.get(f"p{number}_changes")
        try:
            proposal = item.proposal if text is None else _edit(context, item, str(text), made, sent.name)
            if proposal is not item.proposal:
                check = _check(context, proposal)
                edits[item.proposal.id] = decision_on_edit(
                    proposal, check, context.config.losses, who=sent.name, comment=sent.comment
                )
                made.append(proposal)
            approved.append(proposal.id)
        except SpecError as error:
            faults.append(f"Proposal {number}: {error}")
    if faults:
        raise Unfit(*faults)
    return Taken(approved=tuple(approved), edits=edits, made=tuple(made))


def _edit(context: Context, item: Item, text: str, made: Sequence[Proposal], editor: str) -> Proposal:
    changes = parse_changes(text)
    config = context.config
    proposed = (*_proposals(context).values(), *made)
    run = (outcome.spec_id for outcome in context.outcomes)
    return edited(
        item.proposal,
        changes,
        editor=editor,
        parent=item.parent,
        space=config.space,
        losses=config.losses,
        seen={*run, *(proposal.spec.id for proposal in proposed)},
        metric=config.metric,
    )


def _check(context: Context, proposal: Proposal) -> Feasibility:
    """The executor's check of an edit; SpecError where it does not compile or fit."""
    settings, launch = get_settings(), context.config.launch
    forbidden = forbidden_ranges(context)
    compiled = compile_proposals(context.memory, context.study, (proposal,), settings, launch, forbidden)
    brief = CheckBrief(proposals=(proposal,), compiled=compiled, memory_limit_mib=MAX_GPU_MEMORY_MIB)
    (check,) = context.board.executor.answer(brief).checks
    if not check.runs:
        raise SpecError("can't run", cure="; ".join(check.reasons) + ".")
    return check


def _keep(
    context: Context,
    items: Sequence[Item],
    decisions: Sequence[Decision],
    proposals: Mapping[str, Proposal],
    sent: Sent | None,
    taken: Taken,
) -> None:
    asked = {item.proposal.id: item for item in items}
    going = {*taken.approved, *taken.edits}
    rejected = tuple(each for each in asked if each not in going)
    approval = _approval(
        sent,
        stage="experiments",
        outcome="approve" if taken.approved else "reject",
        approved=taken.approved,
        rejected=rejected,
        edits={each: decision.proposal_id for each, decision in taken.edits.items()},
    )
    after = settled(
        decisions,
        approved=frozenset(taken.approved),
        asked=frozenset(asked),
        edits=taken.edits,
        who=approval.who,
        comment=approval.comment,
    )
    reason = f"rejected by {approval.who}" + (f": {approval.comment}" if approval.comment else "")
    # Where nobody answered, what is left from before waits on: only a person's no is for good.
    left = {each: asked[each].experiment_id for each in rejected} if sent is not None else {}
    context.memory.approvals.keep(
        context.cycle,
        approval,
        after,
        {**proposals, **{proposal.id: proposal for proposal in taken.made}},
        barred={each: reason for each in left.values() if each is not None},
    )


def _approval(sent: Sent | None, **fields: object) -> Approval:
    given = (
        {"approver": None}
        if sent is None
        else {"approver": sent.name, "comment": sent.comment, "answer": sent.fields}
    )
    return Approval.model_validate({"at": datetime.now(UTC), **given, **fields})


def _until(context: Context, deadline: float | None) -> datetime:
    """When what waits is rejected: after `board.approval_hours`, or when the cycle's own time is over."""
    until = datetime.now(UTC) + timedelta(hours=context.config.board.approval_hours)
    return until if deadline is None else min(until, datetime.fromtimestamp(deadline, UTC))
