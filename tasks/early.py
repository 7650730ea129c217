"""Trainings of the next cycle in this process: begun while this cycle's go on, and found by the next."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait

from arc_core.experiments.study import Experiment
from arc_core.training.process import Event

Listener = Callable[[Event], None]


class Early:
    """One training that nobody waits for yet. `train` is called at once, in a thread of its own."""

    def __init__(self, train: Callable[[Listener], Experiment]) -> None:
        self.future: Future[Experiment] = Future()
        self._lock = threading.Lock()
        self._heard: dict[str, Event] = {}
        self._listener: Listener | None = None
        threading.Thread(target=self._run, args=(train,), daemon=True).start()

    @property
    def is_kept(self) -> bool:
        """Whether its outcome is in the store, so that nobody will ask for it here."""
        future = self.future
        return future.done() and future.exception() is None and future.result().outcome.has_ended

    def listen(self, listener: Listener) -> None:
        """Pass on what is still to come, after the last event of each kind so far."""
        with self._lock:
            for event in self._heard.values():
                listener(event)
            self._listener = listener

    def _run(self, train: Callable[[Listener], Experiment]) -> None:
        try:
            self.future.set_result(train(self._on_event))
        except BaseException as error:  # noqa: BLE001  # told to whoever asks for the result
            self.future.set_exception(error)

    def _on_event(self, event: Event) -> None:
        with self._lock:
            self._heard[event["event"]] = event
            if self._listener is not None:
                self._listener(event)


_early: dict[str, Early] = {}


def begin(experiment_id: str, train: Callable[[Listener], Experiment]) -> None:
    """Train it, unless that goes on already; what was stopped is taken up again."""
    for each, begun in tuple(_early.items()):
        if begun.is_kept:  # it ended before its cycle began, and would be held as long as the loop runs
            _early.pop(each, None)
    if experiment_id not in _early or _early[experiment_id].future.done():
        _early[experiment_id] = Early(train)


def taken_over(experiment_id: str) -> Early | None:
    """What was begun, for the one who now waits for it."""
    return _early.pop(experiment_id, None)


def all_ended() -> None:
    """Wait until all that nobody took over have ended, told so by their stop."""
    wait([_early.pop(each).future for each in tuple(_early)])
