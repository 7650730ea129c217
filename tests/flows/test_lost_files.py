"""A file of a finished experiment is gone or changed: it is made anew or named, and the study goes on."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from arc_core.experiments.result import CASES
from arc_core.provenance.canonical import sha256_of_file
from tests.command import TINY, Finished, copied, environment, memory_in, run_cycle

ONE = (*TINY, "board.experiments_per_cycle=1")


@pytest.fixture
def home(one_cycle: Finished, tmp_path: Path) -> Path:
    return copied(one_cycle.home, tmp_path / "home")


def champion_of(home: Path) -> str:
    memory = memory_in(home)
    (study,) = memory.studies()
    champion = memory.champion(study)
    assert champion is not None
    return champion.id


def unjudged(home: Path) -> list[str]:
    memory = memory_in(home)
    (study,) = memory.studies()
    return [each.id for each in memory.unjudged(study)]


def remove(path: Path) -> None:
    path.unlink()


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("spoil", [remove, change])
def test_lost_cases_are_measured_anew(home: Path, prefect_server: str, spoil) -> None:
    champion = champion_of(home)
    path = home / "runs" / champion / CASES
    spoil(path)
    ran = run_cycle(home, *ONE, PREFECT_API_URL=prefect_server)
    assert ran.code == 0, ran.err
    assert f"{champion}: {CASES} was lost or changed; it was measured anew" in ran.err
    result = ran.memory.result(champion)
    assert result is not None
    assert sha256_of_file(path) == result.files[CASES]
    assert unjudged(home) == []


def test_what_can_not_be_measured_anew_is_named_and_the_study_goes_on(
    home: Path, prefect_server: str
) -> None:
    champion = champion_of(home)
    run_dir, kept = home / "runs" / champion, home.parent / "kept"
    shutil.copytree(run_dir, kept)
    change(run_dir / CASES)
    remove(run_dir / "fold-0" / "predictions.csv")

    ran = run_cycle(home, *ONE, PREFECT_API_URL=prefect_server)

    assert ran.code == 0, ran.err
    (told,) = [line for line in ran.err.splitlines() if line.startswith(f"{champion}: ")]
    assert f"{run_dir / 'fold-0' / 'predictions.csv'} is missing" in told
    assert told.endswith("Restore the folder from a backup; the next cycle takes it into account.")
    (trained,) = unjudged(home)
    assert ran.memory.experiment(trained).outcome.status == "finished"
    assert f"{trained} is not judged: {run_dir / CASES} has changed" in ran.err
    assert champion_of(home) == champion

    shutil.rmtree(run_dir)
    kept.rename(run_dir)
    again = run_cycle(home, *ONE, PREFECT_API_URL=prefect_server)

    assert again.code == 0, again.err
    assert unjudged(home) == []
    assert trained in {each.experiment_id for each in again.memory.verdicts(again.study)}


@pytest.mark.parametrize(
    ("spoil", "says"), [(remove, "is missing"), (change, "has changed since it was recorded")]
)
@pytest.mark.parametrize("name", ["plan.json", "fold-1/model.pt"])
def test_the_champion_does_not_predict_without_what_was_recorded(
    home: Path, prefect_server: str, tmp_path: Path, name: str, spoil, says: str
) -> None:
    champion = champion_of(home)
    spoil(home / "runs" / champion / name)
    images = next((home / "data").glob("*/images"))
    ran = subprocess.run(
        [sys.executable, "-m", "flows.predict", str(images), "--out", str(tmp_path / "out")],
        cwd=tmp_path,
        env=environment(home, PREFECT_API_URL=prefect_server),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert f"{home / 'runs' / champion / name} {says}" in line
    assert line.endswith("restore it from a backup")
    assert not (tmp_path / "out" / "predictions.csv").exists()
