"""The gate's verdicts on what was trained."""

from arc_core.experiments.result import Verdict
from arc_core.experiments.runs import Runs
from arc_core.gate.panel import judge_finished
from arc_core.settings import get_settings
from tasks.context import Context
from tasks.policy import arc_task


@arc_task(name="judge")
def judge(context: Context) -> tuple[Verdict, ...]:
    """A verdict for every finished experiment that has none."""
    return judge_finished(context.memory, context.study, Runs.of(get_settings()), context.config.gate)
