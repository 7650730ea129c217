"""The report of a study: all its cycles on one page that needs neither a server nor a network."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arc_core.agents import wording
from arc_core.data.study import dataset_of, split_of
from arc_core.experiments.board import Alarm, Lesson, Recollection
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import METRICS
from arc_core.experiments.result import Case
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Cycle, Experiment, Study
from arc_core.provenance.files import write_atomically
from arc_core.report import curves
from arc_core.report.champions import champions_of
from arc_core.report.costs import costs_of, duration
from arc_core.report.evaluation import told_of_evaluation
from arc_core.report.gate import told_of_gate
from arc_core.report.overlays import overlay_of, ranked_cases
from arc_core.report.page import TEMPLATES, Picture, html_of, inline, markdown, page_of
from arc_core.report.sealed import section_of_test_part
from arc_core.report.standing import Standing
from arc_core.report.summary import Row, arm_in_words, cohort_in_words, rows_of, spec_in_words, split_in_words

LATEST_CYCLES = 10  # whose GPUs are shown
LATEST_CURVES = 5
OVERLAYS = 3  # of the best cases, and of the worst
REMEMBERED = 20  # of the lessons that models have drawn


def write_study_report(
    memory: Memory,
    study: Study,
    home: Path,
    standing: Standing,
    front: Mapping[str, Any],
    *,
    lessons: Sequence[Lesson] = (),
    alarms: Sequence[Alarm] = (),
    forbidden: Sequence[ForbiddenRange] = (),
    runs: Runs | None = None,
) -> Path:
    """Write the study's page and the index of `home`/report; gives the index.

    With one study in the store its page is the index; with several the index lists them. `standing` and
    `front`: as the report of its last cycle has them. `lessons`: what the historian says now. The rest is
    as for that report.
    """
    folder = home / "report"
    folder.mkdir(parents=True, exist_ok=True)
    champion = memory.champion(study.id)
    runs, rows = runs or Runs(home / "runs"), rows_of(memory, study)
    several = len(memory.studies()) > 1
    told = _head(memory, study, rows, champion) | {
        "up": ("index.html", "all studies") if several else None,
        "pages": {cycle.number for cycle in memory.cycles(study.id) if _page(folder, study, cycle.number)},
        "curves": _curves(memory, rows, champion),
        "gate": html_of(markdown("gate.md.j2", gate=told_of_gate(memory, study))),
        "front": html_of(markdown("front.md.j2", label=METRICS[study.metric].label, **front)),
        "evaluation": told_of_evaluation(memory, study, runs, champion, folder / study.id),
        "test_part": section_of_test_part(memory, study, home),
        "overlays": _overlays(memory, study, runs, champion),
        "duration": duration,
        "costs": costs_of(memory, study, standing.scorecards),
        "scorecards": html_of(markdown("scorecards.md.j2", standing=standing, directive=None)),
        "lessons": lessons,
        "remembered": _remembered(memory, study, lessons),
        "alarms": alarms,
        "forbidden": [(wording.forbidden(bad), bad.taught_by) for bad in forbidden],
    }
    html = page_of(
        "study.html.j2", script=(TEMPLATES / "sort.js").read_text(), **(told | _gpus(memory, study))
    )
    write_atomically(folder / f"{study.id}.html", html)
    index = folder / "index.html"
    write_atomically(index, _index(memory, folder) if several else html)
    return index


def _page(folder: Path, study: Study, cycle: int) -> bool:
    return (folder / study.id / f"cycle-{cycle:04d}.html").is_file()


def _head(memory: Memory, study: Study, rows: Sequence[Row], champion: Experiment | None) -> dict[str, Any]:
    """What the page says of the study and of its champions, and its table."""
    dataset, cycles = dataset_of(study), _begun(memory, study.id)
    champions, scores = champions_of(memory, study), memory.scores(study.id, study.metric)
    return {
        "title": f"ARC · {dataset.name} · {study.task}{' · SIMULATED DATA' if study.simulated else ''}",
        "study": study,
        "dataset": dataset,
        "cohort": cohort_in_words(dataset),
        "split": split_in_words(split_of(study), dataset),
        "unit": "patient" if dataset.has_patient_ids else "image",
        "label": METRICS[study.metric].label,
        "higher": METRICS[study.metric].higher_is_better,
        "cycles": len(cycles),
        "last": cycles[-1].number if cycles else 0,
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "champions": champions,
        "champion": champions[-1] if champions else None,
        "champion_spec": spec_in_words(champion.outcome.spec) if champion else "",
        "measured": len(scores),
        "best": curves.best_so_far(scores, study.metric),
        "rows": rows,
        "numbers": {row.experiment_id: row.number for row in rows},
        "arm_in_words": arm_in_words,
    }


def _curves(memory: Memory, rows: Sequence[Row], champion: Experiment | None) -> list[tuple[str, str, Any]]:
    """Of the champion and of the latest experiments: id, words, plot."""
    latest = [row.experiment_id for row in rows if row.status == "finished"][-LATEST_CURVES:]
    ids = dict.fromkeys([*([champion.id] if champion else []), *reversed(latest)])
    found = []
    for each in ids:
        result = memory.result(each)
        plot = curves.learning_curve(result.curve) if result else None
        if plot:
            found.append((each, "champion" if champion and each == champion.id else "", plot))
    return found


def _overlays(
    memory: Memory, study: Study, runs: Runs, champion: Experiment | None
) -> list[tuple[str, Case, Picture | None]]:
    """The champion's best and worst cases; none of a classification, which has no masks."""
    ranked = ranked_cases(memory, runs, champion.id) if champion else ()
    if champion is None or not ranked:
        return []
    dataset, some = dataset_of(study), min(OVERLAYS, (len(ranked) + 1) // 2)
    worst, best = ranked[:some], ranked[max(some, len(ranked) - some) :]
    return [
        (words, case, inline(overlay_of(memory, runs, dataset, champion.id, case)))
        for words, cases in (("best", tuple(reversed(best))), ("worst", worst))
        for case in cases
    ]


def _gpus(memory: Memory, study: Study) -> dict[str, Any]:
    cycles = {cycle.id: cycle.number for cycle in memory.cycles(study.id)[-LATEST_CYCLES:]}
    totals = [(cycles[total.cycle_id], total) for total in memory.samples.totals(tuple(cycles))]
    return {
        "gpus": sorted(totals, key=lambda total: -total[0]),
        "gpu_plot": curves.gpu_use(totals),
        "simulated_gpus": any(total.simulated for _, total in totals),
        "latest_cycles": LATEST_CYCLES,
    }


def _remembered(memory: Memory, study: Study, known: Sequence[Lesson]) -> list[Lesson]:
    """The latest lessons of models that are not among the `known`, the newest first."""
    told = {lesson.text for lesson in known}
    found: dict[str, Lesson] = {}
    for recollections in reversed(memory.archive.kept_by_meeting(study.id, Recollection).values()):
        for each in recollections:
            found |= {new.text: new for new in each.lessons if new.text not in told | found.keys()}
    return list(found.values())[:REMEMBERED]


def _begun(memory: Memory, study_id: str) -> list[Cycle]:
    """Its cycles but for one that is only planned."""
    return [cycle for cycle in memory.cycles(study_id) if cycle.status != "planned"]


def _index(memory: Memory, folder: Path) -> bytes:
    """The studies of the store, the one that ran last on top."""
    studies = []
    for study_id in reversed(memory.studies()):
        study, champion = memory.study(study_id), memory.champion(study_id)
        cycles, result = _begun(memory, study_id), champion.outcome.result if champion else None
        studies.append(
            {
                "study": study,
                "data": dataset_of(study).name,
                "experiments": len(memory.outcomes(study_id)),
                "champion": champion and (champion.number, result and result.metrics.get(study.metric)),
                "label": METRICS[study.metric].label,
                "cycle": cycles[-1] if cycles else None,
                "has_page": (folder / f"{study_id}.html").is_file(),
            }
        )
    return page_of("studies.html.j2", title="ARC · studies", up=None, studies=studies)
