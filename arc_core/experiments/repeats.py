"""An experiment trained again with other seeds: how much of a lead is the seed's luck.

A repeat is an experiment like any other to whoever trains it: it has its place in line, its lease, its files
and its events. It is no idea of the board's, so nothing that reads ideas sees it. Repeats are numbered down
from −1, so that the numbers of ideas have no gaps.
"""

import itertools
from collections.abc import Collection

from sqlalchemy import Connection, func, insert, select

from arc_core.experiments import tables as t
from arc_core.experiments.board import ENDED
from arc_core.experiments.database import Database
from arc_core.experiments.rows import experiment_of, experiments_where, meeting_of
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.study import Cycle, Experiment, experiment_id
from arc_core.provenance.canonical import sha256_of


class Repeats:
    """Those of a store. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, experiment_ids: Collection[str]) -> dict[str, tuple[Experiment, ...]]:
        """Id of an experiment → its repeats, in the order of their seeds; of all that are asked for."""
        condition = t.experiments.c.repeat_of.in_(experiment_ids)
        with self._database.read() as db:
            found = [experiment_of(row) for row in db.execute(experiments_where(condition))]
        # The later one was opened, the smaller its number.
        return {
            each: tuple(repeat for repeat in reversed(found) if repeat.repeat_of == each)
            for each in experiment_ids
        }

    def open(self, original: Experiment, cycle: Cycle, repeats: int) -> None:
        """Have it repeated so often in all; those that have been opened count, and stay."""
        own = select(func.count()).where(t.experiments.c.repeat_of == original.id)
        with self._database.write() as db:
            lacking = repeats - (db.scalar(own) or 0)
            for index in itertools.count(1):
                if lacking <= 0:
                    return
                lacking -= _opened(db, original, cycle, index)

    def pending(self, study_id: str) -> tuple[str, ...]:
        """Ids of those that have been opened and have not ended."""
        waiting = (t.experiments.c.study_id == study_id) & t.experiments.c.repeat_of.is_not(None)
        query = select(t.experiments.c.id).where(waiting, t.experiments.c.status.not_in(ENDED))
        with self._database.read() as db:
            return tuple(db.scalars(query.order_by(t.experiments.c.number.desc())))

    def values(self, study_id: str, metric: str) -> dict[str, tuple[float, ...]]:
        """Experiment id → the metric of each of its trainings, of every experiment that has repeats."""
        original = func.coalesce(t.experiments.c.repeat_of, t.experiments.c.id).label("original")
        repeated = select(t.experiments.c.repeat_of).where(t.experiments.c.repeat_of.is_not(None))
        query = (
            select(original, t.results.c.body["metrics", metric, "value"].as_float().label("value"))
            .select_from(t.experiments.join(t.results))
            .where(t.experiments.c.study_id == study_id, original.in_(repeated))
            .order_by(t.experiments.c.number.desc())
        )
        found: dict[str, tuple[float, ...]] = {}
        with self._database.read() as db:
            for row in db.execute(query):
                if row.value is not None:
                    found[row.original] = (*found.get(row.original, ()), row.value)
        return found


def _opened(db: Connection, original: Experiment, cycle: Cycle, index: int) -> bool:
    """Opens its `index`-th repeat; whether that was not there, be it as a repeat or as an idea."""
    spec = reseeded(original.outcome.spec, index)
    id_ = experiment_id(original.study_id, spec.id)
    if db.execute(select(t.experiments.c.id).where(t.experiments.c.id == id_)).first() is not None:
        return False
    of_study = t.experiments.c.study_id == original.study_id
    lowest = db.scalar(select(func.min(t.experiments.c.number)).where(of_study)) or 0
    row = {
        "id": id_,
        "number": min(lowest, 0) - 1,
        "study_id": original.study_id,
        "cycle_id": cycle.id,
        "meeting": meeting_of(cycle.id),
        "proposal_id": f"repeat-{index}-of-{original.id}",
        "spec_id": spec.id,
        "spec": spec.model_dump(mode="json"),
        "status": "approved",
        "reason": "",
        "repeat_of": original.id,
    }
    db.execute(insert(t.experiments).values(row))
    return True


def reseeded(spec: ExperimentSpec, index: int) -> ExperimentSpec:
    """The spec of its `index`-th repeat: with a seed that nobody would choose by hand."""
    return spec.changed({"seed": int(sha256_of([spec.id, index])[:7], 16)})
