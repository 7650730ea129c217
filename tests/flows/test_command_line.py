"""Bad input stops at once, with exit code 2 and a line that names the thing and the cure."""

import sqlite3

import pytest

from arc_core.data.synthetic import SyntheticConfig, generate
from arc_core.errors import ArcError
from arc_core.report.summary import CycleSummary, Row
from flows.backup import backup_command
from flows.bundle import bundle_command
from flows.command_line import _check_input, cycle_command, predict_command
from flows.cycle import arc
from flows.dossier import dossier_command
from flows.loop import _need_one_that_ran
from flows.reproduce import reproduce_command
from tests.arc_core.data.breakage import bright_copies, edit_rows, rename
from tests.command import TINY, run_cycle


@pytest.fixture
def refused(arc_home, monkeypatch, capsys):
    """Call the command line with bad input; returns its one line of complaint."""

    def run(*arguments: str, **variables: str) -> str:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["flows.cycle", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cycle_command(arc)
        said = capsys.readouterr()
        assert exit_.value.code == 2
        assert said.out == ""
        return said.err

    return run


@pytest.fixture
def folder(tmp_path):
    """A valid dataset of 12 images."""
    generate(SyntheticConfig(cases=12, image_size_px=64), tmp_path / "eyes")
    return tmp_path / "eyes"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--max-cycles", "-1"], "-1"),
        (["--max-cycles", "many"], "many"),
        (["--max-minutes", "0"], "'0'"),
        (["--max-minutes", "nan"], "nan"),
        (["--max-minutes", "soon"], "soon"),
        (["--task", "detection"], "detection"),
        (["--no-such-flag"], "--no-such-flag"),
        (["--data"], "--data"),
    ],
)
def test_a_bad_flag(refused, arguments, named):
    said = refused(*arguments)
    assert named in said
    assert "usage: python -m flows.cycle" in said


@pytest.mark.parametrize(
    ("override", "named", "cure"),
    [
        ("spec.epoch=3", "spec.epoch", "Did you mean spec.epochs?"),
        ("spec.epochs=many", "spec.epochs", "docs/experiments.md"),
        ("optim=lion", "lion", "The choices of optim are adam, adamw, sgd"),
        ("model=unet", "model/unet", "segmentation/unet"),
        ("nonsense", "nonsense", "An override is key=value"),
        ("spec.optimiser.lr=0.5", "spec.optimiser.lr", "Choose a value within the limit"),
        ("spec.epochs=2", "spec.epochs", "Choose a value within the limit"),
    ],
)
def test_a_bad_override(refused, override, named, cure):
    said = refused(override)
    assert named in said
    assert cure in said
    assert len(said.splitlines()) == 1


def test_no_such_data_folder(refused, tmp_path):
    said = refused("--data", str(tmp_path / "nowhere"))
    assert said.startswith("DatasetError: ")
    assert str(tmp_path / "nowhere") in said


def test_an_empty_data_folder(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in refused("--data", str(tmp_path / "empty"))


def test_columns_that_are_not_read_are_named_at_once(arc_home, folder, capsys):
    """The one of the patients may be among them."""
    rename(folder, "patient_id", "\x1b[1m[b]subject")
    given = {"task": None, "data": str(folder), "overrides": [], "dry_run": True}
    _check_input(given)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(
        "labels.csv: columns that ARC does not know are ignored: '\\x1b[1m[b]subject'. "
    )
    assert said.err.endswith("Patients unknown: each image counted as one.\n")
    rename(folder, "\x1b[1m[b]subject", "patient_id")
    _check_input(given)
    assert capsys.readouterr().err == ""


def test_copies_under_two_patients_fail_the_split_and_nothing_is_recorded(tmp_path):
    generate(SyntheticConfig(cases=24, image_size_px=64, seed=3), tmp_path / "eyes")
    bright_copies(tmp_path / "eyes")
    finished = run_cycle(tmp_path / "home", "--data", str(tmp_path / "eyes"), "data.folds=2")
    assert (finished.code, finished.memory.studies()) == (2, ())
    (complaint,) = finished.err.splitlines()
    assert complaint.startswith(f"DatasetError: {tmp_path}/eyes/images/sim_")
    assert "nearly the same image as images/copy_" in complaint


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ARC_LLM_TIMEOUT", "5", "from 10 to 600"),
        ("ARC_MIN_EPOCHS", "soon", "from 1 to 100"),
        ("ARC_TRAINING_GPUS", "0 1", "each 0 or more"),
    ],
)
def test_a_bad_variable(refused, name, value, expected):
    said = refused(**{name: value})
    assert said.startswith("SettingsError: ")
    assert name in said
    assert value in said
    assert expected in said


def test_a_bad_database_url(refused):
    said = refused(ARC_DATABASE_URL="mongodb://localhost/arc")
    assert "ARC_DATABASE_URL" in said
    assert "postgresql://" in said


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_store_in_memory(refused, url):
    assert "lost with its process" in refused(ARC_DATABASE_URL=url)


