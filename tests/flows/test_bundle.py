"""`python -m flows.bundle` as a user calls it."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.command import Finished, copied, environment
from tests.conftest import ROOT

WITHOUT_ARC = ROOT / "tests" / "without_arc.py"


def bundle(home, *arguments):
    """The command with its exit code, where no bundle lies."""
    command = [sys.executable, "-m", "flows.bundle", *map(str, arguments)]
    ran = subprocess.run(
        command, cwd=home.parent, env=environment(home), capture_output=True, text=True, check=False
    )
    return Finished(home=home, code=ran.returncode, out=ran.stdout, err=ran.stderr)


def refused(finished, *, code=2):
    """The one line that it said, of a run that ended as it should have."""
    assert finished.code == code, finished.err
    (line,) = finished.err.splitlines()
    return line


@pytest.fixture(scope="module")
def made(one_cycle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "champion"
    return bundle(one_cycle.home, folder), folder


def test_the_champion_is_exported_and_marked_as_simulated(one_cycle, made):
    ran, folder = made
    assert ran.code == 0, ran.err
    champion = one_cycle.memory.champion(one_cycle.study)
    metadata = json.loads((folder / "configs" / "metadata.json").read_text())
    assert metadata["arc"]["experiment"] == champion.id
    assert metadata["arc"]["simulated"] is True
    assert metadata["description"].startswith("SIMULATED")
    assert "Champion #" in metadata["description"]
    assert [path.name for path in folder.parent.iterdir()] == ["champion"], "no draft is left"


def test_where_arc_is_not_it_writes_the_files_of_flows_predict(one_cycle, made, prefect_server, tmp_path):
    _, folder = made
    (tmp_path / "new").mkdir()
    for image in sorted((one_cycle.home / "data").glob("*/images/*.png"))[:2]:
        shutil.copy(image, tmp_path / "new")
    config, where = folder / "configs" / "inference.json", ("--dataset_dir", tmp_path / "new")
    alone = [sys.executable, "-I", WITHOUT_ARC, "monai.bundle", "run", "--config_file", config, *where]
    predict = [sys.executable, "-m", "flows.predict", tmp_path / "new", "--out", tmp_path / "arc"]
    for command in ([*alone, "--output_dir", tmp_path / "bundle"], predict):
        variables = environment(one_cycle.home, PREFECT_API_URL=prefect_server)
        ran = subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr

    by_arc, by_bundle = (
        {
            path.relative_to(out): path.read_bytes()
            for path in out.rglob("*")
            if path.suffix in (".png", ".csv")
        }
        for out in (tmp_path / "arc", tmp_path / "bundle")
    )
    assert len(by_arc) == 5
    assert by_bundle == by_arc


def test_any_finished_experiment_may_be_exported(one_cycle, tmp_path):
    champion = one_cycle.memory.champion(one_cycle.study)
    other = next(each for each in one_cycle.memory.experiments(one_cycle.study) if each.id != champion.id)
    ran = bundle(one_cycle.home, tmp_path / "out", "--experiment", other.id)
    assert ran.code == 0, ran.err
    description = json.loads((tmp_path / "out" / "configs" / "metadata.json").read_text())["description"]
    assert f"Experiment #{other.number} {other.id}" in description
    assert "Champion" not in description


def test_a_bundle_is_never_overwritten(one_cycle, made, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert "nothing is overwritten" in refused(bundle(one_cycle.home, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_home_without_a_champion_is_told(tmp_path):
    ran = bundle(tmp_path / "home", tmp_path / "out")
    assert "there is no champion yet" in refused(ran)
    assert not (tmp_path / "home").exists()
    assert not (tmp_path / "out").exists()


def test_an_unknown_experiment_is_named(one_cycle, tmp_path):
    ran = bundle(one_cycle.home, tmp_path / "out", "--experiment", "exp-unknown")
    assert "exp-unknown is not in the store" in refused(ran)


def test_an_experiment_without_a_result_is_refused(one_cycle, tmp_path):
    home = copied(one_cycle.home, tmp_path / "home")
    champion = one_cycle.memory.champion(one_cycle.study).id
    with closing(sqlite3.connect(home / "arc.db")) as db, db:
        db.execute("DELETE FROM results WHERE experiment_id = ?", (champion,))
        db.execute("UPDATE experiments SET status = 'failed' WHERE id = ?", (champion,))
    line = refused(bundle(home, tmp_path / "out", "--experiment", champion))
    assert "has no result" in line
    assert f"{champion}, failed" in line


def test_a_changed_model_is_not_exported(one_cycle, tmp_path):
    home = copied(one_cycle.home, tmp_path / "home")
    champion = one_cycle.memory.champion(one_cycle.study).id
    with (home / "runs" / champion / "fold-0" / "model.pt").open("ab") as file:
        file.write(b"x")
    line = refused(bundle(home, tmp_path / "out"), code=1)
    assert "fold-0/model.pt has changed since it was recorded" in line
    assert not (tmp_path / "out").exists()
