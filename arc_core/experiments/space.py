"""The search space: which fields of a spec the board may change, and to what."""

import math
import random
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from arc_core.experiments.spec import ExperimentSpec, Value
from arc_core.record import Record


class Choice(Record):
    """One of a few values."""

    kind: Literal["choice"] = "choice"
    choices: tuple[Value, ...] = Field(min_length=1)
    when: dict[str, Value] = Field({}, description="paths that must hold these values for the axis to exist")

    def draw(self, rng: random.Random) -> Value:
        return rng.choice(self.choices)

    def contains(self, value: object) -> bool:
        return value in self.choices


class Range(Record):
    """A real number between two bounds, drawn uniformly, or uniformly in its logarithm."""

    kind: Literal["range"] = "range"
    low: float
    high: float
    log: bool = False
    when: dict[str, Value] = {}

    def draw(self, rng: random.Random) -> Value:
        if self.log:
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = rng.uniform(self.low, self.high)
        return rounded(value, self)

    def contains(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


Axis = Annotated[Choice | Range, Field(discriminator="kind")]


class SearchSpace(Record):
    """Dotted path → axis, and the default parameters that come with each loss."""

    axes: dict[str, Axis]
    loss_params: dict[str, dict[str, float]] = {}

    def active(self, spec: ExperimentSpec) -> dict[str, Choice | Range]:
        """The axes that exist for `spec`: those whose conditions it meets."""
        flat = spec.flat()
        return {
            path: axis
            for path, axis in self.axes.items()
            if all(flat.get(key) == value for key, value in axis.when.items())
        }

    def apply(self, parent: ExperimentSpec, changes: Mapping[str, Value]) -> ExperimentSpec:
        """`parent` with `changes`; a changed loss brings its own default parameters."""
        name = changes.get("loss.name", parent.loss.name)
        if name != parent.loss.name:
            params = self.loss_params.get(str(name), {})
            loss = parent.loss.model_copy(update={"name": str(name), "params": dict(params)})
            parent = parent.model_copy(update={"loss": loss})
        return parent.changed(changes)

    def outside(self, spec: ExperimentSpec) -> dict[str, Value]:
        """The active paths on which `spec` leaves the space, with its values. One left open is inside."""
        flat = spec.flat()
        active = {path: axis for path, axis in self.active(spec).items() if path in flat}
        return {path: flat[path] for path, axis in active.items() if not axis.contains(flat[path])}


def rounded(value: float, axis: Range) -> float:
    """Three significant digits: enough for a search, and specs stay readable."""
    return min(max(float(f"{value:.3g}"), axis.low), axis.high)
