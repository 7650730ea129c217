"""A sealed test part in a real study: it opens in one order only, is counted, and has no other door."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from arc_core.data.manifest import read_dataset
from arc_core.data.splits import hold_back
from arc_core.data.study import split_of
from arc_core.errors import DatasetError, StoreError
from arc_core.experiments.events import event
from arc_core.report.standing import standing_of
from arc_core.report.study import write_study_report
from arc_core.report.summary import held_back_in_words
from arc_core.training.opening import lock_plan, lock_threshold, open_test
from tests.arc_core.report.pages import Page
from tests.browser import rendered
from tests.command import TWO, Finished, copied, environment, memory_in, run_cycle
from tests.conftest import ROOT

SHARE = "data.test=0.25"
STUDY = (*TWO, "data.synthetic.cases=24", SHARE)


def command(
    home: Path, module: str, *arguments: str, stdout: int = subprocess.PIPE
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", f"flows.{module}", *arguments],
        cwd=ROOT,
        env=environment(home),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Finished:
    ran = run_cycle(tmp_path_factory.mktemp("sealed") / "home", *STUDY)
    assert ran.code == 0, ran.err
    return ran


@pytest.fixture
def home(made, tmp_path) -> Path:
    return copied(made.home, tmp_path / "home")


def study_in(home: Path):
    memory = memory_in(home)
    (study,) = memory.studies()
    return memory.study(study)


def told(home: Path) -> list[tuple[str, str, dict]]:
    entries = memory_in(home).ledger.entries()
    return [(e.event.kind, e.event.actor.name, e.event.facts) for e in entries]


def test_it_opens_after_plan_and_threshold_alone(home):
    sap = home.parent / "plan.txt"
    sap.write_text("our plan")
    opening = ("open-test", "--by", "Ada", "--reason", "the study is over")
    before = len(told(home))
    for lacking in ("the analysis plan is not locked", "the threshold of exp-"):
        ran = command(home, "dossier", *opening)
        assert ran.returncode == 2
        assert lacking in ran.stderr
        assert not (home / "evaluations").exists()
        if "plan" in lacking:
            assert command(home, "dossier", "lock-threshold", "--by", "Ada").returncode == 2
            assert len(told(home)) == before, "refused, and nothing was told"
            assert command(home, "dossier", "lock-plan", "--by", "Ada", "--file", str(sap)).returncode == 0
    assert command(home, "dossier", "lock-threshold", "--by", "Ada").returncode == 0
    first, second = (command(home, "dossier", *opening) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "the first time" in first.stdout
    assert "opening 2" in second.stdout
    assert first.stdout.startswith("SIMULATED")
    events = told(home)[before:]
    assert [kind for kind, _, _ in events] == [
        *("sap.locked", "threshold.locked"),
        *("testset.opened", "eval.completed") * 2,
    ]
    assert [facts["number"] for kind, _, facts in events if kind == "testset.opened"] == [1, 2]
    assert {name for kind, name, _ in events if kind != "eval.completed"} == {"Ada"}
    kept = [json.loads(path.read_bytes()) for path in sorted((home / "evaluations").iterdir())]
    assert [each["opened"]["number"] for each in kept] == [1, 2]
    assert kept[0]["cases"] == kept[1]["cases"]
    sealed = split_of(study_in(home)).sealed
    assert len(kept[0]["cases"]) == kept[0]["opened"]["evaluation"]["images"] == sealed.images
    assert command(home, "dossier", "verify").returncode == 0
    next((home / "evaluations").iterdir()).write_text("{}")
    ran = command(home, "dossier", "verify")
    assert ran.returncode == 1
    assert "evaluations" in ran.stderr
    assert command(home, "dossier", "lock-plan", "--by", "Ada").returncode == 0
    assert "deviation.recorded" in [kind for kind, _, _ in told(home)]
    ran = command(home, "dossier", *opening)
    assert ran.returncode == 2
    assert "locked under another plan" in ran.stderr


def test_whoever_predicts_is_told_of_the_locked_threshold(home):
    for act in ("lock-plan", "lock-threshold"):
        assert command(home, "dossier", act, "--by", "Ada").returncode == 0
    (event,) = [each.event for each in memory_in(home).ledger.entries(kind="threshold.locked")]
    new = home.parent / "new"
    new.mkdir()
    Image.new("RGB", (64, 64), (120, 40, 20)).save(new / "eye.png")
    ran = command(home, "predict", str(new), "--out", str(home.parent / "out"))
    assert ran.returncode == 0, ran.stderr
    words = f"Its threshold, locked by Ada: positive from a probability of {event.facts['threshold']:.4f}."
    assert words in (home.parent / "out" / "about.txt").read_text().splitlines()
    assert words in ran.stderr.splitlines()


def section_of(home: Path, name: str) -> str:
    page = (home / "report" / name).read_text()
    return page.partition('<section id="test-part"')[2].partition("</section>")[0]


def test_people_are_told_of_it(made, home):
    """In the terminal, by each act, and on the study's page: of its figures only once it was opened."""
    study = study_in(home)
    size = f"{split_of(study).sealed.images} images of {split_of(study).sealed.patients} patients"
    assert f"test part: {size} are held back, sealed; never opened" in made.out.splitlines()
    page = f"{study.id}.html"
    assert "It has never been opened" in section_of(home, page) == section_of(home, "index.html")
    sap = home.parent / "plan.txt"
    sap.write_text("our plan")
    planned = command(home, "dossier", "lock-plan", "--by", "Ada", "--file", str(sap)).stdout
    (event,) = [e.event for e in memory_in(home).ledger.entries(kind="sap.locked")]
    for words in (
        f"The analysis plan of {study.id} is locked, by Ada:",
        "metrics: mean_dice, disc_dice, cup_dice, vcdr_mae, auc, brier, sensitivity_at_85, sensitivity_at_95",
        "subgroups: site, camera, sex, age, label",
        f"test part: {split_of(study).sealed.sha256}",
        f"Its SHA-256: {event.outputs['plan']}",
        f"SHA-256 of plan.txt: {hashlib.sha256(b'our plan').hexdigest()}",
        "Next: python -m flows.dossier lock-threshold --by NAME",
    ):
        assert words in planned.splitlines()
    assert (
        "open-test --by NAME --reason TEXT" in command(home, "dossier", "lock-threshold", "--by", "A").stdout
    )
    hostile = "</section><script>taken</script>"
    for reason in ("the study is over", hostile):
        ran = command(home, "dossier", "open-test", "--by", "Ada", "--reason", reason)
        assert ran.returncode == 0, ran.stderr
    (cases,) = [json.loads((home / "evaluations" / f"{study.id}-test-1.json").read_bytes())["cases"]]
    dice = sum((case["disc_dice"] + case["cup_dice"]) / 2 for case in cases) / len(cases)
    said = next(line for line in ran.stdout.splitlines() if line.startswith("mean Dice: "))
    assert said == f"mean Dice: {dice:.3f}", "so few patients have no interval"
    assert any("No interval is printed of fewer than 10 patients" in line for line in ran.stdout.splitlines())
    shown = Page(rendered((home / "report" / page).as_uri()))
    assert [row[2:4] for row in shown.rows if len(row) == 5 and row[2] == "Ada"] == [
        ["Ada", "the study is over"],
        ["Ada", hostile],
    ]
    (row,) = [row for row in shown.rows if row[:1] == ["mean Dice"]]
    assert [" ".join(cell.split()) for cell in row[1:]] == [said.removeprefix("mean Dice: ")] * 2
    assert section_of(home, page) == section_of(home, "index.html")
    assert "script" in shown.tags  # the page's own, which sorts
    memory = memory_in(home)
    assert held_back_in_words(memory, study).endswith("opened 2 times")
    (home / "evaluations" / f"{study.id}-test-1.json").write_text("{}")
    write_study_report(memory, study, home, standing_of(memory, study), {"front": None})
    assert "Opening 1 has no figures: " in section_of(home, page)


