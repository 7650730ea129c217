"""The report of a study, made from real results and opened in a real browser."""

from pathlib import Path

import pytest
from sqlalchemy import select, update

from arc_core.config import load_config
from arc_core.data.study import open_study
from arc_core.experiments import tables
from arc_core.experiments.board import Alarm, Decision, Lesson, Proposal, Recollection
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.memory import Memory, open_memory
from arc_core.experiments.objectives import Objective
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Experiment, Study
from arc_core.report.costs import costs_of, duration
from arc_core.report.front import told_of_front
from arc_core.report.overlays import ranked_cases
from arc_core.report.standing import standing_of
from arc_core.report.study import write_study_report
from arc_core.report.summary import rows_of
from arc_core.settings import get_settings
from benchmarks.board_store import fill
from tests.arc_core.report.pages import HOSTILE, Page, watched
from tests.browser import Driven, driven, rendered

BREAKING_OUT = f'"></td></tr></table></script><script>document.title = "taken"</script> {HOSTILE}'
OBJECTIVES = {"mean_dice": Objective(), "vcdr_mae": Objective()}
COLUMNS = ["#", "hypothesis", "what changed", "mean Dice [95 %]", "verdict", "status", "seconds", "cycle"]
ROWS = "[...document.querySelector('.sortable').tBodies[0].rows]"


def written(memory: Memory, study: Study, home: Path, *, objectives=None, **told) -> Path:
    front = told_of_front(memory, study, objectives or {}, cycle=10_000)
    return write_study_report(memory, study, home, standing_of(memory, study), front, **told)


def page_at(path: Path) -> Page:
    return Page(rendered(path.as_uri()))


def shown(page: Page) -> list[dict[str, str]]:
    """The rows of the table of experiments."""
    start = page.rows.index(COLUMNS) + 1
    end = next((i for i in range(start, len(page.rows)) if not page.rows[i]), len(page.rows))
    return [dict(zip(COLUMNS, row, strict=True)) for row in page.rows[start:end]]


def sort_by(page: Driven, column: str) -> list[str]:
    """Press a column's head; its cells from top to bottom."""
    page.press(column)
    return page.run(f"{ROWS}.map(row => row.cells[{COLUMNS.index(column)}].textContent)")


def proposed_again(memory: Memory, study: Study, **said) -> Experiment:
    """One more experiment, in a cycle of its own: the first proposal with another seed, and `said` of it."""
    cycle = memory.cycles(study.id)[0]
    proposal, decision = memory.kept(cycle.id, Proposal)[0], memory.kept(cycle.id, Decision)[0]
    new = proposal.model_copy(update={"id": "again", "spec": proposal.spec.changed({"seed": 77})} | said)
    memory.end_cycle(cycle.id)
    second = memory.begin_cycle(study.id)
    memory.keep(second.id, [new])
    selected = decision.model_copy(update={"proposal_id": "again", "selected": True})
    memory.keep_decisions(second, [selected], {"again": new})
    return memory.experiments(study.id)[-1]


def without_experiments(memory: Memory, study: Study) -> Study:
    """Another study on the same data, with a cycle that ran nothing."""
    fresh = memory.register_study(study.model_copy(update={"id": "study-without-any"}))
    memory.begin_cycle(fresh.id)
    return fresh


def test_the_page_shows_the_study(memory, study, home):
    path = written(memory, study, home, objectives=OBJECTIVES)
    page = page_at(path)
    assert path == home / "report" / "index.html"
    assert page.headings[0].endswith("· segmentation · SIMULATED DATA")
    assert {"Champion", "Experiments", "Learning curves", "Several objectives", "GPUs", "Costs"} <= set(
        page.headings
    )
    assert {"Scorecards", "Lessons"} <= set(page.headings)
    experiments = memory.experiments(study.id)
    for row, experiment in zip(shown(page), experiments, strict=True):
        result = experiment.outcome.result
        assert row["#"] == str(experiment.number)
        assert row["mean Dice [95 %]"] == str(result.metrics["mean_dice"])
        assert (row["status"], row["seconds"]) == ("finished", f"{result.total_s:.0f}")
    assert f"{study.id}/cycle-0001.html" in page.links
    assert len(page.pictures) == 7  # the front, and overlays of the three best and the three worst cases
    assert "Research software, not a medical device." in path.read_text()


def test_it_asks_for_nothing_and_nothing_complains(memory, study, home):
    with driven(written(memory, study, home, objectives=OBJECTIVES).as_uri()) as page:
        assert page.complaints() == []
        assert page.run("document.querySelectorAll('.plot path').length") > 3


def test_a_blocked_script_and_a_request_would_be_noticed(memory, study, home):
    path = written(memory, study, home)
    broken = path.read_text().replace(
        "</footer>", "</footer><script>1</script><img src='http://127.0.0.1:9/'>"
    )
    path.write_text(broken)
    with driven(path.as_uri()) as page:
        complaints = "\n".join(page.complaints())
    assert "Executing inline script violates" in complaints
    assert "127.0.0.1:9" in complaints


