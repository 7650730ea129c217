"""What Prefect's UI tells an operator: read through its API after a cycle, and in a real browser."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from arc_core.experiments import tables
from arc_core.experiments.board import Decision
from arc_core.experiments.memory import Memory
from arc_core.report.cycle import write_report
from arc_core.report.cycle_notes import plan_note
from arc_core.report.experiment_notes import approval_note
from tests.arc_core.report.pages import HOSTILE
from tests.browser import driven
from tests.command import TINY, memory_in, trained_in
from tests.flows.test_deployed import Up, on_a_free_port

TWO = [*TINY, "launch=pool", "board.experiments_per_cycle=2", "loop.max_gpu_hours=2", "loop.max_usd=5"]
LINKED = f"{HOSTILE} https://evil.example www.evil.example me@evil.example"


@pytest.fixture(scope="module")
def up(tmp_path_factory) -> Iterator[Up]:
    """A deployed cycle of two experiments, that has ended."""
    for up in on_a_free_port(tmp_path_factory.mktemp("shown") / "home"):
        ran = up.prefect(
            *("deployment", "run", "arc/continuous", "--watch"),
            *("--param", f"overrides={json.dumps(TWO)}", "--param", "max_cycles=1"),
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        yield up


@pytest.fixture(scope="module")
def memory(up) -> Memory:
    return memory_in(up.home)


@pytest.fixture(scope="module")
def artifacts(up) -> list[dict[str, Any]]:
    """Every version of every artifact, oldest first."""
    with up.client() as client:
        found = client.request("POST", "/artifacts/filter", json={"limit": 200}).json()
    return sorted(found, key=lambda each: each["created"])


def shown(artifacts: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return [each for each in artifacts if each["key"] == key]


def latest(artifacts: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """What the UI shows: Prefect's client asks again where no answer came in time, and may so create two."""
    return max(shown(artifacts, key), key=lambda each: each["created"])


def test_each_experiments_run_says_what_it_is_and_why_it_was_approved(up, memory, artifacts):
    runs = {run.parameters["experiment_id"]: run for run in up.runs("arc-gpu")}
    decisions = memory.said_of(list(runs), Decision)
    assert set(runs) == {experiment.id for experiment in trained_in(memory)}
    repeats = {each.id: each.repeat_of for each in trained_in(memory) if each.repeat_of is not None}
    for id_, run in runs.items():
        assert id_ in run.name
        if id_ in repeats:
            assert run.name == f"{id_}: {repeats[id_]} with another seed"
            continue
        (approval,) = shown(artifacts, f"{id_}-approval")
        assert approval["flow_run_id"] == str(run.id)
        assert approval["data"].count("weight") + approval["data"].count("abstains") == len(
            decisions[id_].votes
        )
        assert {"Why", "Changes", "Expected", "Proposed by"} <= set(
            approval["data"].replace(":", "").split("**")
        )


def test_each_experiments_run_has_its_learning_curve_and_progress(up, memory, artifacts):
    for run in up.runs("arc-gpu"):
        id_ = run.parameters["experiment_id"]
        curve, progress = (latest(artifacts, f"{id_}-{what}") for what in ("curve", "progress"))
        assert curve["flow_run_id"] == progress["flow_run_id"] == str(run.id)
        assert "](data:image/svg+xml;base64," in curve["data"]
        last = memory.result(id_).curve[-1]
        assert f"| {last.fold + 1} | {last.epoch} | {last.train_loss:.4f} |" in curve["data"]
        assert "finished, mean Dice" in curve["description"]


def test_the_cycles_run_says_what_it_is_the_plan_and_the_champion_before_it_ends(up, memory, artifacts):
    (run,) = up.runs("arc-control")
    (study,) = memory.studies()
    assert run.name == f"cycle 1 of {study} (simulated data)"
    champion = memory.champion(study)
    opening, end = shown(artifacts, "arc-champion")
    assert "No champion yet" in opening["description"]
    assert f"#{champion.number}, mean Dice" in end["description"]
    assert champion.id.replace("-", "\\-") in end["data"]
    (plan,) = shown(artifacts, "arc-plan")
    ends = min(each.end_time for each in up.runs("arc-gpu")).isoformat()
    assert opening["created"] < plan["created"] < ends
    for experiment in memory.experiments(study):
        assert experiment.id.replace("-", "\\-") in plan["data"]