def test_a_reader_that_leaves_early_does_not_leave_page_and_heads_behind(home):
    """As in `open-test … | head -1`: it is opened and counted whatever becomes of the words."""
    for act in ("lock-plan", "lock-threshold"):
        assert command(home, "dossier", act, "--by", "Ada").returncode == 0
    reader, writer = os.pipe()
    os.close(reader)
    opening = ("open-test", "--by", "Ada", "--reason", "x")
    ran = command(home, "dossier", *opening, stdout=writer)
    os.close(writer)
    assert ran.returncode == 1
    memory, study = memory_in(home), study_in(home)
    assert held_back_in_words(memory, study).endswith("opened 1 time")
    assert "Ada" in section_of(home, f"{study.id}.html")
    assert "No signed head" not in command(home, "dossier", "verify").stdout
    (home / "report" / "index.html").write_bytes(b"\xff")
    assert "mean Dice: " in command(home, "dossier", *opening).stdout, "told, where no page could be"


def test_subgroups_of_the_test_part_are_measured(home):
    for act in (("lock-plan",), ("lock-threshold",), ("open-test", "--reason", "x")):
        assert command(home, "dossier", *act, "--by", "Ada").returncode == 0
    (path,) = (home / "evaluations").iterdir()
    opened = json.loads(path.read_bytes())["opened"]
    groups = opened["evaluation"]["subgroups"]
    assert {each["grouping"] for each in groups} >= {"site", "camera"}
    for grouping in {each["grouping"] for each in groups}:
        own = [each["images"] for each in groups if each["grouping"] == grouping]
        assert sum(own) == opened["evaluation"]["images"]


