"""All that a study has left, read in bulk. What has ended never changes, so it is read once."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any, TypeVar

from sqlalchemy import Row, Text, cast, select

from arc_core.experiments import tables as t
from arc_core.experiments.board import Outcome
from arc_core.experiments.database import Database
from arc_core.experiments.result import Figures
from arc_core.experiments.rows import IDEA, TABLES
from arc_core.experiments.spec import ExperimentSpec
from arc_core.record import Record, share_names

R = TypeVar("R", bound=Record)

MANY = 500
"""Outcomes read at once that are worth sparing the collector."""


class Archive:
    """The bulk reader of a store. Holds the outcomes that have ended, up to the first that has not."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ended: dict[str, tuple[Outcome, ...]] = {}
        self._is_first = True

    def forget(self) -> None:
        """Let go of what is held, 5.4 kB each, which nobody asks for between cycles; it is read again in
        0.1 ms each.
        """
        self._ended.clear()

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
            .where(t.experiments.c.study_id == study_id, IDEA)
            .order_by(t.experiments.c.number)
            .offset(len(known))
        )
        with self._database.read() as db, _spared():
            new = tuple(map(_outcome, db.execute(query).all()))
            if self._is_first and len(new) >= MANY:
                # They need not be gone through even once. Not later: garbage of cycles before would stay too.
                gc.freeze()
            self._is_first = False
        self._ended[study_id] = known + tuple(takewhile(lambda outcome: outcome.has_ended, new))
        return known + new

    def kept_by_meeting(self, study_id: str, kind: type[R]) -> dict[tuple[int, int], tuple[R, ...]]:
        """Numbers of the cycle and of its meeting → what the board said in it, of one kind, in its order."""
        table, found = TABLES[kind], dict[tuple[int, int], list[R]]()
        query = select(t.cycles.c.number, table.c.meeting, cast(table.c.body, Text)).join(table)
        query = query.where(t.cycles.c.study_id == study_id).order_by(
            t.cycles.c.number, table.c.meeting, table.c.position
        )
        with self._database.read() as db, _spared():
            for number, meeting, body in db.execute(query):
                found.setdefault((number, meeting), []).append(kind.model_validate_json(body))
        return {key: tuple(records) for key, records in found.items()}


@contextmanager
def _spared() -> Iterator[None]:
    """Without the garbage collector: records hold no cycles, and it would go through all of them, again
    and again, in the time that reading them takes."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _outcome(row: Row[Any]) -> Outcome:
    spec = ExperimentSpec.model_validate_json(row.spec)
    figures = Figures.model_validate_json(row.figures) if row.figures is not None else None
    for name in PARTS:  # as most specs have them in common
        part = spec.__dict__[name]
        spec.__dict__[name] = _known.setdefault(part, part)
    share_names(spec, spec.loss, figures)
    return Outcome(
        experiment_id=row.id,
        cycle=row.cycle,
        spec=spec,
        spec_id=row.spec_id,
        status=row.status,
        reason=row.reason,
        result=figures,
    )


PARTS = ("architecture", "auxiliary", "augmentation", "curriculum", "optimiser")  # a loss has no hash
_known: dict[Record | None, Record | None] = {}
"""Parts of specs → the one that all share. There are few, and outcomes are many and held for good."""
