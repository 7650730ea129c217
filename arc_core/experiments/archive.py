"""Every outcome of a study, for the board. What has ended never changes, so it is read once."""

import gc
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from sqlalchemy import Row, Text, cast, select

from arc_core.experiments import tables as t
from arc_core.experiments.board import Outcome
from arc_core.experiments.database import Database
from arc_core.experiments.result import Figures
from arc_core.experiments.spec import ExperimentSpec

MANY = 500
"""Outcomes read at once that are worth sparing the collector."""


class Archive:
    """The outcomes in a store. Holds those that have ended, up to the first that has not."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ended: dict[str, tuple[Outcome, ...]] = {}

    def outcomes(self, study_id: str) -> tuple[Outcome, ...]:
        """In order of approval, without learning curves and file names; an ended one is the same object."""
        known = self._ended.get(study_id, ())
        joined = t.experiments.join(t.cycles, t.cycles.c.id == t.experiments.c.cycle_id).outerjoin(t.results)
        query = (
            select(
                t.experiments.c.id,
                t.experiments.c.spec_id,
                t.experiments.c.status,
                t.experiments.c.reason,
                t.cycles.c.number.label("cycle"),
                # As text: pydantic reads JSON several times faster than the driver and pydantic in turn.
                cast(t.experiments.c.spec, Text).label("spec"),
                cast(t.results.c.body, Text).label("figures"),
            )
            .select_from(joined)
            .where(t.experiments.c.study_id == study_id)
            .order_by(t.experiments.c.number)
            .offset(len(known))
        )
        with self._database.read() as db:
            new = _outcomes(db.execute(query).all())
        self._ended[study_id] = known + tuple(takewhile(lambda outcome: outcome.has_ended, new))
        return known + new


def _outcomes(rows: Sequence[Row[Any]]) -> tuple[Outcome, ...]:
    """Records that hold no cycles and live as long as the process: spared the garbage collector.

    It would otherwise go through all of them again and again, in twice the time that reading them takes.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        outcomes = tuple(map(_outcome, rows))
    finally:
        if was_on:
            gc.enable()
    if len(outcomes) >= MANY:
        gc.freeze()
    return outcomes


def _outcome(row: Row[Any]) -> Outcome:
    return Outcome(
        experiment_id=row.id,
        cycle=row.cycle,
        spec=ExperimentSpec.model_validate_json(row.spec),
        spec_id=row.spec_id,
        status=row.status,
        reason=row.reason,
        result=Figures.model_validate_json(row.figures) if row.figures is not None else None,
    )
