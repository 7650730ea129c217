"""What every store must do, whichever database is behind it."""

import multiprocessing
import shutil
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from arc_core.errors import StoreError
from arc_core.experiments.board import Approval, Budget, Decision, Directive, Proposal, Vote
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import Point, Verdict
from arc_core.experiments.runs import Runs
from arc_core.experiments.verification import verify
from arc_core.provenance.heads import Heads
from tests.contracts.records import RESULT, STUDY, approve, decision, proposal


def verdict(experiment: str, outcome: str, champion: str | None = None) -> Verdict:
    return Verdict(
        experiment_id=experiment,
        outcome=outcome,
        metric="mean_dice",
        champion_id=champion,
        comparisons=1,
        reason="",
    )


def test_a_study_keeps_its_first_split_for_ever(memory: Memory) -> None:
    again = memory.register_study(STUDY.model_copy(update={"split": {"folds": 9}, "dataset": {"root": "/b"}}))
    assert again.split == {"folds": 2}
    assert memory.study(STUDY.id).split == {"folds": 2}
    assert memory.study(STUDY.id).dataset == {"root": "/b"}


def test_an_unfinished_cycle_is_taken_up_again(memory: Memory) -> None:
    first = memory.begin_cycle(STUDY.id)
    assert memory.begin_cycle(STUDY.id) == first
    memory.end_cycle(first.id, failed="the server went away")
    assert memory.begin_cycle(STUDY.id) == first
    memory.end_cycle(first.id)
    assert memory.begin_cycle(STUDY.id).number == 2


def test_board_records_come_back_in_order(memory: Memory) -> None:
    cycle = memory.begin_cycle(STUDY.id)
    directive = Directive(mode="explore", objective="start", budget=Budget(exploit=1, explore=2, wildcat=0))
    proposals = [proposal(seed) for seed in (5, 3, 9)]
    memory.keep(cycle.id, [directive])
    memory.keep(cycle.id, proposals)
    assert memory.kept(cycle.id, Directive) == (directive,)
    assert memory.kept(cycle.id, Proposal) == tuple(proposals)


def test_decisions_bring_votes_and_experiments(memory: Memory) -> None:
    cycle = memory.begin_cycle(STUDY.id)
    decisions = [decision("prop-1"), decision("prop-2", selected=False)]
    memory.keep_decisions(cycle, decisions, {p.id: p for p in (proposal(1), proposal(2))})
    assert memory.kept(cycle.id, Decision) == tuple(decisions)
    assert len(memory.kept(cycle.id, Vote)) == 4
    (experiment,) = memory.experiments(STUDY.id)
    assert (experiment.number, experiment.outcome.status, experiment.outcome.spec) == (
        1,
        "approved",
        proposal(1).spec,
    )


def test_decisions_are_kept_whole_or_not_at_all(memory: Memory) -> None:
    cycle = memory.begin_cycle(STUDY.id)
    with pytest.raises(KeyError):
        memory.keep_decisions(cycle, [decision("prop-1"), decision("prop-2")], {"prop-1": proposal(1)})
    assert memory.kept(cycle.id, Decision) == ()
    assert memory.experiments(STUDY.id) == ()


def test_an_experiment_ends_once(memory: Memory) -> None:
    finished, failed, stopped = approve(memory, 1, 2, 3)
    memory.keep_result(finished, RESULT)
    memory.keep_failure(failed, "loss is NaN in fold 0")
    memory.keep_stop(stopped, "no time left")
    memory.keep_stop(finished, "an interruption that came too late")
    states = {e.id: (e.outcome.status, e.outcome.reason) for e in memory.experiments(STUDY.id)}
    assert states == {
        finished: ("finished", ""),
        failed: ("failed", "loss is NaN in fold 0"),
        stopped: ("stopped", "no time left"),
    }
    assert memory.result(finished) == RESULT


def test_outcomes_are_those_of_the_experiments_and_follow_every_change(memory: Memory) -> None:
    first, second, third = approve(memory, 1, 2, 3)

    def agree() -> tuple[str, ...]:
        outcomes = memory.outcomes(STUDY.id)
        assert outcomes == tuple(e.outcome for e in memory.experiments(STUDY.id))
        return tuple(outcome.status for outcome in outcomes)

    assert agree() == ("approved",) * 3
    memory.keep_result(second, RESULT)
    memory.keep_failure(first, "loss is NaN")
    assert agree() == ("failed", "finished", "approved")
    memory.keep_stop(third, "no time left")
    assert agree() == ("failed", "finished", "stopped")
    memory.keep_result(third, RESULT)
    approve(memory, 4)
    assert agree() == ("failed", "finished", "finished", "approved")
    before, after = memory.outcomes(STUDY.id), memory.outcomes(STUDY.id)
    assert all(one is other for one, other in zip(before[:3], after[:3], strict=True)), "read once"
    memory.archive.forget()
    assert memory.outcomes(STUDY.id) == before


