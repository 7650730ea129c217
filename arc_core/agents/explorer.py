"""The explorer: goes where the study has not been."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from arc_core.agents.briefs import Proposals, ProposeBrief
from arc_core.agents.distance import distance
from arc_core.agents.draft import Desk, Idea, fitted
from arc_core.experiments.board import Category, Role
from arc_core.experiments.spec import Value

CANDIDATES = 8  # draws per idea; the one farthest from everything tried is kept
REMEMBERED = 100  # experiments the distance is measured to
WILD_AXES = 4


class Explorer:
    role: Role = "explorer"

    def answer(self, brief: ProposeBrief) -> Proposals:
        desk = Desk(brief, self.role)
        return desk.write(("explore", "wildcat"), lambda category: _ideas(desk, category))


def _ideas(desk: Desk, category: Category) -> Iterator[Idea]:
    """Endless draws, each kept from a handful for its distance to what was tried (maximin design)."""
    if not desk.axes:
        return
    rng = random.Random(f"explorer:{category}:{desk.brief.seed}")
    tried = desk.evidence.flats[-REMEMBERED:]
    weights = _weights(desk, tried)
    while True:
        axes = _pick(rng, weights, _how_many(rng, category, len(desk.axes)))
        draws = [_draw(desk, axes, rng) for _ in range(CANDIDATES)]
        yield Idea(max(draws, key=lambda changes: _room(desk, changes, tried)), _strategy(category))


def _how_many(rng: random.Random, category: Category, axes: int) -> int:
    if category == "wildcat":
        return min(axes, rng.randint(WILD_AXES, max(WILD_AXES, axes // 2)))
    return min(axes, rng.choice((1, 1, 2) if category == "exploit" else (1, 2, 3)))


def _weights(desk: Desk, tried: Sequence[dict[str, Value]]) -> dict[str, float]:
    """The less often an axis has left its commonest value, the likelier it is drawn."""
    weights = {}
    for path in desk.axes:
        values = Counter(flat[path] for flat in tried if path in flat)
        visits = values.total() - max(values.values(), default=0)
        weights[path] = 1 / (1 + visits)
    return weights


def _pick(rng: random.Random, weights: dict[str, float], count: int) -> list[str]:
    """`count` paths without replacement, by weight (Efraimidis and Spirakis 2006)."""
    keys = {path: rng.random() ** (1 / weight) for path, weight in weights.items()}
    return sorted(keys, key=lambda path: -keys[path])[:count]


def _draw(desk: Desk, axes: list[str], rng: random.Random) -> dict[str, Value]:
    return {path: fitted(desk.axes[path].draw(rng), desk.flat[path], path) for path in axes}


def _room(desk: Desk, changes: Mapping[str, Value], tried: Sequence[dict[str, Value]]) -> float:
    """Distance to the nearest spec tried, along the changed axes and those it differs in anyway."""
    here = {**desk.flat, **changes}
    return min((distance(desk.axes, here, flat) for flat in tried), default=float(len(changes)))


def _strategy(category: Category) -> str:
    return "many axes at once" if category == "wildcat" else "less-visited axes, space-filling"


MIND = Explorer()
