"""What every store must do with the ledger: events come with what they describe, and stay."""

import multiprocessing
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from arc_core.errors import StoreError, Unverified
from arc_core.experiments import verification
from arc_core.experiments.database import Database
from arc_core.experiments.events import digest, event
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import Verdict
from arc_core.experiments.runs import Runs
from arc_core.experiments.verification import Verified
from arc_core.experiments.vouched import rows
from arc_core.provenance.heads import Heads
from arc_core.provenance.ledger import Event, checked
from tests.contracts.records import RESULT, STUDY, approve, decision, holding, proposal

SPAWN = multiprocessing.get_context("spawn")
WRITERS, EACH = 4, 25


def said(memory: Memory) -> list[tuple[str, str]]:
    return [(each["kind"], each["subject"]) for _, each in checked(memory.ledger.entries())]


def test_what_happens_is_told_in_its_order(memory: Memory) -> None:
    cycle = memory.begin_cycle(STUDY.id)
    made = proposal(1)
    memory.keep(cycle.id, [made])
    memory.keep_decisions(cycle, [decision(made.id)], {made.id: made})
    (experiment,) = memory.experiments(STUDY.id)
    lease = holding(memory, experiment.id)
    memory.keep_stop(experiment.id, "out of time", lease.id)
    memory.leases.free(lease)
    lease = holding(memory, experiment.id)
    deviating = RESULT.model_copy(update={"deviations": ("a smaller micro-batch",), "files": {"a": "b"}})
    memory.keep_result(experiment.id, deviating, lease.id)
    verdict = Verdict(
        experiment_id=experiment.id,
        outcome="baseline",
        metric="mean_dice",
        champion_id=None,
        comparisons=0,
        reason="",
    )
    memory.keep_verdict(STUDY.id, verdict)
    assert said(memory) == [
        ("dataset.registered", STUDY.id),
        ("split.frozen", STUDY.id),
        ("proposal.made", made.id),
        ("decision.taken", made.id),
        ("run.started", experiment.id),
        ("run.stopped", experiment.id),
        ("run.started", experiment.id),
        ("run.finished", experiment.id),
        ("deviation.recorded", experiment.id),
        ("eval.completed", experiment.id),
        ("verdict.given", experiment.id),
        ("champion.promoted", experiment.id),
    ]
    started = next(entry.event for entry in memory.ledger.entries(kind="run.started"))
    assert started.facts["spec"]["seed"] == started.facts["seed"] == 1
    assert started.facts["proposed_by"] == ["architect", "offline"]
    assert started.facts["parent"] is None
    assert started.facts["machine"]["torch"]
    assert {"dataset", "split", "spec"} == started.inputs.keys()
    assert started.origin.code
    assert started.origin.environment
    measured = next(entry.event for entry in memory.ledger.entries(kind="eval.completed"))
    assert measured.outputs["a"] == "b"
    assert measured.facts["metrics"]["mean_dice"]["value"] == 0.8


def test_what_has_ended_tells_of_its_end_once(memory: Memory) -> None:
    (failed,) = approve(memory, 1)
    memory.keep_failure(failed, "loss is NaN")
    memory.keep_stop(failed, "an interruption that came too late")
    assert said(memory)[-1] == ("run.failed", failed)


def test_figures_that_are_not_finite_have_their_place() -> None:
    """JSON does not know them, and the canonical form refuses them."""
    said = event("deviation.recorded", "exp-1", facts={"loss": float("nan"), "least": float("-inf")})
    assert said.facts == {"loss": "NaN", "least": "-Infinity"}
    assert digest({"loss": float("nan")}) == digest({"loss": "NaN"})


def test_an_event_commits_with_its_row_or_not_at_all(memory: Memory) -> None:
    before = said(memory)
    cycle = memory.begin_cycle(STUDY.id)
    with pytest.raises(KeyError):
        memory.keep_decisions(cycle, [decision("prop-1"), decision("prop-2")], {"prop-1": proposal(1)})
    assert said(memory) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET body = '{}' WHERE number = 1",
        "DELETE FROM ledger",
        "INSERT OR REPLACE INTO ledger VALUES (1, 'run.finished', 'exp-1', 'ab', '{}')",
        "INSERT INTO ledger VALUES (1, 'run.finished', 'exp-1', 'ab', '{}') "
        "ON CONFLICT (number) DO UPDATE SET body = '{}'",
        "TRUNCATE ledger",
    ],
)
def test_the_database_refuses_to_change_what_is_written(memory: Memory, statement: str) -> None:
    before = list(memory.ledger.entries())
    with pytest.raises((StoreError, DBAPIError)), memory.database.write() as db:
        db.execute(text(statement))
    assert list(memory.ledger.entries()) == before
    memory.ledger.append(event("deviation.recorded", "exp-1"))
    assert len(list(memory.ledger.entries())) == len(before) + 1


