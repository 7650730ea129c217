"""The Prefect server can't be reached for a minute: a cycle waits for it, or the next run takes it up."""

from pathlib import Path

from tests.command import TINY, memory_in, run_cycle, start_cycle
from tests.flows.test_interrupted import folds, wait_until, workers
from tests.lossy import broken_way

ONE = (*TINY, "board.experiments_per_cycle=1", "spec.epochs=20")
AWAY_S = 60.0
ASKS_ONCE = {"PREFECT_CLIENT_MAX_RETRIES": "0"}
"""Prefect's client asks again for a minute before each of its calls fails."""


def sealed(home: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folds(home)}


def test_a_cycle_outlasts_a_minute_without_its_server(tmp_path, prefect_server):
    """It goes while the training runs, and comes back long after that has ended."""
    home = tmp_path / "home"
    with broken_way(prefect_server) as way:
        process = start_cycle(home, *ONE, PREFECT_API_URL=way.url)
        wait_until(lambda: workers(home), process)
        way.cut(AWAY_S)
        out, said = process.communicate()
    assert process.returncode == 0, said
    assert "ARC cycle 1 ·" in out
    memory = memory_in(home)
    (study,) = memory.studies()
    assert {each.outcome.status for each in memory.experiments(study)} == {"finished"}
    assert [cycle.status for cycle in memory.cycles(study)] == ["finished"]


def test_a_server_that_stays_away_is_named_and_the_next_run_repeats_nothing(tmp_path, prefect_server):
    home = tmp_path / "home"
    with broken_way(prefect_server) as way:
        process = start_cycle(home, *ONE, PREFECT_API_URL=way.url, **ASKS_ONCE)
        wait_until(lambda: workers(home), process)
        way.close()
        _, said = process.communicate()
    assert process.returncode == 2
    assert said.splitlines()[-1].startswith("ConfigError: PREFECT_API_URL: no Prefect server answers there")
    assert way.url in said
    assert "Traceback" not in said
    before = sealed(home)
    assert before

    ended = run_cycle(home, *ONE, PREFECT_API_URL=prefect_server)

    assert ended.code == 0, ended.err
    assert before.items() <= sealed(home).items()


def test_a_loop_waits_for_its_server(tmp_path, prefect_server):
    """It goes as the first cycle ends: neither that can be told, nor the second be begun."""
    home = tmp_path / "home"

    def has_a_turn() -> bool:
        loops = memory_in(home).loops if (home / "arc.db").exists() else None
        return bool(loops and (loop := loops.latest()) and loops.turns(loop))

    with broken_way(prefect_server) as way:
        process = start_cycle(home, *ONE, "--max-cycles", "2", PREFECT_API_URL=way.url, **ASKS_ONCE)
        wait_until(has_a_turn, process)
        way.cut(AWAY_S)
        out, said = process.communicate()
    assert process.returncode == 0, said
    assert "The loop waits for the Prefect server: " in out
    memory = memory_in(home)
    (study,) = memory.studies()
    assert [cycle.status for cycle in memory.cycles(study)] == ["finished"] * 2
    assert len(memory.experiments(study)) == 2
