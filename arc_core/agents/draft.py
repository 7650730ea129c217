"""From an idea to a proposal: the checks and the wording all proposers share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from arc_core.agents import wording
from arc_core.agents.briefs import Proposals, ProposeBrief
from arc_core.agents.effects import differing, estimate_of, evidence_of
from arc_core.agents.forecast import forecast
from arc_core.errors import SpecError
from arc_core.experiments.board import OFFLINE, Category, Proposal, Proposer
from arc_core.experiments.limits import Severity, violations
from arc_core.experiments.metric import Estimate
from arc_core.experiments.space import SearchSpace
from arc_core.experiments.spec import ExperimentSpec, Value

CATEGORIES: tuple[Category, ...] = ("exploit", "explore", "wildcat")
EXPLOIT_AXES = 2
CITED = 6
TRIES = 400  # ideas looked at before a category counts as exhausted


@dataclass(frozen=True, slots=True)
class Words:
    """How a model puts its proposal."""

    name: str
    hypothesis: str
    justification: str


@dataclass(frozen=True, slots=True)
class Idea:
    """Changes to the parent, and the words for how they were found.

    A model brings its own words and its own prediction.
    """

    changes: Mapping[str, Value]
    strategy: str
    rests_on: tuple[str, ...] = ()
    words: Words | None = None
    predicted: Estimate | None = None
    mind: str = OFFLINE


Source = Callable[[Category], Iterator[Idea]]


class Desk:
    """One brief being answered: what is known about the parent, and which ideas are admissible.

    `refused`: an idea that breaks a limit of such a severity is none.
    """

    def __init__(
        self, brief: ProposeBrief, role: Proposer, refused: frozenset[Severity] = frozenset({"critical"})
    ) -> None:
        self.brief, self.role, self._refused = brief, role, refused
        self.flat = brief.parent.flat()
        self.evidence = evidence_of(brief.outcomes, brief.metric)
        self.parent_value = _parent_value(brief)
        self.axes = {
            path: axis
            for path, axis in brief.space.active(brief.parent).items()
            if path in self.flat and path not in brief.directive.forbidden_axes
        }
        self.refusal = ""
        """Why the last idea was not admissible."""
        self._seen = set(brief.seen)
        self._made: list[Proposal] = []

    def write(self, preference: Sequence[Category], source: Source) -> Proposals:
        """Up to `count` proposals, in the categories the budget asks for; the baseline first if it is due."""
        brief = self.brief
        if brief.count > 0 and brief.baseline.id not in self._seen:
            self._add(self._baseline())
        ideas: dict[Category, Iterator[Idea]] = {}
        for category in self._wanted(preference):
            if category not in ideas:
                ideas[category] = islice(source(category), TRIES)
            proposal = next(filter(None, (self._proposal(idea, category) for idea in ideas[category])), None)
            if proposal is not None:
                self._add(proposal)
        return Proposals(proposals=tuple(self._made))

    def _baseline(self) -> Proposal:
        """The configured spec itself, no change to any other; in a place that the budget has."""
        brief = self.brief
        budget = brief.directive.budget.model_dump()
        category: Category = next((kind for kind in CATEGORIES if budget[kind] > 0), "explore")
        return Proposal(
            id=f"prop-{brief.baseline.id[:10]}",
            proposer=self.role,
            category=category,
            name="baseline",
            hypothesis="The configured baseline learns the task well enough"
            if brief.parent_id is None
            else "The newly configured baseline may be better than the champion",
            justification="Whoever runs the study has configured it, and wants to know how well it does.",
            parent_id=None,
            changes={},
            spec=brief.baseline,
            predicted=forecast(self.evidence, brief.metric, None, {}),
            strategy="baseline",
        )

    def _wanted(self, preference: Sequence[Category]) -> Iterator[Category]:
        """A category for each open place. Before there is a champion there is nothing to exploit."""
        budget = self.brief.directive.budget.model_dump()
        usual = [kind for kind in preference if budget[kind] > 0]
        if self.brief.parent_id is None:
            usual = [kind for kind in usual if kind != "exploit"] or ["explore"]
        if not usual:
            usual = [max(CATEGORIES, key=lambda kind: budget[kind])]
        return islice(cycle(usual), max(0, self.brief.count - len(self._made)))

    def admit(self, idea: Idea, category: Category) -> Proposal | None:
        """The idea as a proposal that counts as seen from now on; None where it is not admissible."""
        proposal = self._proposal(idea, category)
        if proposal is not None:
            self._add(proposal)
        return proposal

    def _add(self, proposal: Proposal) -> None:
        self._seen.add(proposal.spec.id)
        self._made.append(proposal)

    def _proposal(self, idea: Idea, category: Category) -> Proposal | None:
        """The idea as a proposal, or None where it is not novel, not safe or not in the space."""
        changes = {path: value for path, value in idea.changes.items() if self.flat.get(path) != value}
        if not changes:
            self.refusal = "it changes nothing"
        elif category == "exploit" and len(changes) > EXPLOIT_AXES:
            self.refusal = f"it exploits, and changes more than {EXPLOIT_AXES} axes"
        else:
            try:
                spec = self.brief.space.apply(self.brief.parent, changes)
            except SpecError as error:  # an axis may reach further than the schema allows
                self.refusal = str(error)
                return None
            self.refusal = self._fault(spec)
            if not self.refusal:
                return self._worded(idea, category, spec, changes)
        return None

    def _fault(self, spec: ExperimentSpec) -> str:
        """Why the spec is not admissible; nothing where it is."""
        brief = self.brief
        if spec.id in self._seen:
            return "its spec was tried or proposed before"
        if strayed := strays(brief.space, spec, brief.parent):
            return f"outside the search space: {', '.join(f'{path} {v}' for path, v in strayed.items())}"
        broken = violations(spec, brief.losses, brief.forbidden)
        return next((str(each) for each in broken if each.severity in self._refused), "")

    def _worded(
        self, idea: Idea, category: Category, spec: ExperimentSpec, changes: Mapping[str, Value]
    ) -> Proposal:
        flat = spec.flat()
        steps = {path: pair for path, pair in differing(flat, self.flat).items() if path in changes}
        words = idea.words or self._words(steps)
        return Proposal(
            id=f"prop-{spec.id[:10]}",
            proposer=self.role,
            category=category,
            name=words.name,
            hypothesis=words.hypothesis,
            justification=words.justification,
            parent_id=self.brief.parent_id,
            changes={path: flat.get(path, value) for path, value in changes.items()},  # 3 for "3"
            spec=spec,
            predicted=idea.predicted or forecast(self.evidence, self.brief.metric, self.parent_value, steps),
            rests_on=self._cited(idea, tuple(steps)),
            strategy=idea.strategy,
            mind=idea.mind,
        )

    def _words(self, steps: Mapping[str, tuple[Value, Value]]) -> Words:
        return Words(
            name=wording.name(steps),
            hypothesis=wording.hypothesis(steps, self.brief.metric, self._founded(steps)),
            justification=self._justification(tuple(steps)),
        )

    def _founded(self, steps: Mapping[str, tuple[Value, Value]]) -> bool:
        """Whether steps like these have gained before, on balance."""
        return sum(self.evidence.expected(path, *pair) or 0.0 for path, pair in steps.items()) > 0

    def _justification(self, axes: tuple[str, ...]) -> str:
        known = self.evidence.on(*axes)
        if known:
            best = max(known, key=lambda effect: (effect.gain, effect.ids))
            tried = f"{len(known)} past comparison{'s' if len(known) > 1 else ''} touched these axes"
            return f"{tried}; the best: {wording.finding(best, self.brief.metric)}."
        names = ", ".join(wording.label(path) for path in axes[:3]) + (" and others" if len(axes) > 3 else "")
        start = "the configured baseline" if self.brief.parent_id is None else self.brief.parent_id
        scored = f", which scores {self.parent_value.value:.3f}" if self.parent_value is not None else ""
        return f"Not yet compared in this study: {names}. Starts from {start}{scored}."

    def _cited(self, idea: Idea, axes: tuple[str, ...]) -> tuple[str, ...]:
        """The parent, what the idea itself rests on, then the best effects on its axes."""
        known = sorted(self.evidence.on(*axes), key=lambda effect: -effect.gain)
        ids = [experiment for effect in known for experiment in effect.ids]
        parent = [self.brief.parent_id] if self.brief.parent_id is not None else []
        return tuple(dict.fromkeys([*parent, *idea.rests_on, *ids]))[:CITED]


def fitted(value: Value, current: Value, path: str) -> Value:
    """A drawn number in the field's own kind: whole where that is, the image size a multiple of 16."""
    if isinstance(value, float) and isinstance(current, int) and not isinstance(current, bool):
        grain = 16 if path == "image_size_px" else 1
        return round(value / grain) * grain
    return value


def strays(space: SearchSpace, spec: ExperimentSpec, parent: ExperimentSpec) -> dict[str, Value]:
    """Where `spec` leaves the space and its parent did not: a configured start may lie outside it."""
    inherited = parent.flat()
    return {path: value for path, value in space.outside(spec).items() if inherited.get(path) != value}


def _parent_value(brief: ProposeBrief) -> Estimate | None:
    parent_spec = brief.parent.id if brief.parent_id is None else None
    for outcome in reversed(brief.outcomes):
        if outcome.experiment_id == brief.parent_id or (parent_spec and outcome.spec_id == parent_spec):
            found = estimate_of(outcome, brief.metric)
            if found is not None:
                return found
    return None