def test_the_board_is_not_sent_curves_and_files(memory: Memory) -> None:
    (only,) = approve(memory, 1)
    assert memory.result(only) is None
    whole = RESULT.model_copy(
        update={"curve": (Point(fold=0, epoch=1, train_loss=0.5),), "files": {"plan.json": "0" * 64}}
    )
    memory.keep_result(only, whole)
    assert memory.result(only) == whole
    (outcome,) = memory.outcomes(STUDY.id)
    assert outcome.result.metrics == whole.metrics
    assert not hasattr(outcome.result, "files")
    assert not hasattr(outcome.result, "curve")


def test_what_is_left_to_do_is_asked_of_the_store(memory: Memory) -> None:
    finished, failed, stopped, judged = approve(memory, 1, 2, 3, 4)
    for each in (finished, judged):
        memory.keep_result(each, RESULT)
    memory.keep_failure(failed, "loss is NaN")
    memory.keep_stop(stopped, "no time left")
    memory.keep_verdict(STUDY.id, verdict(judged, "baseline"))
    memory.end_cycle(memory.begin_cycle(STUDY.id).id)
    (new,) = approve(memory, 5)
    first, second = memory.cycles(STUDY.id)
    assert [e.id for e in memory.pending(STUDY.id)] == [stopped, new]
    assert [e.id for e in memory.unjudged(STUDY.id)] == [finished]
    assert [e.id for e in memory.agenda(second)] == [finished, stopped, new]
    assert [e.id for e in memory.agenda(first)] == [finished, failed, stopped, judged, new]
    assert [(s.number, s.accepted) for s in memory.scores(STUDY.id, "mean_dice")] == [(1, False), (4, True)]
    assert memory.scores(STUDY.id, "auc") == ()


def test_comparisons_are_the_verdicts_over_a_champion(memory: Memory) -> None:
    ids = approve(memory, 1, 2, 3)
    for each, champion in zip(ids, (None, ids[0], ids[0]), strict=True):
        memory.keep_verdict(STUDY.id, verdict(each, "inconclusive", champion))
    assert memory.comparisons(STUDY.id) == (False, False)
    assert [v.experiment_id for v in memory.verdicts(STUDY.id, [ids[2], ids[0]])] == [ids[0], ids[2]]


def test_an_experiment_has_the_proposal_of_its_own_cycle(memory: Memory) -> None:
    """One that was turned down may be made again, under the same id, for other reasons."""
    ids = []
    for place, reason in enumerate(("turned down", "then approved")):
        cycle = memory.begin_cycle(STUDY.id)
        made = proposal(1).model_copy(update={"justification": reason})
        memory.keep(cycle.id, [made])
        memory.keep_decisions(cycle, [decision(made.id, selected=bool(place))], {made.id: made})
        memory.end_cycle(cycle.id)
        ids = [e.id for e in memory.experiments(STUDY.id)]
    said = memory.said_of(ids, Proposal)
    assert {key: proposal.justification for key, proposal in said.items()} == {ids[0]: "then approved"}


def test_the_study_that_ran_last_comes_last(memory: Memory) -> None:
    later = memory.register_study(STUDY.model_copy(update={"id": "study-2"}))
    memory.begin_cycle(later.id)
    assert memory.studies() == (STUDY.id, later.id)
    memory.begin_cycle(STUDY.id)
    assert memory.studies() == (later.id, STUDY.id)


def test_an_unknown_experiment_is_explained(memory: Memory) -> None:
    with pytest.raises(
        StoreError, match=r"exp-none is not in the store.*such as exp-.*Check the id.*ARC_HOME"
    ):
        memory.experiment("exp-none")


def test_the_champion_is_the_last_one_accepted(memory: Memory) -> None:
    assert memory.champion(STUDY.id) is None
    ids = approve(memory, 1, 2, 3)
    for each, outcome in zip(ids, ("baseline", "promote", "reject"), strict=True):
        memory.keep_verdict(STUDY.id, verdict(each, outcome))
    assert memory.champion(STUDY.id).id == ids[1]
    assert [verdict.experiment_id for verdict in memory.verdicts(STUDY.id)] == ids


def _approve_elsewhere(url: str, number: int) -> None:
    with closing(Memory(url)) as memory:
        study = memory.register_study(STUDY.model_copy(update={"id": f"study-{number}"}))
        for seed in range(5):
            cycle = memory.begin_cycle(study.id)
            memory.keep_decisions(cycle, [decision(f"prop-{seed}")], {f"prop-{seed}": proposal(seed)})
            memory.end_cycle(cycle.id)


def test_many_processes_write_at_once(store_url: str) -> None:
    with ProcessPoolExecutor(6, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_approve_elsewhere, [store_url] * 6, range(6)))
    with closing(Memory(store_url)) as memory:
        approved = {study: len(memory.experiments(study)) for study in memory.studies()}
    assert approved == {f"study-{number}": 5 for number in range(6)}


