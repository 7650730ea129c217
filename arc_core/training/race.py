"""A training held against the champion after each of its folds, and stopped where it is clearly worse."""

import logging

from arc_core.errors import ArcError
from arc_core.experiments import result
from arc_core.experiments.memory import Memory
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Experiment
from arc_core.gate.panel import side_of
from arc_core.gate.race import outrun
from arc_core.gate.verdict import GateConfig, Side
from arc_core.training.evaluator import evaluate_folds
from arc_core.training.plan import PLAN, TrainingPlan
from arc_core.training.process import Event

NO_RACE = GateConfig(race=None)
log = logging.getLogger(__name__)


class Outrun(Exception):
    """The training is to end here: it is clearly worse than the champion."""

    def __init__(self, race: result.Race) -> None:
        super().__init__(race.reason)
        self.race = race


class Race:
    """One experiment's. The looks come in the order of the folds, after each but the last.

    It is held against the champion of the cycles before its own, and of that one's repeats against those that
    had ended when it was approved: others may end at any moment while it trains, and whether it is stopped is
    not to depend on which of them is faster.
    Finished folds of an interrupted training are told again when it is taken up, and looked at again: what
    was decided before a crash, and not yet recorded, is decided anew from the same files.
    """

    def __init__(self, memory: Memory, experiment: Experiment, runs: Runs, config: GateConfig) -> None:
        self._memory, self._experiment, self._runs, self._config = memory, experiment, runs, config
        self._folds: list[int] = []

    def on_event(self, event: Event) -> None:
        """Take one line of the worker's protocol. Raises Outrun."""
        if event["event"] == "started":
            self._folds.clear()
        if event["event"] != "fold" or self._config.race is None or self._experiment.repeat_of is not None:
            return
        self._folds.append(event["fold"])
        if len(self._folds) == event["folds"]:
            return  # the gate judges it
        try:
            race = self._look(event["folds"])
        except ArcError as error:  # what is wrong with a file is for the evaluator to say, and for the gate
            log.warning("%s is not held against the champion yet: %s", self._experiment.id, error)
        else:
            if race is not None:
                raise Outrun(race)

    def _look(self, folds: int) -> result.Race | None:
        study = self._memory.study(self._experiment.study_id)
        champion = self._memory.champion(study.id, before=self._experiment.outcome.cycle)
        if champion is None:
            return None
        approved = self._number("decision.taken", self._experiment.proposal_id)
        repeats = [
            each
            for each in self._memory.repeats.of([champion.id])[champion.id]
            if each.outcome.has_ended and self._number(f"run.{each.outcome.status}", each.id) < approved
        ]
        theirs = side_of(self._memory, self._runs, champion.id, tuple(repeats))
        if len(theirs.ids) < 2:  # no noise floor
            return None
        path = self._runs.path(self._experiment.id, PLAN)  # as it is carried out, where memory is short
        plan = TrainingPlan.model_validate_json(path.read_bytes())
        mine = Side(ids=(self._experiment.id,), trials=(evaluate_folds(plan, self._folds),))
        return outrun(study.metric, mine, theirs, len(self._folds), folds, self._config)

    def _number(self, kind: str, subject: str) -> int:
        """Of the last such event in the ledger, whose order no clock can change; 0 if there is none."""
        entries = self._memory.ledger.entries(kind=kind, subject=subject)
        return max((entry.number for entry in entries), default=0)  # from before there was a ledger
