"""The architect: what the network is, what it sees, and what it is asked to minimise."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from arc_core.agents.briefs import Proposals, ProposeBrief
from arc_core.agents.draft import Desk, Idea, fitted
from arc_core.agents.effects import is_number
from arc_core.experiments.board import Category, Role
from arc_core.experiments.space import Choice, Range
from arc_core.experiments.spec import Value

# Structure, in the order it is tried where history says nothing.
STRUCTURE = (
    "image_size_px",
    "loss.name",
    "architecture.name",
    "normalisation",
    "architecture.width",
    "architecture.depth",
    "augmentation.",
)
PAIRED = 12  # best options that are also tried together


@dataclass(frozen=True, slots=True)
class Option:
    """One value of one structural axis. `worth`: mean gain of similar past steps, 0 where there were none."""

    path: str
    value: Value
    tried: bool
    worth: float
    place: tuple[int, int]  # nth value of its axis, then the axis's place: all axes get a turn


class Architect:
    role: Role = "architect"

    def answer(self, brief: ProposeBrief) -> Proposals:
        desk = Desk(brief, self.role)
        options = _options(desk)
        return desk.write(("explore", "exploit"), lambda category: _ideas(category, options, brief))


def _ideas(category: Category, options: Sequence[Option], brief: ProposeBrief) -> Iterator[Idea]:
    if category == "exploit":
        return _refinements(options, brief.directive.focus_axes)
    if category == "wildcat":
        return _together(sorted(options, key=lambda o: (-o.worth, o.place)), 4, "untried combination")
    return _untested(options)


def _untested(options: Sequence[Option]) -> Iterator[Idea]:
    """Values no experiment has had, the most promising axes first; then pairs."""
    order = sorted(options, key=lambda o: (o.tried, o.worth < 0, o.place[0], -o.worth, o.place))
    for option in order:
        yield Idea({option.path: option.value}, "tried value" if option.tried else "untested value")
    yield from _together(order, 2, "untested pair")


def _refinements(options: Sequence[Option], focus: Iterable[str]) -> Iterator[Idea]:
    """What has helped before, two at a time, then singly; then the unknown; last what has hurt."""
    focused = set(focus)
    order = sorted(options, key=lambda o: (-o.worth, o.path not in focused, o.place))
    helped = [option for option in order if option.worth > 0]
    yield from _together(helped, 2, "two gains combined")
    for option in helped:
        yield Idea({option.path: option.value}, "a gain carried on")
    for option in order:
        if option.worth <= 0:
            yield Idea({option.path: option.value}, "small step")


def _together(options: Sequence[Option], size: int, strategy: str) -> Iterator[Idea]:
    for group in combinations(options[:PAIRED], size):
        if len({option.path for option in group}) == size:
            yield Idea({option.path: option.value for option in group}, strategy)


def _options(desk: Desk) -> tuple[Option, ...]:
    options = []
    for path, axis in desk.axes.items():
        place = next((i for i, prefix in enumerate(STRUCTURE) if path.startswith(prefix)), None)
        if place is None:
            continue
        current, tried = desk.flat[path], {flat.get(path) for flat in desk.evidence.flats}
        for nth, value in enumerate(_values(axis, current, path)):
            worth = desk.evidence.expected(path, current, value) or 0.0
            options.append(Option(path, value, value in tried, worth, (nth, place)))
    return tuple(options)


def _values(axis: Choice | Range, current: Value, path: str) -> list[Value]:
    """The axis's other values, the fewest steps away first, up before down; five levels of a range."""
    if isinstance(axis, Choice):
        values: list[Value] = list(axis.choices)
    else:
        values = [fitted(level, current, path) for level in _levels(axis)]
    others = [value for value in values if value != current]
    if is_number(current) and all(is_number(value) for value in others):
        here = float(current)
        ladder = sorted({here, *(float(value) for value in others)})
        steps = {value: abs(ladder.index(float(value)) - ladder.index(here)) for value in others}
        others.sort(key=lambda value: (steps[value], float(value) < here))
    return others


def _levels(axis: Range) -> Iterator[float]:
    for i in range(5):
        share = i / 4
        if axis.log:
            yield float(f"{math.exp(math.log(axis.low) * (1 - share) + math.log(axis.high) * share):.3g}")
        else:
            yield float(f"{axis.low * (1 - share) + axis.high * share:.3g}")


MIND = Architect()
