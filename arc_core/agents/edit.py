"""A person's edit of a proposal: checked like any proposal, and a proposal of its own."""

import json
from collections.abc import Mapping, Set

from pydantic import TypeAdapter, ValidationError

from arc_core.agents import wording
from arc_core.agents.draft import strays
from arc_core.agents.effects import differing
from arc_core.errors import SpecError
from arc_core.experiments.board import OFFLINE, Proposal
from arc_core.experiments.limits import violations
from arc_core.experiments.metric import Estimate
from arc_core.experiments.space import Choice, Range, SearchSpace
from arc_core.experiments.spec import ExperimentSpec, Value

UNKNOWN = Estimate(value=0.5, low=0, high=1)
_CHANGES: TypeAdapter[dict[str, Value]] = TypeAdapter(dict[str, Value])


def parse_changes(text: str) -> dict[str, Value]:
    """Dotted path → value, from JSON; SpecError where it is anything else."""
    try:
        return _CHANGES.validate_python(json.loads(text, parse_constant=_refuse), strict=True)
    except (ValueError, ValidationError, RecursionError) as error:
        words = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise SpecError(
            f"not a JSON object of paths and values: {words}",
            where="changes",
            cure='Write it like {"optimiser.lr": 0.001, "epochs": 20}.',
        ) from None


def edited(
    proposal: Proposal,
    changes: Mapping[str, Value],
    *,
    editor: str,
    parent: ExperimentSpec,
    space: SearchSpace,
    losses: frozenset[str],
    seen: Set[str],
    metric: str,
) -> Proposal:
    """What `editor` made of `proposal`; the proposal itself where the changes come to the same spec.

    `parent`: the spec that is changed. `seen`: ids of the specs that have run or are up for it.
    SpecError where the edit leaves the space, breaks a critical or a high limit, or is not new.
    """
    spec = space.apply(parent, changes)
    if spec.id == proposal.spec.id:
        return proposal
    _check(spec, changes, parent=parent, space=space, losses=losses, seen=seen)
    steps = differing(spec.flat(), parent.flat())
    return proposal.model_copy(
        update={
            "id": f"prop-{spec.id[:10]}",
            "proposer": "person",
            "mind": OFFLINE,
            "name": wording.name(steps) or "baseline",
            "hypothesis": wording.hypothesis(steps, metric, founded=False) if steps else proposal.hypothesis,
            "justification": f"{editor} edited {proposal.id}, {proposal.name}.",
            "changes": {path: value for path, value in spec.flat().items() if path in changes},
            "spec": spec,
            "predicted": UNKNOWN,
            "strategy": f"edited by {editor}",
        }
    )


def _check(
    spec: ExperimentSpec,
    changes: Mapping[str, Value],
    *,
    parent: ExperimentSpec,
    space: SearchSpace,
    losses: frozenset[str],
    seen: Set[str],
) -> None:
    axes = space.active(spec)
    if closed := sorted(set(changes) - set(axes)):
        open_ = ", ".join(sorted(axes))
        raise SpecError("not an axis of the search space", where=closed[0], cure=f"Axes are {open_}.")
    for path, value in strays(space, spec, parent).items():
        raise SpecError(
            "outside the search space", where=path, got=repr(value), cure=f"It allows {_allowed(axes[path])}."
        )
    broken = [each for each in violations(spec, losses) if each.severity != "medium"]
    if broken:
        raise SpecError("breaks a safety limit", where=broken[0].path, cure=f"{broken[0]}.")
    if spec.id in seen:
        raise SpecError(
            "not new", where="changes", cure="This spec has run in this study, or is among the proposals."
        )


def _allowed(axis: Choice | Range) -> str:
    if isinstance(axis, Choice):
        return ", ".join(map(str, axis.choices))
    return f"{axis.low:g} to {axis.high:g}"


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
