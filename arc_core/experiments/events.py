"""What the ledger says of each thing that the store records; by the caller's transaction, that recorded it.

An event's output is the hash of what the store then holds, so that a row that is changed later is found out.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from arc_core.experiments import tables as t
from arc_core.experiments.board import Approval, Decision, Proposal, Review
from arc_core.experiments.result import ACCEPTED, CASES, Race, Result, Verdict
from arc_core.experiments.study import Study
from arc_core.provenance.canonical import Json, plain, sha256_of
from arc_core.provenance.ledger import Actor, Event, Kind
from arc_core.provenance.origin import arc, machine, origin
from arc_core.record import Record

ENDS: dict[str, Kind] = {
    "finished": "run.finished",
    "failed": "run.failed",
    "stopped": "run.stopped",
    "withdrawn": "run.withdrawn",
    "pruned": "run.pruned",
}
"""How an experiment ends → the event that says so."""


RECORD = "record"
"""Among an event's outputs: the hash of the row that it describes."""
RESULT_PARTS = ("body", "curve", "files")
"""The columns of `results` that hold a result."""


def digest(body: Json) -> str:
    """Of a row's JSON."""
    return sha256_of(plain(body))


def digest_of(record: Record) -> str:
    return digest(record.model_dump(mode="json"))


def digest_of_result(row: Mapping[str, Any]) -> str:
    """Of a row of `results`."""
    return digest({name: row[name] for name in RESULT_PARTS})


def event(kind: Kind, subject: str, actor: Actor | None = None, **said: Any) -> Event:
    """Of this moment and this process; by ARC itself unless somebody is named."""
    said["facts"] = plain(said.get("facts", {}))
    return Event(
        at=datetime.now(UTC), kind=kind, subject=subject, actor=actor or arc(), origin=origin(), **said
    )


def of_upgrade(before: int, after: int) -> Event:
    """That a newer ARC changed the store's tables: what the ledger says from here on is by that one."""
    return event("store.upgraded", "store", facts={"from version": before, "to version": after})


def of_study(study: Study) -> tuple[Event, ...]:
    """Its data, and how they were split."""
    cases = study.dataset.get("cases", ())
    dataset = {
        "task": study.task,
        "metric": study.metric,
        "simulated": study.simulated,
        "images": len(cases),
        "patients": len({case["patient_id"] for case in cases}),
    }
    split = {name: value for name, value in study.split.items() if name not in ("assignment", "sealed")}
    data, sealed = {"dataset": study.dataset_sha256}, study.split.get("sealed")
    test = {name: value for name, value in (sealed or {}).items() if name not in ("image_sha256", "spectra")}
    return (
        event("dataset.registered", study.id, outputs=data, facts=dataset),
        *(
            [event("testset.registered", study.id, outputs={"test": test["sha256"]}, facts=test)]
            if test
            else ()
        ),
        *(
            event("deviation.recorded", study.id, reason=_trained_before(study_id, count, test))
            for study_id, count in test.get("trained_before", {}).items()
        ),
        event("split.frozen", study.id, inputs=data, outputs={"split": digest(study.split)}, facts=split),
    )


def _trained_before(study_id: str, count: int, test: Mapping[str, Any]) -> str:
    return (
        f"{count} of the {test['images']} images of the test part were data of {study_id}, which had trained "
        "on them before they were sealed"
    )


def of_board(cycle_id: int, records: Sequence[Record]) -> tuple[Event, ...]:
    """The proposals, reviews, decisions and approvals among what was said."""
    return tuple(found for record in records if (found := _said(cycle_id, record)) is not None)


def _said(cycle_id: int, record: Record) -> Event | None:
    facts = record.model_dump(mode="json", exclude={"spec", "votes", "tally"}) | {"cycle": cycle_id}
    about: dict[str, Any] = {"facts": facts, "outputs": {RECORD: digest_of(record)}}
    match record:
        case Proposal():
            about["inputs"] = {"spec": digest_of(record.spec)}
            return event("proposal.made", record.id, arc(record.proposer, record.mind), **about)
        case Review():
            return event("review.given", record.proposal_id, arc(record.reviewer, record.mind), **about)
        case Decision():
            return event("decision.taken", record.proposal_id, arc("board"), reason=record.reason, **about)
        case Approval():
            person = Actor(name=record.approver) if record.approver else arc("the time limit")
            return event("review.signed", f"cycle {cycle_id}", person, reason=record.comment, **about)
    return None


