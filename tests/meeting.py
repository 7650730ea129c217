"""A board's meeting on a real store, without Prefect: what the tasks do, one after the other."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from arc_core.config import load_config
from arc_core.experiments.board import Decision, Directive, History, Proposal, Review
from arc_core.experiments.call import Call
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Result
from tasks.board import decide, direct, propose, review
from tasks.context import Context
from tasks.cycle import open_cycle
from tasks.recall import _recall, digest, remember
from tests.command import TINY
from tests.contracts.records import decision, proposal
from tests.llm_server import ModelServer

STUDY = tuple(each for each in TINY if not each.startswith("space.axes"))
VALUES = (0.70, 0.74, 0.72)


class Recalled:
    """What the historian's task comes to, as a Prefect future shows it, after one try."""

    def __init__(self, context: Context, history: History) -> None:
        pool = ThreadPoolExecutor(1)
        self._future = pool.submit(_recall.fn, context, history)
        pool.shutdown(wait=False)

    def result(self, *, raise_on_failure: bool) -> Any:
        return self._future.exception() or self._future.result()


@dataclass(frozen=True)
class Meeting:
    """What a meeting left behind."""

    context: Context
    history: History
    directive: Directive
    proposals: tuple[Proposal, ...]
    reviews: tuple[Review, ...]
    decisions: tuple[Decision, ...]

    @property
    def calls(self) -> tuple[Call, ...]:
        return self.context.memory.calls.of_cycle(self.context.cycle.id)


def studied(*overrides: str, values: tuple[float, ...] = VALUES) -> Context:
    """The second cycle of a study whose first one measured `values`."""
    config = load_config((*STUDY, *overrides))
    context = open_cycle.fn(config)
    memory = context.memory
    if not memory.experiments(context.study_id):
        for number in range(len(values)):
            spec = config.spec if number == 0 else config.spec.changed({"seed": number})
            made = proposal(number).model_copy(update={"id": f"prop-{number}", "spec": spec})
            memory.keep_decisions(context.cycle, [decision(made.id)], {made.id: made})
        for experiment, value in zip(memory.experiments(context.study_id), values, strict=True):
            memory.keep_result(experiment.id, _result(value))
        memory.end_cycle(context.cycle.id)
        context = open_cycle.fn(config)
    return context


def hold(context: Context) -> Meeting:
    """Recall to decision."""
    history = digest.fn(context)
    recalled = Recalled(context, history)
    directive = direct.fn(context, history, 0)
    history = remember(context, history, recalled)
    proposals = propose.fn(context, history, directive)
    reviews = review.fn(context, history, directive, proposals)
    decisions = decide.fn(context, history, directive, proposals, reviews, None)
    return Meeting(context, history, directive, proposals, reviews, decisions)


def with_models(server: ModelServer, monkeypatch: Any, **how: Any) -> list[str]:
    """The overrides that put every role on the server; the process's settings name the models."""
    from arc_core.settings import get_settings

    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    return server.overrides(**how)


def _result(value: float) -> Result:
    return Result(
        metrics={"mean_dice": Estimate(value=value, low=value - 0.03, high=value + 0.03)},
        folds=2,
        device="cpu",
        train_s=1,
        total_s=2,
        images=10,
        work_gflop=3,
        peak_memory_mib=100,
        files={},
    )
