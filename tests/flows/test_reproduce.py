"""`python -m flows.reproduce` on a real cycle: identical on the same CPU; what differs is named."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.command import copied, environment, memory_in
from tests.conftest import ROOT


def command(home: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flows.reproduce", *arguments],
        cwd=ROOT,
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def home(one_cycle, tmp_path) -> Path:
    return copied(one_cycle.home, tmp_path / "home")


def finished(home: Path) -> str:
    memory = memory_in(home)
    (study,) = memory.studies()
    return next(each.id for each in memory.experiments(study) if each.outcome.status == "finished")


def told(home: Path) -> list[dict]:
    return [entry.event.facts for entry in memory_in(home).ledger.entries(kind="reproduction.done")]


def record_otherwise(home: Path, experiment: str, by: float) -> str:
    """As if the first training had measured one image otherwise; its id."""
    path = home / "runs" / experiment / "cases.json"
    cases = json.loads(path.read_text())
    cases[0]["disc_dice"] += by
    content = json.dumps(cases).encode()
    path.write_bytes(content)
    with closing(sqlite3.connect(home / "arc.db")) as db, db:
        (files, body) = db.execute(
            "SELECT files, body FROM results WHERE experiment_id = ?", (experiment,)
        ).fetchone()
        files = json.loads(files) | {"cases.json": hashlib.sha256(content).hexdigest()}
        body = json.loads(body)
        body["metrics"]["disc_dice"]["value"] += by
        db.execute(
            "UPDATE results SET files = ?, body = ? WHERE experiment_id = ?",
            (json.dumps(files), json.dumps(body), experiment),
        )
    return cases[0]["image_id"]


def test_on_the_same_cpu_it_is_identical(home):
    experiment = finished(home)
    before = memory_in(home).result(experiment)
    ran = command(home, experiment, "--keep", str(home.parent / "again"))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "Reproduced: every prediction and every figure is identical."
    (event,) = told(home)
    assert event["outcome"] == "identical"
    assert (event["files"], event["learned"], event["largest"], event["cases"]) == ([], [], 0, 0)
    assert event["compared"] > 0
    memory = memory_in(home)
    assert memory.result(experiment) == before
    assert memory.leases.live() == ()
    again = home.parent / "again"
    first = home / "runs" / experiment
    for path in again.glob("fold-*/predictions.csv"):
        assert path.read_bytes() == (first / path.relative_to(again)).read_bytes()


def test_what_differs_is_named(home):
    experiment = finished(home)
    image = record_otherwise(home, experiment, by=0.1)
    ran = command(home, experiment)
    assert ran.returncode == 1
    assert f"case: {image}, disc_dice: " in ran.stdout
    assert "metric: disc_dice: " in ran.stdout
    assert "Not reproduced: a metric differs by more than 0.005" in ran.stderr
    (event,) = told(home)
    assert event["outcome"] == "different"
    assert event["largest"] == pytest.approx(0.1)
    assert list(home.glob(".again-*")) == []


def test_a_small_difference_is_within_tolerance(home):
    experiment = finished(home)
    record_otherwise(home, experiment, by=0.1)
    ran = command(home, experiment, "--tolerance", "0.2")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "Reproduced within tolerance: no metric differs by more than 0.2."


def test_an_image_that_has_changed_is_named(home):
    experiment = finished(home)
    (data,) = home.glob("data/*")
    with closing(sqlite3.connect(home / "arc.db")) as db, db:
        db.execute("UPDATE studies SET dataset = json_set(dataset, '$.root', ?)", (str(data),))
    image = next(data.glob("images/*.png"))
    image.write_bytes(image.read_bytes() + b" ")
    ran = command(home, experiment)
    assert ran.returncode == 1
    assert image.name in ran.stderr
    assert told(home) == []


def test_a_record_that_has_changed_is_refused(home):
    experiment = finished(home)
    plan = home / "runs" / experiment / "plan.json"
    plan.write_text(plan.read_text().replace('"seed": 0', '"seed": 1'))
    ran = command(home, experiment)
    assert ran.returncode == 1
    assert "plan.json has changed since it was recorded" in ran.stderr


@pytest.mark.parametrize("experiment", ["exp-0000000000", "../../etc"])
def test_an_unknown_experiment_is_refused(home, experiment):
    ran = command(home, experiment)
    assert ran.returncode == 2
    assert f"{experiment} is not in the store" in ran.stderr


@pytest.mark.parametrize("tolerance", ["-1", "nan", "much"])
def test_a_tolerance_that_is_none_is_refused(home, tolerance):
    ran = command(home, "exp-0000000000", "--tolerance", tolerance)
    assert ran.returncode == 2
    assert "is not a number from 0 to 1" in ran.stderr


def test_a_folder_that_is_there_is_left_alone(home):
    ran = command(home, finished(home), "--keep", str(home))
    assert ran.returncode == 2
    assert "it is there already" in ran.stderr
