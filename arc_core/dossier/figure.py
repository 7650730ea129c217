"""A measured number, and the evaluation in the ledger that it comes from."""

from collections.abc import Mapping

from pydantic import Field

from arc_core.errors import Unfounded
from arc_core.experiments.metric import Estimate
from arc_core.record import Record

SHORT = 8
"""Digits of an evaluation's hash that stand beside a number."""


class Figure(Record):
    """A number as a document prints it. `evaluation`: the hash of the ledger's `eval.completed` event."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = Field(None, description="patients behind it")
    unit: str = Field("", description="empty for a share of 1, px for a distance, images for a count")
    evaluation: str

    @property
    def number(self) -> str:
        """Value and interval, without the hash."""
        digits = 0 if self.unit == "images" else 1 if self.unit == "px" else 3
        shown = f"{self.value:.{digits}f}"
        if self.low is not None and self.high is not None:
            shown += f" [{self.low:.{digits}f},\N{NO-BREAK SPACE}{self.high:.{digits}f}]"
        return shown

    @property
    def source(self) -> str:
        """How its evaluation is named beside it."""
        return self.evaluation[:SHORT]

    def __str__(self) -> str:
        return f"{self.number}\N{NO-BREAK SPACE}({self.source})"


class Evaluations:
    """What the ledger says was measured: hash of each `eval.completed` event → what it is about.

    Every number of a dossier is made here, so that none is without one.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = dict(known)
        self._of = {subject: sha256 for sha256, subject in self.known.items()}

    def of(self, subject: str) -> str | None:
        """The hash of what was measured of an experiment, or of an opening of a test part."""
        return self._of.get(subject)

    def figure(self, name: str, estimate: Estimate | float | int, subject: str, unit: str = "") -> Figure:
        """A number measured of `subject`. Unfounded where the ledger has no evaluation of it."""
        evaluation = self.of(subject)
        if evaluation is None:
            raise Unfounded(
                f"{name} of {subject} has no eval.completed in the ledger, so it can't be printed: it was "
                "measured before the ledger began, or put into the store past it"
            )
        if isinstance(estimate, Estimate):
            ends = {"low": estimate.low, "high": estimate.high, "n": estimate.patients}
            return Figure(name=name, value=estimate.value, unit=unit, evaluation=evaluation, **ends)
        return Figure(name=name, value=float(estimate), unit=unit, evaluation=evaluation)

    def check(self, what: str, evaluation: str) -> None:
        """Unfounded unless the ledger has the evaluation that something printed rests on."""
        if evaluation not in self.known:
            raise Unfounded(
                f"{what} rests on evaluation {evaluation or 'none'}, which is no eval.completed of the ledger"
            )