def test_a_click_sorts_numbers_as_numbers_and_a_second_turns_them(memory, study, home):
    failed = proposed_again(memory, study)
    memory.keep_failure(failed.id, "diverged")
    ids = [experiment.id for experiment in memory.experiments(study.id)]
    with memory.database.write() as db:
        for each, seconds in zip(ids, (100, 9, 20), strict=False):
            this = tables.results.c.experiment_id == each
            body = db.scalar(select(tables.results.c.body).where(this))
            db.execute(update(tables.results).where(this).values(body=body | {"total_s": seconds}))
    with driven(written(memory, study, home).as_uri()) as page:
        assert sort_by(page, "seconds") == ["9", "20", "100", "–"]
        assert sort_by(page, "seconds") == ["100", "20", "9", "–"]
        assert sort_by(page, "#") == ["1", "2", "3", "4"]
        words = sort_by(page, "hypothesis")
        assert words == sorted(words, key=str.casefold)


def test_one_experiment(memory, study, home):
    fresh = without_experiments(memory, study)
    only = proposed_again_in(memory, study, fresh)
    page = page_at(home_page(written(memory, fresh, home, objectives=OBJECTIVES), fresh))
    (row,) = shown(page)
    assert (row["#"], row["status"], row["mean Dice [95 %]"]) == ("1", "approved", "–")
    memory.keep_result(only.id, memory.result(memory.champion(study.id).id))
    path = home_page(written(memory, fresh, home, objectives=OBJECTIVES), fresh)
    with driven(path.as_uri()) as page:
        assert page.complaints() == []
        (value,) = sort_by(page, "mean Dice [95 %]")
    assert value == str(memory.experiment(only.id).outcome.result.metrics["mean_dice"])


def proposed_again_in(memory: Memory, study: Study, other: Study) -> Experiment:
    (cycle,) = memory.cycles(study.id)
    (open_cycle,) = memory.cycles(other.id)
    proposal, decision = memory.kept(cycle.id, Proposal)[0], memory.kept(cycle.id, Decision)[0]
    memory.keep(open_cycle.id, [proposal])
    memory.keep_decisions(open_cycle, [decision], {proposal.id: proposal})
    (only,) = memory.experiments(other.id)
    return only


def home_page(index: Path, study: Study) -> Path:
    return index.with_name(f"{study.id}.html")


def test_no_experiment(memory, study, home):
    fresh = without_experiments(memory, study)
    path = home_page(written(memory, fresh, home, objectives=OBJECTIVES), fresh)
    with driven(path.as_uri()) as page:
        assert page.complaints() == []
        assert sort_by(page, "seconds") == []
    assert "No experiment has been accepted yet" in path.read_text()
    assert page_at(path).pictures == []


def test_two_thousand_experiments(arc_home):
    config, memory = load_config(), open_memory(get_settings().store_url)
    study = open_study(memory, config.data, config.task, config.metric, arc_home)
    fill(memory, config, study, 2000)
    path = written(memory, study, arc_home, objectives=config.objectives)
    measured = {e.number: e.outcome.result for e in memory.experiments(study.id)}
    with driven(path.as_uri()) as page:
        assert page.complaints() == []
        assert sort_by(page, "#") == [str(number) for number in range(1, 2001)]
        values = sort_by(page, "mean Dice [95 %]")
        numbers = page.run(f"{ROWS}.map(row => Number(row.cells[0].textContent))")
    failed = [number for number, result in measured.items() if result is None]
    assert values[-len(failed) :] == ["–"] * len(failed)
    order = [measured[number].metrics["mean_dice"].value for number in numbers[: -len(failed)]]
    assert order == sorted(order)
    assert sorted(numbers[-len(failed) :]) == failed


def test_text_from_models_is_inert(memory, study, home):
    said = dict.fromkeys(("name", "hypothesis", "justification"), BREAKING_OUT)
    evil = proposed_again(memory, study, **said, changes={"architecture.name": BREAKING_OUT})
    memory.keep_failure(evil.id, BREAKING_OUT)
    lesson = Lesson(text=BREAKING_OUT, experiment_ids=(evil.id, '"><script>'))
    alarm = Alarm(watchdog="drift", text=BREAKING_OUT, experiment_ids=(evil.id,))
    memory.keep(memory.cycles(study.id)[-1].id, [Recollection(mind="m", lessons=(lesson,))])
    inert = page_at(written(memory, study, home))
    page = page_at(written(memory, study, home, lessons=(lesson,), alarms=(alarm,)))
    assert page.title == inert.title == page.headings[0]
    html = rendered((home / "report" / "index.html").as_uri())
    assert html.count("<script") == 1
    assert all(link.startswith(("#", f"{study.id}/")) for link in page.links)
    assert all(address.startswith("data:image/") for address in page.pictures)
    assert shown(page)[-1]["hypothesis"].startswith('"></td></tr></table></script><script>document')
    assert shown(page)[-1]["what changed"].startswith('architecture.name "></td></tr></table></script>')


