"""All experiments of a study at a glance: of each record only what the report's tables show.

Whole records of a long study take half a second to read and tens of MiB to hold, after every cycle. The
database picks the few fields out of them in a tenth of that.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, Table, Text, and_, cast, select, true

from arc_core.experiments import tables as t
from arc_core.experiments.board import Arm, Outcome
from arc_core.experiments.database import Database
from arc_core.experiments.result import Verdict
from arc_core.experiments.rows import IDEA, score_of, scores_where
from arc_core.experiments.spec import Value
from arc_core.experiments.study import Score
from arc_core.experiments.track import Track, Word
from arc_core.record import Record, share_names

PROPOSAL = ("cycle", "meeting", "proposal_id")
"""What tells one from all others."""


class Caption(Record):
    """What a table says of an experiment beside its outcome. `verdict`, `reason`: once there is one."""

    number: int
    hypothesis: str
    changes: dict[str, Value]
    arm: Arm = "board"
    verdict: str | None = None
    reason: str = ""


class Overview:
    """The bulk reader of what the board said and the gate judged. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def captions(self, study_id: str, ids: Collection[str] | None = None) -> dict[str, Caption]:
        """Experiment id → what is said of it, in order of approval: of all, or of those among `ids`."""
        chosen = true() if ids is None else t.experiments.c.id.in_(ids)
        query = _captions().where(t.experiments.c.study_id == study_id, chosen)
        query = query.order_by(t.experiments.c.number)
        with self._database.read() as db:
            rows = db.execute(query).mappings()
            return {row["id"]: Caption.model_validate(_told(row, "id")) for row in rows}

    def scores(self, study_id: str, metric: str) -> tuple[Score, ...]:
        """The metric of every experiment that has it, in order of approval; of none that is planned ahead."""
        condition = (t.experiments.c.study_id == study_id) & (t.cycles.c.status != "planned") & IDEA
        with self._database.read() as db:
            rows = db.execute(scores_where(condition, metric))
            return tuple(score_of(row) for row in rows if row.estimate is not None)

    def tracks(self, study_id: str, outcomes: Iterable[Outcome]) -> tuple[Track, ...]:
        """Every decided proposal, cycle by cycle. `outcomes`: of all the study's experiments."""
        known = {outcome.experiment_id: outcome for outcome in outcomes}
        words: dict[tuple[Any, ...], tuple[Word, ...]] = {}
        tracks = []
        with self._database.read() as db:
            for row in db.execute(_reviewed().where(t.cycles.c.study_id == study_id)):
                proposal = tuple(row[: len(PROPOSAL)])
                words[proposal] = (*words.get(proposal, ()), _word(row.role, row.mind, row.stance))
            for row in db.execute(_decided().where(t.cycles.c.study_id == study_id)):
                said = words.pop(tuple(row[: len(PROPOSAL)]), ())
                tracks.append(_track(row._mapping, said, known.get(row.experiment_id)))
        return tuple(tracks)


def _captions() -> Select[Any]:
    joined = (
        t.experiments.join(t.proposals, _same(t.experiments, t.proposals))
        .join(t.decisions, _same(t.experiments, t.decisions))
        .outerjoin(t.verdicts, t.verdicts.c.experiment_id == t.experiments.c.id)
    )
    return select(
        t.experiments.c.id,
        t.experiments.c.number,
        _text(t.proposals, "hypothesis"),
        t.proposals.c.body["changes"].label("changes"),
        _text(t.decisions, "arm"),
        t.verdicts.c.outcome.label("verdict"),
        _text(t.verdicts, "reason"),
    ).select_from(joined)


def _decided() -> Select[Any]:
    """In the order of the decisions. Numbers come within their objects: as text they lose no digit."""
    joined = (
        t.decisions.join(t.cycles, t.cycles.c.id == t.decisions.c.cycle_id)
        .join(t.proposals, _same(t.decisions, t.proposals))
        .outerjoin(t.experiments, _same(t.decisions, t.experiments))
        .outerjoin(t.verdicts, t.verdicts.c.experiment_id == t.experiments.c.id)
    )
    columns = (
        t.cycles.c.number.label("cycle"),
        t.decisions.c.meeting,
        t.decisions.c.proposal_id,
        t.experiments.c.id.label("experiment_id"),
        _text(t.proposals, "proposer"),
        _text(t.proposals, "mind"),
        _text(t.proposals, "parent_id"),
        t.proposals.c.body["changes"].label("changes"),
        t.proposals.c.body["predicted"].label("predicted"),
        _text(t.decisions, "outcome", name="decision"),
        _text(t.decisions, "arm"),
        _text(t.decisions, "ruling", "decision", name="ruling"),
        _text(t.decisions, "ruling", "mind", name="ruling_mind"),
        cast(t.verdicts.c.body, Text).label("verdict"),
    )
    return select(*columns).select_from(joined).order_by(*_in_order(t.decisions))


def _reviewed() -> Select[Any]:
    columns = (
        t.cycles.c.number.label("cycle"),
        t.reviews.c.meeting,
        t.reviews.c.proposal_id,
        t.reviews.c.reviewer.label("role"),
        _text(t.reviews, "mind"),
        _text(t.reviews, "decision", name="stance"),
    )
    joined = t.reviews.join(t.cycles, t.cycles.c.id == t.reviews.c.cycle_id)
    return select(*columns).select_from(joined).order_by(*_in_order(t.reviews))


def _text(table: Table, *path: str, name: str | None = None) -> ColumnElement[str]:
    """A text field of the record that the table keeps."""
    column: ColumnElement[str] = table.c.body[path].as_string().label(name or path[-1])
    return column


def _same(one: Table, other: Table) -> ColumnElement[bool]:
    """A proposal that was not selected may be made again, under the same id, in a later meeting."""
    return and_(*(one.c[key] == other.c[key] for key in ("cycle_id", "meeting", "proposal_id")))


def _in_order(table: Table) -> tuple[ColumnElement[int], ...]:
    return t.cycles.c.number, table.c.meeting, table.c.position


def _told(row: Mapping[Any, Any] | RowMapping, *but: str) -> dict[str, Any]:
    """The fields of the record; one that an older version did not write has its default."""
    return {name: value for name, value in row.items() if value is not None and name not in but}


def _track(row: RowMapping, said: tuple[Word, ...], outcome: Outcome | None) -> Track:
    verdict = row["verdict"] and Verdict.model_validate_json(row["verdict"])
    told = _told(row, "meeting", "proposal_id", "experiment_id", "verdict", "ruling", "ruling_mind")
    words = (*said, _word("supervisor", row["ruling_mind"], row["ruling"]))
    track = Track.model_validate(told | {"words": words, "outcome": outcome, "verdict": verdict})
    share_names(track, verdict)
    return track


@lru_cache(maxsize=1_000)
def _word(role: str, mind: str | None, stance: str) -> Word:
    """Few differ: as many as there are minds of a role, and stances."""
    return Word.model_validate(_told({"role": role, "mind": mind, "stance": stance}))
