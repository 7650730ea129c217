"""What the terminal shows: bars while it trains, tables when it is done."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from arc_core.experiments.metric import METRICS
from arc_core.report.summary import CycleSummary, PlannedRow, Row, arm_in_words, printable
from arc_core.training.prediction import Predicted
from tasks.progress import announcers, listeners

WIDE = 120
"""Columns of a terminal from which on a table has room for all that there is to say."""
LEFT_OUT = ("hypothesis", "seconds")
WORDS: dict[str, Any] = {"overflow": "fold"}
WHOLE: dict[str, Any] = {"no_wrap": True}
FIGURE: dict[str, Any] = {"justify": "right", "no_wrap": True}
MEASURED: dict[str, Any] = {"min_width": len("[0.123, 0.456]")}
COLUMNS = {
    "#": FIGURE,
    "experiment": WHOLE,
    "hypothesis": WORDS,
    "what changed": WORDS,
    "what would change": WORDS,
    "verdict": WHOLE,
    "seconds": FIGURE,
    "device": WHOLE,
    "minutes": FIGURE,
    "memory MiB": FIGURE,
}
STYLES = {
    "baseline": "cyan",
    "promote": "bold green",
    "reject": "red",
    "failed": "red",
    "stopped": "yellow",
    "withdrawn": "yellow",
    "pruned": "yellow",
}


def counted(number: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class Terminal:
    """Progress goes to stderr, and only when it is a terminal; results go to stdout."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)
        if not self._out.is_terminal and "COLUMNS" not in os.environ:
            self._out = Console(highlight=False, width=160)  # a pipe has no width of its own
        self._err = Console(stderr=True)

    @contextmanager
    def progress(self, words: str) -> Iterator[None]:
        """A bar for the whole, and one for each part that tells of itself."""
        columns = (
            TextColumn("{task.fields[name]}"),
            BarColumn(24),
            TextColumn("{task.fields[percent]}"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
        )
        bars = Progress(*columns, console=self._err, transient=True, disable=not self._err.is_terminal)
        tasks: dict[str, TaskID] = {}

        def listen(experiment_id: str, percent: float | None, words: str) -> None:
            if experiment_id not in tasks:
                tasks[experiment_id] = bars.add_task(words, name=experiment_id, total=100, percent="")
            if percent is None:
                bars.remove_task(tasks.pop(experiment_id))
            else:
                shown = f"{percent:>3.0f} %"
                bars.update(tasks[experiment_id], completed=percent, percent=shown, description=words)

        def announce(words: str) -> None:
            bars.console.print(escape(words), soft_wrap=True)

        listeners.append(listen)
        announcers.append(announce)
        try:
            with bars:
                bars.add_task(words, name="arc", total=None, percent="")
                yield
        finally:
            listeners.remove(listen)
            announcers.remove(announce)

    def show(self, table: Table) -> None:
        self._out.print(table)

    def show_cycle(self, summary: CycleSummary) -> None:
        """The cycle's table, the champion, and where the report lies."""
        self._headline("cycle", summary)
        self._out.print(self._results(summary))
        for row in summary.rows:
            if row.reason:
                self._out.print(f"#{row.number} {row.verdict}: {escape(row.reason)}", soft_wrap=True)
        if summary.noise_floor is not None:
            label = METRICS[summary.metric].label
            self._out.print(f"noise floor of {label}: {summary.noise_floor}", soft_wrap=True)
        if summary.rejected:
            self._out.print(f"Not approved: {counted(summary.rejected, 'proposal')}; the report says why.")
        for reason, roles in _by_reason(summary.fell_back).items():
            self._out.print(
                f"[yellow]offline mind[/] for {', '.join(roles)}: {escape(printable(reason))}", soft_wrap=True
            )
        if summary.note:
            self._out.print(escape(summary.note), soft_wrap=True)
        self._show_champion(summary.champion, summary.metric)
        self._out.print(f"report: {summary.report}", soft_wrap=True)

    def show_plan(self, summary: CycleSummary, *, begun_s: float, flow_s: float) -> None:
        """What would be trained, and where the dry run's own time went."""
        self._headline("dry run of cycle", summary)
        rows = [
            {
                "experiment": _named(row),
                "hypothesis": escape(row.hypothesis),
                "what would change": escape(row.changes),
                "device": row.device,
                "minutes": f"{row.minutes:.1f}",
                "memory MiB": f"{row.memory_mib:.0f}",
            }
            for row in summary.planned
        ]
        self._out.print(self._table(rows))
        for row in summary.planned:
            words = f"[bold]{row.experiment_id}[/] final training configuration: {escape(row.configuration)}"
            self._out.print(words, soft_wrap=True)
        for line in summary.models:
            self._out.print(f"model: {escape(line)} (a dry run asks none)", soft_wrap=True)
        self._out.print(
            f"Not approved: {counted(summary.rejected, 'proposal')}. Nothing was trained or recorded."
        )
        shares = f"start and imports {begun_s:.1f} s · Prefect {flow_s - summary.body_s:.1f} s"
        self._out.print(f"time: {shares} · the cycle's own steps {summary.body_s:.1f} s")

    def show_predictions(self, champion: str, predicted: Predicted, out: Path) -> None:
        """Who predicted what, and where it lies."""
        self._out.print(escape(champion), soft_wrap=True)
        for remark in predicted.remarks:
            self.warn(remark)
        self._out.print(f"{counted(predicted.images, 'image')}: {out / 'predictions.csv'}", soft_wrap=True)

    def say(self, words: str) -> None:
        """One line."""
        self._out.print(escape(printable(words)), soft_wrap=True)

    def warn(self, words: str) -> None:
        """One line that is no result."""
        self._err.print(f"[yellow]{escape(printable(words))}[/]", soft_wrap=True)

    def _headline(self, kind: str, summary: CycleSummary) -> None:
        mark = " · [bold yellow]SIMULATED DATA[/]" if summary.simulated else ""
        self._out.print(f"\n[bold]ARC {kind} {summary.cycle}[/] · {summary.study_id} · {summary.mode}{mark}")
        self._out.print(summary.cohort)
        if summary.held_back:
            self._out.print(f"test part: {summary.held_back}", soft_wrap=True)

    def _results(self, summary: CycleSummary) -> Table:
        metric = METRICS[summary.metric].label + (" [95 %]" if self._is_wide else "\n[95 %]")
        rows = [
            {
                "#": f"{row.number}" if row.cycle == summary.cycle else f"{row.number}\nof cycle {row.cycle}",
                "experiment": _named(row),
                "hypothesis": escape(row.hypothesis),
                "what changed": escape(row.changes),
                metric: escape(self._stacked(str(row.metric or "–"))),
                "verdict": _styled(row.verdict),
                "seconds": f"{row.seconds:.0f}" if row.seconds is not None else "–",
            }
            for row in summary.rows
        ]
        return self._table(rows)

    def _stacked(self, estimate: str) -> str:
        """A narrow terminal has the interval below the value."""
        return estimate if self._is_wide else estimate.replace("\N{NO-BREAK SPACE}", "\n", 1)

    def _table(self, rows: Sequence[Mapping[str, str]]) -> Table:
        """Cells by the name of their column; a narrow terminal has no room for some."""
        frame: dict[str, Any] = {} if self._is_wide else {"box": SIMPLE_HEAD, "padding": (0, 1, 0, 0)}
        table = Table(header_style="bold", pad_edge=False, show_edge=self._is_wide, **frame)
        names = [name for name in rows[0] if self._is_wide or name not in LEFT_OUT] if rows else []
        for name in names:
            table.add_column(escape(name), **COLUMNS.get(name, WHOLE if self._is_wide else MEASURED))
        for row in rows:
            table.add_row(*(row[name] for name in names))
        return table

    @property
    def _is_wide(self) -> bool:
        return self._out.width >= WIDE

    def _show_champion(self, champion: Row | None, metric: str) -> None:
        if champion is None:
            self._out.print("champion: none yet")
            return
        value = escape(str(champion.metric))
        words = f"#{champion.number} {champion.experiment_id}, {METRICS[metric].label} {value}"
        self._out.print(f"champion: [bold]{words}[/], since cycle {champion.cycle}", soft_wrap=True)


def _styled(verdict: str) -> str:
    style = STYLES.get(verdict, "")
    return f"[{style}]{verdict}[/]" if style else verdict


def _by_reason(fell_back: Mapping[str, str]) -> dict[str, list[str]]:
    """Roles by their reason: a server that is down is told once."""
    gathered: dict[str, list[str]] = {}
    for role, reason in fell_back.items():
        gathered.setdefault(reason, []).append(role)
    return gathered


def _named(row: Row | PlannedRow) -> str:
    """The experiment's id, and below it the arm where that is not the board."""
    arm = arm_in_words(row.arm)
    return f"{row.experiment_id}\n[magenta]({arm})[/]" if arm else row.experiment_id