def test_what_is_locked_after_an_opening_is_a_deviation(home):
    memory, study = memory_in(home), study_in(home)
    champion = memory.champion(study.id)
    other = next(each for each in memory.experiments(study.id) if each.id != champion.id)
    lock_plan(memory, study, "Ada", "", None)
    lock_threshold(memory, study, champion, (), "Ada", "")
    sealed = {"test": split_of(study).sealed.sha256}
    memory.ledger.append(event("testset.opened", study.id, inputs=sealed, facts={"number": 1}))
    lock_threshold(memory, study, champion, (), "Bo", "")
    lock_threshold(memory, study, other, (), "Bo", "")
    lock_plan(memory, study, "Bo", "", None)
    recorded = [entry.event for entry in memory.ledger.entries(kind="deviation.recorded")]
    when = "after the test part was opened once"
    assert [(each.subject, each.actor.name, each.reason) for each in recorded] == [
        (champion.id, "Bo", f"the threshold of {champion.id} is locked anew {when}"),
        (other.id, "Bo", f"the threshold of {other.id} is locked {when}"),
        (study.id, "Bo", f"the plan is locked anew {when}"),
    ]


def test_a_plan_of_another_version_opens_nothing(home, monkeypatch):
    memory, study = memory_in(home), study_in(home)
    champion = memory.champion(study.id)
    lock_plan(memory, study, "Ada", "", None)
    lock_threshold(memory, study, champion, (), "Ada", "")
    monkeypatch.setattr("arc_core.training.opening.VERSION", 99)
    with pytest.raises(StoreError, match="not what this ARC would do"):
        open_test(memory, study, champion, pytest.fail, by="Ada", reason="curious", home=home)
    assert "testset.opened" not in [kind for kind, _, _ in told(home)]


@pytest.fixture
def locked(home, tmp_path):
    """The home with plan and threshold locked, and the data's folder, which is restored afterwards."""
    memory, study = memory_in(home), study_in(home)
    lock_plan(memory, study, "Ada", "", None)
    lock_threshold(memory, study, memory.champion(study.id), (), "Ada", "")
    root = Path(study.dataset["root"])
    shutil.copytree(root, tmp_path / "kept")
    yield home, root
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(tmp_path / "kept", root)


def a_link_to_nowhere(root: Path) -> None:
    image = next((root / "images").iterdir())
    image.unlink()
    image.symlink_to("/nowhere")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (shutil.rmtree, "no such folder"),
        (lambda root: shutil.rmtree(root / "images"), "no images/ folder"),
        (lambda root: next((root / "images").iterdir()).unlink(), "it has 23 images, and had 24"),
        (lambda root: next((root / "masks").iterdir()).unlink(), "it can't be read"),
        (a_link_to_nowhere, "it can't be read"),
    ],
    ids=["the folder", "its images", "an image", "a mask", "what a link leads to"],
)
def test_while_it_is_away_nothing_is_opened_and_nothing_counted(locked, harm, words):
    """A disk that is not mounted must not cost the only opening of an unseen test part."""
    home, root = locked
    memory, study, before = memory_in(home), study_in(home), told(home)
    harm(root)
    champion = memory.champion(study.id)
    with pytest.raises(DatasetError, match=words) as found:
        open_test(memory, study, champion, pytest.fail, by="Ada", reason="the end", home=home)
    assert "nothing is counted" in str(found.value)
    assert "--data" not in str(found.value)
    assert told(home) == before