def test_a_store_of_a_newer_arc(refused, arc_home):
    from arc_core.experiments.memory import Memory

    Memory(f"sqlite:///{arc_home / 'arc.db'}").close()
    with sqlite3.connect(arc_home / "arc.db") as store:
        store.execute("UPDATE arc_schema SET version = 99")
    store.close()
    said = refused()
    assert str(arc_home / "arc.db") in said
    assert "schema version 99" in said
    assert "Update ARC" in said
    with sqlite3.connect(arc_home / "arc.db") as store:
        assert store.execute("SELECT version FROM arc_schema").fetchall() == [(99,)]
    store.close()


def test_a_store_that_is_no_database(refused, arc_home):
    arc_home.mkdir()
    (arc_home / "arc.db").write_text("not a database\n" * 100)
    said = refused()
    assert said.startswith("StoreError: ")
    assert str(arc_home / "arc.db") in said


def test_the_exit_code_reaches_the_shell(tmp_path):
    ran = run_cycle(tmp_path / "home", *TINY, "spec.epoch=3", PREFECT_HOME=str(tmp_path / "prefect"))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("ConfigError: ")
    assert not list((tmp_path / "prefect").glob("*.db*")), "no server was started for it"


def test_a_cycle_whose_every_experiment_failed_is_a_failure():
    row = Row(
        number=1,
        experiment_id="exp-1",
        cycle=1,
        hypothesis="",
        changes="–",
        status="failed",
        metric=None,
        verdict="failed",
        reason="loss is NaN in fold 0",
        seconds=None,
    )
    summary = CycleSummary(
        study_id="study-1", cycle=1, metric="auc", simulated=True, cohort="", mode="explore", rows=(row, row)
    )
    with pytest.raises(ArcError, match="all experiments of cycle 1 failed") as caught:
        _need_one_that_ran(summary)
    assert caught.value.exit_code == 1
    _need_one_that_ran(
        summary.model_copy(update={"rows": (row, row.model_copy(update={"status": "finished"}))})
    )


def test_a_folder_of_prefect_that_can_not_be(tmp_path):
    """Before its server is started, which would try for minutes."""
    ran = run_cycle(tmp_path / "home", *TINY, PREFECT_HOME="/dev/null")
    assert ran.code == 2
    assert ran.err.startswith("SettingsError: PREFECT_HOME: the folder can't be used: ")
    assert "got /dev/null" in ran.err
    assert len(ran.err.splitlines()) == 1


ESCAPE = "\x1b]0;taken\x07\x1b[31m"
SHOWN = r"\x1b]0;taken\x07\x1b[31m"


@pytest.mark.parametrize(
    "arguments", [("--data", f"/nowhere{ESCAPE}"), (f"spec.epochs={ESCAPE}",), (f"--no{ESCAPE}",), (ESCAPE,)]
)
def test_control_characters_are_shown_and_do_nothing(refused, arguments):
    said = refused(*arguments)
    assert SHOWN in said
    assert not {"\x1b", "\x07"} & set(said)


def test_nor_do_those_of_a_dataset(refused, folder):
    edit_rows(folder, lambda rows: [*rows[:-1], f"{rows[-1].split(',')[0]},{ESCAPE},p,s,c"])
    assert "\x1b" not in refused("--data", str(folder))
    edit_rows(folder, lambda rows: [f"{rows[0]},{ESCAPE},{ESCAPE}", *rows[1:]])
    assert "\x1b" not in refused("--data", str(folder))


def test_a_line_break_that_was_given_begins_no_line(refused):
    assert len(refused("--data", "/nowhere\nConfigError: forged").splitlines()) == 1


@pytest.mark.parametrize("arguments", [("--data", "/caf\udce9"), ("spec.epochs=\udce9",)])
def test_what_is_not_utf_8_is_refused(refused, arguments):
    said = refused(*arguments)
    assert r"\udce9 is not UTF-8" in said
    assert "usage: python -m flows.cycle" in said


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (dossier_command, ["verify", ""]),
        (dossier_command, ["verify", "--heads", ""]),
        (dossier_command, ["verify", "--key", ""]),
        (dossier_command, ["export", ""]),
        (dossier_command, ["export", "out", "--experiment", ""]),
        (dossier_command, ["export", "out", "--study", ""]),
        (dossier_command, ["export", "out", "--intended-use", ""]),
        (dossier_command, ["lock-plan", "--by", "Ada", "--study", ""]),
        (dossier_command, ["lock-plan", "--by", "Ada", "--file", ""]),
        (reproduce_command, [""]),
        (reproduce_command, ["exp-1", "--keep", ""]),
        (bundle_command, [""]),
        (bundle_command, ["out", "--experiment", ""]),
        (backup_command, ["--out", ""]),
        (lambda: predict_command(pytest.fail), ["images", "--out", "out", "--study", ""]),
    ],
)
def test_an_empty_argument_is_not_one_that_was_left_out(arc_home, monkeypatch, capsys, command, arguments):
    """As of a variable that is not set: it would stand for the current folder, or for no check at all."""
    monkeypatch.setattr("sys.argv", ["flows", *arguments])
    with pytest.raises(SystemExit) as exit_:
        command()
    assert exit_.value.code == 2
    assert "it is empty" in capsys.readouterr().err
