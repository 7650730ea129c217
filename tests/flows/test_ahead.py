"""The next cycle is planned while one trains, begins in free places, and is held against the news."""

import sqlite3
import time
from contextlib import closing

import pytest

from arc_core.experiments.board import Directive, Proposal
from tests.command import memory_in, run_cycle, start_cycle

STUDY = (
    "data.synthetic.cases=36",
    "data.synthetic.image_size_px=64",
    "data.folds=2",
    "spec.image_size_px=64",
    "spec.epochs=3",
)
CYCLES, EXPERIMENTS = 3, 4


@pytest.fixture(scope="module")
def ran(tmp_path_factory, prefect_server):
    """Three cycles with one place. A stop comes as the second is planned; before the loop goes on, the
    champion changes: by a hand of this test's, as the gate finds no reason in a study so small."""
    home = tmp_path_factory.mktemp("ahead") / "home"
    options = (*STUDY, f"board.experiments_per_cycle={EXPERIMENTS}")
    more = {"PREFECT_API_URL": prefect_server, "ARC_MAX_CONCURRENT_JOBS": "1"}
    process = start_cycle(home, *options, "--max-cycles=0", **more)
    while not (planned := planned_in(home)) or not memory_in(home).ahead.unbegun(planned):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    memory_in(home).loops.ask_stop()
    _, err = process.communicate()
    assert process.returncode == 0, err
    crown_the_last(home)
    ran = run_cycle(home, *options, f"--max-cycles={CYCLES - 1}", **more)
    assert ran.code == 0, ran.err
    return ran


def crown_the_last(home) -> None:
    """What the gate judged last is the champion."""
    with closing(sqlite3.connect(home / "arc.db")) as db, db:
        db.execute(
            "UPDATE verdicts SET outcome = 'promote', body = json_set(body, '$.outcome', 'promote') "
            "WHERE position = (SELECT max(position) FROM verdicts)"
        )


def trained(ran, number):
    experiments = ran.memory.experiments(ran.study)
    return [e for e in experiments if e.outcome.cycle == number and e.outcome.status != "withdrawn"]


def test_the_next_stands_in_line_before_the_cycle_is_over(ran):
    cycles = ran.memory.cycles(ran.study)
    assert [(c.number, c.status) for c in cycles] == [(n, "finished") for n in range(1, CYCLES + 1)]
    leases = {lease.request.experiment_id: lease for lease in ran.memory.leases.of_study(ran.study)}
    _, before, after = cycles  # of the second all may be planned anew
    first = min(leases[e.id].asked for e in trained(ran, after.number))
    assert first < before.ended < after.started
    ends = {each.outcome.status for number in range(1, CYCLES + 1) for each in trained(ran, number)}
    assert ends <= {"finished", "pruned"}


def test_what_was_planned_on_another_champion_is_withdrawn_and_its_place_planned_anew(ran):
    memory, study = ran.memory, ran.study
    withdrawn = [e for e in memory.experiments(study) if e.outcome.status == "withdrawn"]
    assert withdrawn
    for each in withdrawn:
        proposal = memory.said_of([each.id], Proposal)[each.id]
        assert each.started is None
        assert f"changes {proposal.parent_id or 'the baseline'}, which exp-" in each.outcome.reason
        assert f"{each.id} of cycle {each.outcome.cycle}, planned ahead, is withdrawn: it changes" in ran.err
        assert f"#{each.number} withdrawn: " in ran.out
    again = {e.outcome.cycle for e in withdrawn}
    for number in again:
        assert memory.cycles(study)[number - 1].meeting == 1
        meetings = [key for key in memory.archive.kept_by_meeting(study, Directive) if key[0] == number]
        assert meetings == [(number, 0), (number, 1)]
    assert [len(trained(ran, n)) for n in range(1, CYCLES + 1)] == [EXPERIMENTS] * CYCLES, (
        "every place is used"
    )


