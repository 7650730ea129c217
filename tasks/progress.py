"""How far an experiment is: told to the Prefect UI, and to whoever listens in this process."""

from collections.abc import Callable
from types import TracebackType
from typing import Self, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from arc_core.report.note import mark
from arc_core.training.process import Event
from tasks.unimportant import unimportant

Listener = Callable[[str, float | None, str], None]
listeners: list[Listener] = []
"""Called with experiment id, percent (None: it has ended) and a few words; the terminal's bars are one."""


def tell(name: str, percent: float | None, words: str = "") -> None:
    """Tell every listener of this process."""
    for listener in listeners:
        listener(name, percent, words)


announcers: list[Callable[[str], None]] = []
"""Called with a line that a person has to see; the terminal is one."""


def announce(words: str) -> None:
    """Tell every announcer of this process."""
    for announcer in announcers:
        announcer(words)


STEP_PERCENT = 5.0  # each update of the artifact is a request to the server


class Progress:
    """One experiment's progress, from its worker's events."""

    def __init__(self, experiment_id: str, *, simulated: bool) -> None:
        self._id, self._mark = experiment_id, mark(simulated)
        self.percent = self._told = 0.0

    def __enter__(self) -> Self:
        self._artifact: UUID | None = None
        with unimportant():
            made = create_progress_artifact(
                progress=0.0, key=f"{self._id}-progress", description=f"{self._mark}Training of {self._id}"
            )
            self._artifact = cast(UUID, made)  # a coroutine in async code only
        tell(self._id, 0.0, "waiting for its turn")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show()
        tell(self._id, None)

    def on_event(self, event: Event) -> None:
        """Take one line of the worker's protocol."""
        if event["event"] == "started":
            self._folds = event["folds"]
            tell(self._id, self.percent, "starting")
        if event["event"] == "epoch":
            fold, folds, epoch, epochs = event["fold"], self._folds, event["epoch"], event["epochs"]
            self.percent = 100 * (fold * epochs + epoch) / (folds * epochs)
            words = f"fold {fold + 1}/{folds} · epoch {epoch}/{epochs} · loss {event['train_loss']:.3f}"
            tell(self._id, self.percent, words)
            if self.percent - self._told >= STEP_PERCENT:
                self._show()

    def _show(self) -> None:
        if self._artifact is not None and self._told < self.percent:
            self._told = self.percent
            with unimportant():
                update_progress_artifact(self._artifact, self.percent)
