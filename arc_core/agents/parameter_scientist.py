"""The parameter scientist: numbers, tuned by a tree-structured Parzen estimator."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from arc_core.agents.briefs import Proposals, ProposeBrief
from arc_core.agents.draft import EXPLOIT_AXES, TRIES, Desk, Idea, fitted
from arc_core.agents.effects import Run, best_of, is_number
from arc_core.experiments.board import Category, Role
from arc_core.experiments.metric import METRICS
from arc_core.experiments.space import Choice, Range, rounded
from arc_core.experiments.spec import Value

NUMBERS = (
    "optimiser.lr",
    "optimiser.weight_decay",
    "architecture.dropout",
    "batch_size",
    "epochs",
    "loss.params.",
)
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
STARTUP = 3  # finished experiments before the estimator takes over
ASKS = 40  # suggestions looked at before it counts as having no novel one
REMEMBERED = 300  # latest finished experiments it is told of
Axes = dict[str, Choice | Range]


class ParameterScientist:
    role: Role = "parameter_scientist"

    def answer(self, brief: ProposeBrief) -> Proposals:
        desk = Desk(brief, self.role)
        axes = _numeric(desk)
        found = points(desk, axes) if axes else iter(())
        return desk.write(("exploit", "explore"), lambda category: _ideas(desk, axes, category, found))


def suggested(desk: Desk) -> Iterator[Idea]:
    """The same suggestions, each taken over whole."""
    axes = _numeric(desk)
    return _ideas(desk, axes, "wildcat", points(desk, axes)) if axes else iter(())


def _numeric(desk: Desk) -> Axes:
    """The axes that hold numbers to tune, in the order of `NUMBERS`."""
    return {
        path: axis
        for prefix in NUMBERS
        for path, axis in desk.axes.items()
        if path.startswith(prefix) and is_number(desk.flat[path])
    }


def points(desk: Desk, axes: Axes) -> Iterator[Idea]:
    """Suggestions for all axes at once, quasi-random until there is enough to learn from."""
    runs = desk.evidence.runs
    if len(runs) < STARTUP:
        yield from (Idea(point, "quasi-random (Halton)") for point in _quasi_random(desk, axes))
        return
    cited = (best_of(runs, desk.brief.metric).outcome.experiment_id,)
    for point in _parzen(desk, axes, runs[-REMEMBERED:]):
        yield Idea(point, "tree-structured Parzen estimator", cited)


def _ideas(desk: Desk, axes: Axes, category: Category, found: Iterator[Idea]) -> Iterator[Idea]:
    for nth, point in enumerate(found):
        kept = _kept(desk, tuple(axes), category, nth)
        changes = {path: fitted(point.changes[path], desk.flat[path], path) for path in kept}
        yield Idea(changes, point.strategy, point.rests_on)


def _kept(desk: Desk, paths: tuple[str, ...], category: Category, nth: int) -> tuple[str, ...]:
    """Which of the suggested numbers are taken over; the others stay the parent's.

    A wildcat takes all. Else two are taken, the focus and what has helped first, moving on with every
    try, so that no axis is left out.
    """
    size = len(paths) if category == "wildcat" else EXPLOIT_AXES
    focus = desk.brief.directive.focus_axes
    gain = {path: desk.evidence.mean_gain(path) or 0.0 for path in paths}
    ranked = sorted(paths, key=lambda path: (path not in focus, -gain[path], paths.index(path)))
    start = nth % len(ranked)
    return tuple((ranked + ranked)[start : start + min(size, len(ranked))])


def _quasi_random(desk: Desk, axes: Axes) -> Iterator[dict[str, Value]]:
    """Points of the Halton sequence, one prime per axis, from a place the seed decides."""
    start = 1 + desk.brief.seed % 1000
    for index in range(start, start + TRIES):
        yield {
            path: _at(axis, _radical_inverse(index, PRIMES[i % len(PRIMES)]))
            for i, (path, axis) in enumerate(axes.items())
        }


def _radical_inverse(index: int, base: int) -> float:
    """The digits of `index` mirrored at the point (van der Corput)."""
    value, share = 0.0, 1.0
    while index:
        index, digit = divmod(index, base)
        share /= base
        value += share * digit
    return value


def _at(axis: Choice | Range, share: float) -> Value:
    if isinstance(axis, Choice):
        return axis.choices[int(share * len(axis.choices))]
    if axis.log:
        return rounded(math.exp(math.log(axis.low) + share * math.log(axis.high / axis.low)), axis)
    return rounded(axis.low + share * (axis.high - axis.low), axis)


def _parzen(desk: Desk, axes: Axes, runs: Sequence[Run]) -> Iterator[dict[str, Value]]:
    """Suggestions of Optuna's TPE, told of the latest finished experiments."""
    import optuna  # here, because a dry run of a first cycle does not need it

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    metric = desk.brief.metric
    distributions = {path: _distribution(optuna, axis) for path, axis in axes.items()}
    study = optuna.create_study(
        direction="maximize" if METRICS[metric].higher_is_better else "minimize",
        sampler=optuna.samplers.TPESampler(seed=desk.brief.seed % 2**32, n_startup_trials=STARTUP),
    )
    for run in runs:
        known = {path: run.flat[path] for path, axis in axes.items() if axis.contains(run.flat.get(path))}
        if known:
            study.add_trial(
                optuna.create_trial(
                    params=known,
                    distributions={path: distributions[path] for path in known},
                    value=run.estimate.value,
                )
            )
    for _ in range(ASKS):
        point = study.ask(distributions).params
        yield {path: _readable(axes[path], value) for path, value in point.items()}


def _distribution(optuna: Any, axis: Choice | Range) -> Any:
    if isinstance(axis, Choice):
        return optuna.distributions.CategoricalDistribution(axis.choices)
    return optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)


def _readable(axis: Choice | Range, value: Value) -> Value:
    return rounded(float(value), axis) if isinstance(axis, Range) else value


MIND = ParameterScientist()