def test_a_copy_has_every_row_and_leaves_the_source_alone(memory: Memory, tmp_path: Path) -> None:
    approve(memory, 1, 2)
    with closing(Memory(f"sqlite:///{tmp_path / 'copy.db'}")) as copy:
        memory.copy_to(copy)
        assert copy.experiments(STUDY.id) == memory.experiments(STUDY.id)
        approve(copy, 3)
    assert len(memory.experiments(STUDY.id)) == 2


def test_a_password_is_never_shown() -> None:
    with pytest.raises(StoreError) as caught:
        Memory("postgresql://arc:s3cret@127.0.0.1:1/arc")
    assert "s3cret" not in str(caught.value)
    assert "ARC_DATABASE_URL" in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "oracle9i://x/y"])
def test_a_bad_url_is_explained(url: str) -> None:
    with pytest.raises(StoreError, match="ARC_DATABASE_URL: not a database URL"):
        Memory(url)


def test_a_file_that_is_no_database_is_explained(tmp_path: Path) -> None:
    (tmp_path / "arc.db").write_text("this is a text file, and rather longer than a header " * 9)
    with pytest.raises(StoreError, match=r"arc\.db: the store can't be used"):
        Memory(f"sqlite:///{tmp_path / 'arc.db'}")


def test_sqlite_runs_in_wal_mode(tmp_path: Path) -> None:
    Memory(f"sqlite:///{tmp_path / 'arc.db'}").close()
    with closing(sqlite3.connect(tmp_path / "arc.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def answer(stage: str, **fields: object) -> Approval:
    return Approval.model_validate(
        {"stage": stage, "approver": "Ann", "outcome": "approve", "at": datetime(2026, 1, 2, tzinfo=UTC)}
        | fields
    )


def test_what_waits_for_a_person_is_no_experiment(memory: Memory, tmp_path: Path) -> None:
    cycle = memory.begin_cycle(STUDY.id)
    memory.keep(cycle.id, [proposal(1), proposal(2)])
    decisions, made = [decision("prop-1"), decision("prop-2")], proposal(3)
    proposals = {p.id: p for p in (proposal(1), proposal(2), made)}
    memory.keep_decisions(cycle, decisions, proposals, waiting=True)
    assert memory.experiments(STUDY.id) == ()
    said = answer("experiments", approved=("prop-1", "prop-3"), rejected=(), edits={"prop-2": "prop-3"})
    after = [decisions[0], decision("prop-2", selected=False), decision("prop-3")]
    memory.approvals.keep(cycle, said, after, proposals, barred={})
    assert [e.proposal_id for e in memory.experiments(STUDY.id)] == ["prop-1", "prop-3"]
    assert memory.kept(cycle.id, Decision) == tuple(after)
    assert [p.id for p in memory.kept(cycle.id, Proposal)] == ["prop-1", "prop-2", "prop-3"]
    assert memory.approvals.of_cycle(cycle.id) == {"experiments": said}
    assert memory.approvals.approved(STUDY.id) == {"prop-1", "prop-3"}
    verified = verify(memory.database, Heads(tmp_path), Runs(tmp_path / "runs"))
    assert (verified.rows, verified.older) == (1 + 3 + 3 + 1, 0)  # split, proposals, decisions, answer


def test_an_answer_is_given_once(memory: Memory) -> None:
    cycle = memory.begin_cycle(STUDY.id)
    directive = Directive(mode="explore", objective="start", budget=Budget(exploit=1, explore=2, wildcat=0))
    memory.keep(cycle.id, [directive])
    edited = directive.model_copy(update={"mode": "recover"})
    memory.approvals.keep_directive(cycle, answer("directive"), edited)
    assert memory.kept(cycle.id, Directive) == (edited,)
    with pytest.raises(IntegrityError):
        memory.approvals.keep_directive(cycle, answer("directive", approver="Bob"), directive)
    assert memory.approvals.of_cycle(cycle.id)["directive"].approver == "Ann"
    assert memory.kept(cycle.id, Directive) == (edited,)


def test_what_a_person_bars_does_not_run(memory: Memory) -> None:
    (left,) = approve(memory, 1)
    cycle = memory.begin_cycle(STUDY.id)
    memory.approvals.keep(cycle, answer("experiments"), [], {}, barred={left: "rejected by Ann"})
    outcome = memory.experiment(left).outcome
    assert (outcome.status, outcome.reason) == ("withdrawn", "rejected by Ann")


def test_a_closed_cycle_is_in_the_main_file(tmp_path):
    """Where somebody copies that one alone, or loses the one beside it."""
    memory = Memory(f"sqlite:///{tmp_path / 'arc.db'}")
    memory.register_study(STUDY)
    memory.end_cycle(memory.begin_cycle(STUDY.id).id)
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "arc.db", tmp_path / "copy")
    memory.close()
    copy = Memory(f"sqlite:///{tmp_path / 'copy' / 'arc.db'}")
    assert [each.status for each in copy.cycles(STUDY.id)] == ["finished"]
    copy.close()
