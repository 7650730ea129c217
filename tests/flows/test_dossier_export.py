"""`python -m flows.dossier export` on a real study with a sealed test part, as a user calls it."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from arc_core.dossier.intended_use import NOT_PROVIDED
from tests.command import TWO, copied, environment, memory_in, run_cycle, trained_in
from tests.conftest import ROOT

STUDY = (*TWO, "data.synthetic.cases=24", "data.test=0.25")


def command(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flows.dossier", *arguments],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("dossier") / "home"
    ran = run_cycle(home, *STUDY)
    assert ran.code == 0, ran.err
    return home


@pytest.fixture
def home(made, tmp_path) -> Path:
    if (made.parent / "home-anchors").exists():
        shutil.copytree(made.parent / "home-anchors", tmp_path / "home-anchors")
    return copied(made, tmp_path / "home")


def test_a_study_whose_test_part_was_opened_twice(home, tmp_path):
    for arguments in (
        ("lock-plan", "--by", "Ada Example"),
        ("lock-threshold", "--by", "Ada Example"),
        ("open-test", "--by", "Ada Example", "--reason", "the study is over"),
        ("open-test", "--by", "Bo Example", "--reason", "once more"),
        ("lock-threshold", "--by", "Bo Example"),
    ):
        assert command(home, *arguments).returncode == 0
    (home / "intended_use.yaml").write_text("declared_by: Ada Example\ndevice:\n  name: Research only\n")
    out = tmp_path / "out"
    ran = command(home, "export", str(out))
    assert ran.returncode == 0, ran.stderr
    assert "SIMULATED · Dossier of exp-" in ran.stdout
    assert "gap_report.md first" in ran.stdout

    card = json.loads((out / "model_card.json").read_text())
    assert [each["by"] for each in card["testset_openings"]] == ["Ada Example", "Bo Example"]
    tested, tuned = (card["performance"][part] for part in ("internal testing", "out-of-fold"))
    assert "sensitivity at the locked threshold" in tested
    assert tested["AUC"]["evaluation"] != tuned["AUC"]["evaluation"]
    assert card["intended_use"]["device.name"]["answer"] == "Research only"
    assert card["intended_use"]["device.indications"]["answer"] == NOT_PROVIDED
    text = (out / "model_card.md").read_text()
    assert "Openings of the test part: 2 in this study, 2 of them for this model" in text
    assert tested["mean Dice"]["evaluation"] == tested["AUC"]["evaluation"]
    report = (out / "validation_report.md").read_text()
    groups = report.partition("## Internal testing: subgroups")[2].partition("\n## ")[0]
    source = tested["AUC"]["evaluation"][:8]
    assert re.search(rf"^\| site: .*\d\s\({source}\)", groups, re.MULTILINE)
    assert "[" not in groups.partition("!")[0], "six images are too few for an interval"
    assert "the mean of the 2 folds' networks, the model as it is used; the part was opened twice" in report
    assert "| sealed |" not in (out / "leakage_report.md").read_text()
    parts = {group["part"]: group["evaluation"] for group in card["subgroups"]}
    assert parts == {
        "internal testing": tested["AUC"]["evaluation"],
        "out-of-fold": tuned["AUC"]["evaluation"],
    }
    with (out / "testset_access_log.csv").open(newline="") as file:
        log = list(csv.DictReader(file))
    assert [row["reason"] for row in log] == ["the study is over", "once more"]
    assert log[0]["evaluation_sha256"] == tested["AUC"]["evaluation"]
    order = [each["event"] for each in json.loads((out / "sap.lock.json").read_text())["order"]]
    assert order == [
        "split.frozen",
        "sap.locked",
        "threshold.locked",
        "testset.opened",
        "testset.opened",
        "threshold.locked",
    ]
    with (out / "deviations.csv").open(newline="") as file:
        (deviation,) = csv.DictReader(file)
    assert deviation["by"] == "Bo Example"
    model = card["edition"]["experiment_id"]
    assert deviation["about"] == model
    assert deviation["deviation"] == (
        f"the threshold of {model} is locked anew after the test part was opened 2 times"
    )
    assert f"by Bo Example: {deviation['deviation']}." in (out / "validation_report.md").read_text()
    with (out / "split_manifest.csv").open(newline="") as file:
        parts = [row["part"] for row in csv.DictReader(file)]
    assert parts.count("test") == 6
    assert (out / "model" / "models" / "model.pt2").is_file()

    (declared,) = memory_in(home).ledger.entries(kind="intended_use.declared")
    assert declared.event.actor.name == "Ada Example"
    assert command(home, "verify").returncode == 0
    again = tmp_path / "again"
    assert command(home, "export", str(again)).returncode == 0
    for name in ("model_card.md", "index.json", "estar/08_validation_report.pdf", "model/models/model.pt2"):
        assert (out / name).read_bytes() == (again / name).read_bytes(), name


def test_an_experiment_that_is_no_champion(home, tmp_path):
    memory = memory_in(home)
    (study,) = memory.studies()
    champion = memory.champion(study)
    other = next(each for each in memory.experiments(study) if each.id != champion.id)
    assert command(home, "export", str(tmp_path / "out"), "--experiment", other.id).returncode == 0
    taken_for_a_home = command(home, "verify", str(tmp_path / "out"))
    assert taken_for_a_home.returncode == 2
    assert f"A dossier is checked as {tmp_path / 'out' / 'VERIFY.md'} says." in taken_for_a_home.stderr
    card = json.loads((tmp_path / "out" / "model_card.json").read_text())
    assert card["edition"]["experiment_id"] == other.id
    assert card["edition"]["role"] == "experiment"
    assert card["testset_openings"] == []
    assert card["performance"]["internal testing"] == NOT_PROVIDED


def test_a_repeat_has_no_dossier_and_whose_it_is_is_said(made, tmp_path):
    repeat = next(each for each in trained_in(memory_in(made)) if each.repeat_of is not None)
    ran = command(made, "export", str(tmp_path / "out"), "--experiment", repeat.id)
    assert ran.returncode == 2
    assert f"it is a repeat of {repeat.repeat_of}" in ran.stderr
    assert f"--experiment {repeat.repeat_of}" in ran.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--study", "study-none"), "no such study"),
        (("--experiment", "exp-none"), "is not in the store"),
        (("--intended-use", "none.yaml"), "it can't be read"),
    ],
)
def test_bad_input_ends_with_2_and_leaves_nothing(made, tmp_path, arguments, words):
    ran = command(made, "export", str(tmp_path / "out"), *arguments)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert not list(tmp_path.iterdir())


def test_without_a_store_there_is_nothing_to_export(tmp_path):
    ran = command(tmp_path / "home", "export", str(tmp_path / "out"))
    assert ran.returncode == 2
    assert "there is no champion yet" in ran.stderr


def test_the_template_is_printed_and_read(made, tmp_path):
    ran = command(made, "template")
    assert ran.returncode == 0
    (tmp_path / "use.yaml").write_text(ran.stdout.replace("  name:\n", "  name: ARC\n", 1))
    ran = command(made, "export", str(tmp_path / "out"), "--intended-use", str(tmp_path / "use.yaml"))
    assert ran.returncode == 0, ran.stderr
    use = json.loads((tmp_path / "out" / "intended_use.json").read_text())
    assert use["device"]["name"] == "ARC"
    assert use["declared_by"] is None