def of_start(db: Connection, experiment_id: str, gpu_ids: Sequence[int]) -> Event:
    """All that decides what a training gives, and who wanted it."""
    asked = t.experiments.join(t.studies, t.studies.c.id == t.experiments.c.study_id)
    row = db.execute(
        select(t.experiments, t.studies.c.dataset_sha256, t.studies.c.split)
        .select_from(asked)
        .where(t.experiments.c.id == experiment_id)
    ).one()
    return event(
        "run.started",
        experiment_id,
        inputs={
            "dataset": row.dataset_sha256,
            "split": digest(row.split),
            "spec": digest(row.spec),
        },
        facts={"spec": row.spec, "seed": row.spec["seed"], "gpus": list(gpu_ids), "machine": machine()}
        | (
            {"cycle": row.cycle_id, "repeat_of": row.repeat_of}
            if row.repeat_of is not None
            else _wanted(db, row.cycle_id, row.meeting, row.proposal_id)
        ),
    )


def _wanted(db: Connection, cycle_id: int, meeting: int, proposal_id: str) -> dict[str, Any]:
    """Who proposed, reviewed and approved it, and what it was derived from."""

    def bodies(table: Any) -> list[dict[str, Any]]:
        here = (table.c.cycle_id == cycle_id) & (table.c.meeting == meeting)
        if "proposal_id" in table.c:
            here &= table.c.proposal_id == proposal_id
        return list(db.scalars(select(table.c.body).where(here).order_by(table.c.position)))

    found: dict[str, Any] = {"cycle": cycle_id, "proposal": proposal_id}
    for made in bodies(t.proposals):
        found["parent"], found["changes"] = made["parent_id"], made["changes"]
        found["proposed_by"] = [made["proposer"], made["mind"]]
    found["reviewed_by"] = [[each["reviewer"], each["mind"], each["decision"]] for each in bodies(t.reviews)]
    found["approved_by"] = [["board", each["arm"], each["reason"]] for each in bodies(t.decisions)] + [
        ["person", each["approver"], each["comment"]]
        for each in bodies(t.approvals)
        if proposal_id in each["approved"]
    ]
    return found


def of_end(experiment_id: str, status: str, reason: str, race: Race | None = None) -> Event:
    facts = {} if race is None else race.model_dump(mode="json")
    return event(ENDS[status], experiment_id, reason=reason, facts=facts)


def of_result(experiment_id: str, result: Result, row: dict[str, Any]) -> tuple[Event, ...]:
    """What it measured, from which files, and where it was carried out otherwise than asked.

    `row`: as the store holds it.
    """
    cases = {CASES: result.files[CASES]} if CASES in result.files else {}
    facts = {name: value for name, value in row["body"].items() if name != "deviations"}
    return (
        *(event("deviation.recorded", experiment_id, reason=words) for words in result.deviations),
        event(
            "eval.completed",
            experiment_id,
            inputs=cases,
            outputs=result.files | {RECORD: digest_of_result(row)},
            facts=facts,
        ),
    )


def of_verdict(verdict: Verdict) -> tuple[Event, ...]:
    """The gate's answer, and where it was accepted the champion."""
    about: dict[str, Any] = {"reason": verdict.reason, "outputs": {RECORD: digest_of(verdict)}}
    facts = verdict.model_dump(mode="json", exclude={"reason"})
    given = event("verdict.given", verdict.experiment_id, arc("gate"), facts=facts, **about)
    if verdict.outcome not in ACCEPTED:
        return (given,)
    before = {"before": verdict.champion_id}
    return given, event("champion.promoted", verdict.experiment_id, arc("gate"), facts=before, **about)