def test_lessons_lead_to_the_experiments_that_taught_them(memory, study, home):
    first, second, third = (experiment.id for experiment in memory.experiments(study.id))
    earlier = Lesson(text="a model saw this", experiment_ids=(third,))
    memory.keep(memory.cycles(study.id)[0].id, [Recollection(mind="m", lessons=(earlier,))])
    path = written(
        memory,
        study,
        home,
        lessons=(Lesson(text="raising it helped", experiment_ids=(first,)),),
        forbidden=(ForbiddenRange(path="optimiser.lr", low=5e-3, high=1e-2, taught_by=second),),
    )
    section = rendered(path.as_uri()).partition('id="lessons"')[2]
    for text, taught in (
        ("raising it helped", first),
        ("a model saw this", third),
        ("learning rate from 0.005 to 0.01, taught by", second),
    ):
        assert f'href="#{taught}"' in section.partition(text)[2].partition("</li>")[0]
        assert f'<tr id="{taught}">' in path.read_text()


def test_several_studies_are_listed_with_the_one_that_ran_last_on_top(memory, study, home):
    fresh = without_experiments(memory, study)
    assert memory.studies() == (study.id, fresh.id)
    (home / "report" / f"{study.id}.html").unlink()
    index = page_at(written(memory, fresh, home))
    assert index.links == [f"{fresh.id}.html"]  # the other has no page
    index = page_at(written(memory, study, home))
    assert index.links == [f"{fresh.id}.html", f"{study.id}.html"]
    assert page_at(home / "report" / f"{study.id}.html").links[0] == "index.html"
    names = [row[0] for row in index.rows if len(row) == 6]
    assert names == ["study", fresh.id, study.id]


@pytest.mark.parametrize("simulated", [True, False])
def test_the_gpus_of_the_latest_cycles(memory, study, home, simulated):
    watched(memory, study, simulated=simulated)
    page = page_at(written(memory, study, home))
    first, second = (row[1:] for row in page.rows if len(row) == 6 and row[0] == "1")
    mark = " simulated" if simulated else ""
    assert first == [f"0{mark}", "100 %", "90.0 %", "90.0 %", "2,000"]
    assert second == [f"1{mark}", "0 %", "–", "30.0 %", "2,000"]
    assert ("GPUs · SIMULATED" in page.headings) == simulated


def test_the_best_and_the_worst_cases_are_shown(memory, study, home):
    champion = memory.champion(study.id)
    ranked = ranked_cases(memory, Runs(home / "runs"), champion.id)
    html = rendered(written(memory, study, home).as_uri())
    for words, case in (("best", ranked[-1]), ("worst", ranked[0])):
        assert f"{words}: <code>{case.image_id}</code>, mean Dice {case.mean_dice:.3f}" in html
    mask = home / "runs" / champion.id / f"fold-{ranked[0].fold}" / "masks" / f"{ranked[0].image_id}.png"
    mask.write_bytes(b"another")
    page = page_at(written(memory, study, home))
    assert len(page.pictures) == 5
    assert "Its mask is not the file that was recorded" in (home / "report" / "index.html").read_text()


def test_costs_are_those_of_the_store(memory, study):
    costs = costs_of(memory, study, standing_of(memory, study).scorecards)
    (cycle,) = memory.cycles(study.id)
    held = sum((e.released - e.granted).total_seconds() for e in memory.leases.of_study(study.id))
    assert costs.cpu_hours + costs.gpu_hours == pytest.approx(held / 3600)
    assert costs.wall_hours == pytest.approx((cycle.ended - cycle.started).total_seconds() / 3600)
    assert (costs.calls, costs.tokens, costs.usd) == (0, 0, 0)


@pytest.mark.parametrize(
    ("hours", "words"), [(0, "0 s"), (0.01, "36 s"), (0.2, "12 min"), (3.5, "3.5 h"), (2400, "2,400.0 h")]
)
def test_a_duration_has_the_unit_that_suits(hours, words):
    assert duration(hours) == words


def test_a_cycle_that_is_only_planned_is_no_cycle_yet(memory, study, home):
    (cycle,) = memory.cycles(study.id)
    before = costs_of(memory, study, ())
    planned = memory.ahead.plan(cycle)
    assert costs_of(memory, study, ()) == before
    html = written(memory, study, home).read_text()
    assert "failed, in 1 cycle</li>" in html
    assert f"cycle {planned.number}, " not in html


def test_a_baseline_configured_later_tells_what_it_has_otherwise(memory, study):
    (first,) = [each for each in memory.experiments(study.id) if each.number == 1]
    spec = first.outcome.spec.changed({"optimiser.lr": 0.0042, "seed": 5})
    again = proposed_again(memory, study, changes={}, parent_id=None, spec=spec)
    rows = {row.experiment_id: row.changes for row in rows_of(memory, study)}
    assert rows[first.id] == "–"
    assert rows[again.id] == "as configured: optimiser.lr 0.0042, seed 5"