def test_the_costs_are_told_against_the_budgets(artifacts):
    before, after = shown(artifacts, "arc-costs")
    for costs in (before, after):
        assert "| GPU-hours | 0.00 | 0.00 | 2, 0 % spent |" in costs["data"]
        assert "| US dollars | 0.00 | 0.00 | 5, 0 % spent |" in costs["data"]
        assert "| tokens | 0 | 0 | none |" in costs["data"]


def test_simulated_data_are_marked_in_every_artifact(artifacts):
    assert {each["key"] for each in artifacts} > {"arc-report", "arc-experiments", "arc-scorecards"}
    assert [each["key"] for each in artifacts if "SIMULATED" not in each["description"]] == []
    texts = [each for each in artifacts if each["type"] == "markdown"]
    assert [each["key"] for each in texts if "SIMULATED DATA" not in each["data"].splitlines()[0]] == []


@pytest.fixture(scope="module")
def hostile(up, memory, tmp_path_factory) -> dict[str, str]:
    """Key → Markdown of the cycle, had a model written hostile texts."""
    home = tmp_path_factory.mktemp("hostile")
    (home / "runs").symlink_to(up.home / "runs")
    other = Memory(f"sqlite:///{home / 'arc.db'}")
    memory.copy_to(other)
    with other.database.write() as db:
        for table, names in (
            (tables.proposals, ("hypothesis", "justification", "name")),
            (tables.decisions, ("reason",)),
        ):
            for row in db.execute(select(table.c.proposal_id, table.c.body)).all():
                body = row.body | dict.fromkeys(names, LINKED)
                db.execute(update(table).where(table.c.proposal_id == row.proposal_id).values(body=body))
    (id_,) = other.studies()
    study = other.study(id_)
    (cycle,) = other.cycles(id_)
    made = [experiment.id for experiment in other.experiments(id_)]
    notes = {
        "hostile-approval": approval_note(other, made[0]),
        "hostile-plan": plan_note(other, study, cycle),
    }
    report = write_report(other, study, cycle, tuple(made), (), home)
    return {key: note.text for key, note in notes.items()} | {"hostile-report": report.markdown}


@pytest.mark.parametrize("key", ["hostile-approval", "hostile-plan", "hostile-report"])
def test_a_models_words_forge_nothing(up, hostile, key):
    with up.client() as client:
        body = {"key": key, "type": "markdown", "data": hostile[key], "description": key}
        made = client.request("POST", "/artifacts/", json=body).json()
    with driven(f"{up.url}/artifacts/artifact/{made['id']}") as page:
        page.until("document.body.innerText.includes('SIMULATED DATA')")
        assert "https://evil.example www.evil.example me@evil.example" in str(
            page.run("document.body.innerText")
        )
        assert page.run("[...document.links].filter(link => link.href.includes('evil')).length") == 0
        pictures = "[...document.images].filter(image => !image.src.startsWith('data:')).map(i => i.src)"
        assert page.run(f"{pictures}.filter(source => source.includes('spy'))") == []
        assert (
            page.run("[...document.querySelectorAll('h1, h2')].map(h => h.innerText)").count("no heading")
            == 0
        )
        assert page.run("document.title") != "taken"


def test_the_champion_is_seen_in_a_browser(up, memory, artifacts):
    champion = memory.champion(memory.studies()[0])
    newest = shown(artifacts, "arc-champion")[-1]
    with driven(f"{up.url}/artifacts/artifact/{newest['id']}") as page:
        page.until("document.body.innerText.includes('Against the configured baseline')")
        text = str(page.run("document.body.innerText"))
    assert f"SIMULATED DATA · The champion: #{champion.number} {champion.id}" in text
    assert str(champion.outcome.result.metrics["mean_dice"]).replace(
        "\N{NO-BREAK SPACE}", " "
    ) in text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_curve_is_seen_in_a_browser(up, artifacts):
    curve = next(each for each in artifacts if each["key"].endswith("-curve"))
    with driven(f"{up.url}/artifacts/artifact/{curve['id']}") as page:
        drawn = (
            "[...document.images].some(image => image.src.startsWith('data:image/svg') && image.naturalWidth)"
        )
        page.until(drawn)
