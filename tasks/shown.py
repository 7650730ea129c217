"""An experiment as the Prefect UI shows it: why it was approved, how far it is, how it learns."""

from contextlib import suppress
from types import TracebackType
from typing import Self

from arc_core.errors import StoreError
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import Point
from arc_core.report.experiment_notes import approval_note, curve_note
from arc_core.report.note import Note
from arc_core.training.process import Event
from tasks.artifact import show, show_again
from tasks.progress import Progress

STEP_PERCENT = 10.0  # each update of the curve is a request to the server


class Shown:
    """From its place in line to its end, in the run at hand; `on_event` takes its worker's protocol."""

    def __init__(self, memory: Memory, experiment_id: str) -> None:
        self._memory, self._id = memory, experiment_id
        self._study = memory.study(memory.experiment(experiment_id).study_id)
        self._progress = Progress(experiment_id, simulated=self._study.simulated)
        self._curve: dict[tuple[int, int], Point] = {}  # by fold and epoch: what is trained again counts once
        self._told = 0.0

    def __enter__(self) -> Self:
        if self._memory.experiment(self._id).repeat_of is None:  # a repeat is no idea of the board's
            show(f"{self._id}-approval", approval_note(self._memory, self._id))
        self._progress.__enter__()
        self._artifact = show(f"{self._id}-curve", self._note("waits for its turn"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)
        with suppress(StoreError):  # whatever ended the training is what its caller has to hear of
            outcome, result = self._memory.experiment(self._id).outcome, self._memory.result(self._id)
            if result is not None:
                self._curve = {(point.fold, point.epoch): point for point in result.curve}
            self._show(f"{outcome.status}: {outcome.reason}" if outcome.reason else outcome.status)

    def on_event(self, event: Event) -> None:
        """Draw the curve each tenth of the way."""
        self._progress.on_event(event)
        if event["event"] != "epoch":
            return
        point = Point.model_validate({name: event.get(name) for name in Point.model_fields})
        self._curve[point.fold, point.epoch] = point
        if self._progress.percent - self._told >= STEP_PERCENT:
            self._told = self._progress.percent
            self._show(f"{self._told:.0f} % trained")

    def _show(self, state: str) -> None:
        if self._artifact is not None:
            show_again(self._artifact, self._note(state))

    def _note(self, state: str) -> Note:
        experiment = self._memory.experiment(self._id)
        return curve_note(self._study, experiment, list(self._curve.values()), state)
