"""How the board carried itself, cycle by cycle: did its proposals repeat, did they all go one way. Pure."""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from arc_core.agents.distance import step
from arc_core.agents.effects import Flat, is_number
from arc_core.experiments.board import Outcome, Proposal
from arc_core.experiments.space import SearchSpace
from arc_core.experiments.spec import ExperimentSpec, Value

REMEMBERED = 20  # latest cycles whose proposals are looked at
RUNS = 1000  # latest experiments that a proposal may repeat
REPEATED = 0.7  # share of known specs
ALIKE = 0.95  # cosine
RECENT = 5  # cycles that proposed anything
COLLAPSED = 4  # of the recent ones
FORCED = 5  # cycles of exploration after a collapse

ProposalsByCycle = Mapping[int, Sequence[Proposal]]
Direction = Mapping[tuple[str, Value], float]


@dataclass(frozen=True, slots=True)
class Conduct:
    """What the board proposed in one cycle. `cosine`: None where there was nothing to compare."""

    cycle: int
    proposed: int
    repeats: int
    directions: tuple[Direction, ...]
    cosine: float | None

    @property
    def is_collapsed(self) -> bool:
        """Whether nearly all of it was known, or went the same way."""
        return self.repeats > REPEATED * self.proposed or (self.cosine or 0.0) >= ALIKE


def conduct(
    outcomes: Sequence[Outcome],
    proposals_by_cycle: ProposalsByCycle,
    space: SearchSpace,
    baseline: ExperimentSpec | None = None,
) -> tuple[Conduct, ...]:
    """The latest cycles in which the board proposed anything, oldest first; controls are left out.

    `outcomes`: oldest first. A proposal repeats where an earlier cycle had run its spec, or where it had
    been proposed before, as far as these windows reach. The cosine is the mean over all pairs of one of
    the cycle's changes with another of the cycle or with one of the cycle before, never with itself.
    `baseline`: the parent of a proposal that names none; without it, such a proposal has no direction.
    """
    said = {
        cycle: tuple(p for p in proposals_by_cycle[cycle] if p.proposer != "control")
        for cycle in sorted(proposals_by_cycle)[-REMEMBERED:]
    }
    first_runs, parents = _first_runs(outcomes[-RUNS:]), _parents(outcomes, said, baseline)
    found: list[Conduct] = []
    before: tuple[Direction, ...] = ()
    proposed: set[Hashable] = set()
    for cycle, proposals in said.items():
        if not proposals:
            continue
        repeats = 0
        for proposal in proposals:
            identity = _identity(proposal.spec)
            repeats += identity in proposed or first_runs.get(identity, cycle) < cycle
            proposed.add(identity)
        ways = (
            direction(p.changes, parents[p.parent_id], space) for p in proposals if p.parent_id in parents
        )
        directions = tuple(way for way in ways if way)
        found.append(Conduct(cycle, len(proposals), repeats, directions, cosine(directions, before)))
        before = directions
    return tuple(found)


def forced_by(conducts: Sequence[Conduct], cycle: int) -> tuple[Conduct, ...]:
    """The cycles whose collapse forces this one to explore; none where it is free.

    It collapses when four of the last five cycles that proposed anything have, and the five cycles after
    that explore. Then counting begins anew: a cycle that led to one collapse never counts for another.
    """
    forcing: tuple[Conduct, ...] = ()
    window: tuple[Conduct, ...] = ()
    for each in conducts:
        if each.cycle >= cycle:
            break
        window = (*window, each)[-RECENT:]
        if sum(one.is_collapsed for one in window) >= COLLAPSED:
            forcing, window = window, ()
    return forcing if forcing and cycle <= forcing[-1].cycle + FORCED else ()


def direction(changes: Mapping[str, Value], parent: Flat, space: SearchSpace) -> Direction:
    """The unit vector of a change: each number by its signed step within the space, each name one-hot.

    Empty where nothing within the space changes.
    """
    vector: dict[tuple[str, Value], float] = {}
    for path, new in changes.items():
        axis, old = space.axes.get(path), parent.get(path)
        if axis is None or old is None or old == new:
            continue
        if is_number(old) and is_number(new):
            vector[path, ""] = math.copysign(step(axis, old, new), float(new) - float(old))
        else:
            vector[path, new] = 1.0
    length = math.hypot(*vector.values())
    return {axis: value / length for axis, value in vector.items()} if length else {}


def cosine(directions: Sequence[Direction], before: Sequence[Direction] = ()) -> float | None:
    """Mean cosine of each direction with each other one and with those before; None without a pair."""
    count = len(directions)
    pairs = count * (count - 1 + len(before))
    if not pairs:
        return None
    own, every = _sum(directions), _sum([*directions, *before])
    # Σ over all pairs by one product of sums; each direction's cosine with itself is 1 and is taken out.
    return (math.fsum(value * every[axis] for axis, value in own.items()) - count) / pairs


def _sum(directions: Sequence[Direction]) -> Mapping[tuple[str, Value], float]:
    total: Counter[tuple[str, Value]] = Counter()
    for way in directions:
        total.update(way)
    return total


def _identity(spec: ExperimentSpec) -> Hashable:
    """Equal for equal specs, and far cheaper than the id, which hashes JSON."""
    loss = spec.loss
    return (
        *vars(spec.architecture).values(),
        *vars(spec.augmentation).values(),
        *vars(spec.optimiser).values(),
        *(loss.name, frozenset(loss.params.items())),
        *(spec.task, spec.image_size_px, spec.normalisation, spec.schedule),
        *(spec.epochs, spec.batch_size, spec.seed),
    )


def _first_runs(outcomes: Sequence[Outcome]) -> dict[Hashable, int]:
    """Spec → the first cycle that ran it."""
    return {_identity(outcome.spec): outcome.cycle for outcome in reversed(outcomes)}


def _parents(
    outcomes: Sequence[Outcome], said: ProposalsByCycle, baseline: ExperimentSpec | None
) -> dict[str | None, Flat]:
    """What the proposals changed: parent's id → its values."""
    found: dict[str | None, Flat] = {None: baseline.flat()} if baseline is not None else {}
    wanted = {proposal.parent_id for proposals in said.values() for proposal in proposals} - {None}
    for outcome in reversed(outcomes):
        if not wanted:
            break
        if outcome.experiment_id in wanted:
            found[outcome.experiment_id] = outcome.spec.flat()
            wanted.remove(outcome.experiment_id)
    return found