def test_an_opening_that_fails_counts_and_is_sealed(locked):
    """Its message says so, and nobody can cut it off the ledger unnoticed."""
    home, root = locked
    for image in (root / "images").iterdir():
        image.write_bytes(b"rotten")
    ran = command(home, "dossier", "open-test", "--by", "Ada", "--reason", "the study is over")
    assert ran.returncode == 2
    assert ran.stderr.startswith("This was opening 1 of the test part. It counts, though it failed:\nDataset")
    assert [kind for kind, _, _ in told(home)][-1] == "testset.opened"
    ran = command(home, "dossier", "verify")
    assert ran.returncode == 0, ran.stderr
    assert "could be cut off" not in ran.stdout


def test_no_public_path_reads_it(home):
    """Another study, a dry run, another share, the champion's predictions, what was written so far."""
    study = study_in(home)
    root = Path(study.dataset["root"])
    hidden = hold_back(read_dataset(root, "segmentation"), 0.25, 0)[1]
    door = f"sealed test part of {study.id}"
    without = tuple(word for word in STUDY if word != SHARE)
    for arguments in (
        without,
        ("--dry-run", *without),
        (*without, "data.test=0.5"),
    ):
        ran = run_cycle(home, *arguments)
        assert ran.code == 2, ran.out + ran.err
        assert door in ran.err
    images = home.parent / "images"
    images.mkdir()
    for case in hidden.cases[:1]:
        shutil.copy(hidden.image_path(case), images / "innocent.png")
    ran = command(home, "predict", str(images), "--out", str(home.parent / "out"))
    assert ran.returncode == 2
    assert door in ran.stderr
    assert not (home.parent / "out" / "predictions.csv").exists()
    with Image.open(images / "innocent.png") as image:
        image.save(images / "innocent.jpg", quality=80)
    (images / "innocent.png").unlink()
    ran = command(home, "predict", str(images), "--out", str(home.parent / "out"))
    assert ran.returncode == 2
    assert f"innocent.jpg: it looks like an image of the {door}" in ran.stderr
    assert not (home.parent / "out" / "predictions.csv").exists()
    spectra = split_of(study).sealed.spectra
    assert spectra
    assert all(spectra not in path.read_text() for path in home.glob("runs/*/plan.json"))
    ids = {case.image_id for case in hidden.cases}
    for path in home.glob("runs/*/fold-*/predictions.csv"):
        with path.open() as file:
            assert {row["image_id"] for row in csv.DictReader(file)} & ids == set()
    for path in (home / "report").rglob("*.html"):
        text = path.read_text()
        assert not [name for name in ids if name in text], path
        assert "is sealed" in text or path.name == "index.html"
    asked = [name for call in memory_in(home).calls.of_study(study.id) for name in ids if name in str(call)]
    assert asked == []


def test_a_study_without_one_has_nothing_to_open(one_cycle):
    for act in (("lock-plan",), ("open-test", "--reason", "curious")):
        ran = command(one_cycle.home, "dossier", *act, "--by", "Ada")
        assert ran.returncode == 2
        assert "the study has no test part" in ran.stderr
        assert "data.test" in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("lock-plan", "--by", "Ad\udce4"),
        ("lock-plan", "--by", "Ada", "--file", "/caf\udce9"),
        ("open-test", "--by", "Ada", "--reason", "caf\udce9"),
    ],
)
def test_what_is_not_utf_8_is_refused(one_cycle, arguments):
    ran = command(one_cycle.home, "dossier", *arguments)
    assert ran.returncode == 2
    assert "is not UTF-8" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_control_characters_do_nothing_to_the_terminal(one_cycle):
    ran = command(one_cycle.home, "dossier", "lock-plan", "--by", "\x1b[31mAda", "--study", "\x1b[31mnone")
    assert ran.returncode == 2
    assert "\x1b" not in ran.stderr + ran.stdout
    assert r"got \x1b[31mnone" in ran.stderr


@pytest.mark.parametrize(
    "arguments", [("open-test", "--by", "Ada"), ("open-test", "--by", " ", "--reason", "x")]
)
def test_a_name_and_a_reason_are_needed(one_cycle, arguments):
    assert command(one_cycle.home, "dossier", *arguments).returncode == 2
