"""The reports: pages of a cycle and of its study in the ARC home, a text and two tables in the Prefect UI."""

from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from arc_core.experiments.board import History
from arc_core.experiments.loop import Course
from arc_core.experiments.metric import METRICS
from arc_core.experiments.runs import Runs
from arc_core.report.cycle import write_report
from arc_core.report.note import mark
from arc_core.report.study import write_study_report
from arc_core.report.summary import CycleSummary
from arc_core.settings import get_settings
from tasks.artifact import show_champion, show_costs
from tasks.board import forbidden_ranges
from tasks.context import Context
from tasks.policy import arc_task


@arc_task(name="publish")
def publish(context: Context, history: History, trained: tuple[str, ...], loop: Course) -> CycleSummary:
    """Write and show the report of a cycle that trained these experiments, and of what follows it."""
    study = context.study
    home = get_settings().home.resolve()
    told: dict[str, Any] = {
        "alarms": history.alarms,
        "forbidden": forbidden_ranges(context),
        "runs": Runs.of(get_settings()),
    }
    report = write_report(
        context.memory,
        study,
        context.cycle,
        trained,
        history.lessons,
        home,
        objectives=context.config.objectives,
        loop=loop,
        **told,
    )
    write_study_report(
        context.memory, study, home, report.standing, report.front, lessons=history.lessons, **told
    )
    marked = mark(study.simulated)
    if (champion := report.summary.champion) is not None and champion.experiment_id in trained:
        show_champion(context)  # a new one
    show_costs(context)
    create_markdown_artifact(
        report.markdown, key="arc-report", description=f"{marked}Cycle {context.cycle.number}"
    )
    create_table_artifact(
        _table(report.summary), key="arc-experiments", description=f"{marked}This cycle's experiments"
    )
    create_table_artifact(
        [card.cells for card in report.standing.scorecards],
        key="arc-scorecards",
        description=f"{marked}Each role and mind in this study. {report.standing.contest}",
    )
    return report.summary


def _table(summary: CycleSummary) -> list[dict[str, object]]:
    label = METRICS[summary.metric].label
    return [
        {
            "#": row.number,
            "experiment": row.experiment_id,
            "hypothesis": row.hypothesis,
            "what changed": row.changes,
            f"{label} [95 %]": str(row.metric or "–"),
            "verdict": row.verdict,
            "arm": row.arm.replace("_", " "),
            "seconds": round(row.seconds) if row.seconds is not None else "–",
            "data": "simulated" if summary.simulated else "real",
        }
        for row in summary.rows
    ]