def _append(url: str, name: str, start: "multiprocessing.synchronize.Barrier") -> None:
    with closing(Memory(url)) as memory:
        start.wait()
        for number in range(EACH):
            memory.ledger.append(event("deviation.recorded", f"{name}-{number}"))
            memory.ledger.append_counted("testset.opened", lambda _: True, _opening)


def _opening(number: int) -> Event:
    return event("testset.opened", "study-1", facts={"number": number})


def test_processes_that_write_at_once_make_one_chain(memory: Memory, store_url: str) -> None:
    before, start = len(said(memory)), SPAWN.Barrier(WRITERS)
    writers = [SPAWN.Process(target=_append, args=(store_url, f"exp-{n}", start)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    told = [subject for kind, subject in said(memory)[before:] if kind == "deviation.recorded"]
    assert sorted(told) == sorted(f"exp-{n}-{number}" for n in range(WRITERS) for number in range(EACH))
    opened = memory.ledger.entries(kind="testset.opened", subject="study-1")
    assert [entry.event.facts["number"] for entry in opened] == list(range(1, WRITERS * EACH + 1))


def test_it_is_verified_as_of_one_moment(memory: Memory, store_url: str, tmp_path, monkeypatch) -> None:
    """What others add between two reads is no forgery."""

    def meanwhile(database: Database) -> Iterator[object]:
        with closing(Memory(store_url)) as other:
            other.register_study(STUDY.model_copy(update={"id": "study-2"}))
        return rows(database)

    monkeypatch.setattr(verification, "rows", meanwhile)
    found = verified(memory, tmp_path)
    assert (found.events, found.rows) == (2, 1)
    assert set(memory.studies()) == {STUDY.id, "study-2"}


def verified(memory: Memory, folder: Path) -> Verified:
    return verification.verify(memory.database, Heads(folder), Runs(folder / "runs"))


def set_in(memory: Memory, statement: str) -> None:
    with memory.database.write() as db:
        assert db.execute(text(statement)).rowcount == 1, statement


def test_a_row_that_has_a_key_twice_was_changed(memory: Memory, tmp_path) -> None:
    """Whoever reads it gets the last of the two, and SQLite searches by the first."""
    assert verified(memory, tmp_path).rows == 1
    set_in(memory, """UPDATE studies SET split = '{"folds": 5, "folds": 2}'""")
    assert memory.study(STUDY.id) == STUDY
    with pytest.raises(Unverified, match=f"the store's row of {STUDY.id} has a key twice"):
        verified(memory, tmp_path)


def test_an_experiment_stands_as_the_last_event_of_it_says(memory: Memory, tmp_path) -> None:
    planned, failed, stopped, running = approve(memory, 1, 2, 3, 4)
    memory.keep_failure(failed, "loss is NaN")
    memory.keep_stop(stopped, "out of time")
    memory.keep_stop(running, "out of time")
    holding(memory, running)
    states = {each.id: each.outcome.status for each in memory.experiments(STUDY.id)}
    assert states == {planned: "approved", failed: "failed", stopped: "stopped", running: "running"}
    assert verified(memory, tmp_path).rows == 6
    for name, columns, said in (
        (planned, "status = 'withdrawn'", "of which no event tells"),
        (failed, "status = 'approved'", "its columns were changed"),
        (failed, "reason = 'the disk was full'", "its columns were changed"),
        (stopped, "status = 'failed'", "its columns were changed"),
        (running, "status = 'stopped'", "its columns were changed"),
    ):
        before = memory.experiment(name).outcome
        set_in(memory, f"UPDATE experiments SET {columns} WHERE id = '{name}'")
        with pytest.raises(Unverified, match=rf"{name} is .*{said}"):
            verified(memory, tmp_path)
        columns = f"status = '{before.status}', reason = '{before.reason}'"
        set_in(memory, f"UPDATE experiments SET {columns} WHERE id = '{name}'")
    assert verified(memory, tmp_path).rows == 6


def test_a_copy_for_trials_begins_a_ledger_of_its_own(memory: Memory, tmp_path) -> None:
    """A dry run copies the store; what it does there is no history."""
    with closing(Memory(f"sqlite:///{tmp_path / 'copy.db'}")) as copy:
        memory.copy_to(copy)
        assert list(copy.ledger.entries()) == []