def test_what_a_second_meeting_proposes_changes_the_champion_of_that_time(ran):
    memory, study = ran.memory, ran.study
    for (number, meeting), proposals in memory.archive.kept_by_meeting(study, Proposal).items():
        if meeting == 1:
            champions = {
                verdict.experiment_id
                for verdict in memory.verdicts(study)
                if verdict.outcome in ("baseline", "promote")
                and memory.experiment(verdict.experiment_id).outcome.cycle < number
            }
            assert {p.parent_id for p in proposals if p.changes} <= champions


def test_without_it_each_cycle_waits_for_the_one_before(tmp_path, prefect_server):
    options = (*STUDY, "--max-cycles=2", "loop.ahead=false", "board.experiments_per_cycle=1")
    ran = run_cycle(tmp_path / "home", *options, PREFECT_API_URL=prefect_server)
    assert ran.code == 0, ran.err
    memory = memory_in(ran.home)
    first, second = memory.cycles(ran.study)
    assert first.ended < min(lease.asked for lease in memory.leases.of_cycle(second.id))


def test_the_last_cycle_plans_none(ran):
    assert len(ran.memory.cycles(ran.study)) == CYCLES


def test_what_was_begun_for_a_cycle_that_is_not_to_come_stops_and_can_go_on(tmp_path, prefect_server):
    home, study = tmp_path / "home", (*STUDY[:-1], "spec.epochs=40", "board.experiments_per_cycle=2")
    process = start_cycle(home, *study, "--max-cycles=0", PREFECT_API_URL=prefect_server)
    while not (planned := planned_in(home)) or not memory_in(home).experiments(planned.study_id)[2:]:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    memory = memory_in(home)
    memory.loops.ask_stop()
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.splitlines()[-1] == "Stopped after 1 cycle: a stop was asked for."
    assert memory.leases.live() == ()
    left = [e for e in memory.experiments(planned.study_id) if e.outcome.cycle == planned.number]
    assert {e.outcome.status for e in left} <= {"approved", "stopped", "withdrawn", "finished"}
    again = run_cycle(home, *study, PREFECT_API_URL=prefect_server)
    assert again.code == 0, again.err
    assert [(c.number, c.status) for c in memory.cycles(planned.study_id)] == [
        (1, "finished"),
        (2, "finished"),
    ]
    ended = [memory.experiment(e.id).outcome.status for e in left]
    assert set(ended) <= {"finished", "withdrawn"}


def planned_in(home):
    if not (home / "arc.db").exists():
        return None
    memory = memory_in(home)
    cycles = [cycle for study in memory.studies() for cycle in memory.cycles(study)]
    return next((cycle for cycle in cycles if cycle.status == "planned"), None)


@pytest.fixture(scope="module")
def carried(tmp_path_factory, prefect_server):
    """Two cycles with one place: the first one's own two have trained before the repeats of its champion."""
    home = tmp_path_factory.mktemp("carried") / "home"
    options = (*STUDY, "board.experiments_per_cycle=2", "--max-cycles=2")
    ran = run_cycle(home, *options, PREFECT_API_URL=prefect_server, ARC_MAX_CONCURRENT_JOBS="1")
    assert ran.code == 0, ran.err
    return ran


def test_a_verdict_that_waits_for_further_seeds_is_given_in_the_next_cycle(carried):
    memory, study = carried.memory, carried.study
    first, _ = memory.cycles(study)
    champion, challenger, *others = memory.experiments(study)
    repeats = memory.repeats.of([champion.id])[champion.id]
    leases = {lease.request.experiment_id: lease for lease in memory.leases.of_study(study)}
    assert len(leases) == len(list(memory.leases.of_study(study))), "nothing is trained twice"
    assert max(leases[each.id].released for each in repeats) > first.ended
    assert max(leases[each.id].granted for each in repeats) < min(leases[each.id].granted for each in others)
    assert {verdict.experiment_id for verdict in memory.verdicts(study)} >= {champion.id, challenger.id}


def test_where_no_cycle_follows_all_verdicts_are_given(carried):
    memory, study = carried.memory, carried.study
    judged = {verdict.experiment_id for verdict in memory.verdicts(study)}
    assert judged == {each.id for each in memory.experiments(study)}
    assert memory.repeats.pending(study) == ()
