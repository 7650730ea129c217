"""The tables of a cycle and of a plan, as wide as the terminal is."""

import pytest

from arc_core.experiments.metric import Estimate
from arc_core.report.summary import CycleSummary, PlannedRow, Row
from flows.terminal import Terminal

CHANGES = "architecture.name attention_unet, augmentation.blur_kernel_px 3, optimiser.lr 0.003"
LEFT_OUT = {"hypothesis", "seconds"}


def summary(**told) -> CycleSummary:
    return CycleSummary(
        study_id="study-26e8df06e1",
        cycle=1,
        metric="mean_dice",
        simulated=True,
        cohort="48 images of 36 patients",
        held_back="12 images of 9 patients are held back, sealed; opened 2 times",
        mode="explore",
        **told,
    )


def row(number: int, verdict: str) -> Row:
    return Row(
        number=number,
        experiment_id=f"exp-{number:010x}",
        cycle=1,
        hypothesis="a wider network finds the rim of small discs " * 2,
        changes=CHANGES,
        status="finished",
        metric=Estimate(value=0.8123, low=0.7012, high=0.9034),
        verdict=verdict,
        reason="",
        seconds=1234.0,
        arm="veto_control",
    )


ROWS = (row(7, "baseline"), row(1408, "inconclusive"))
PLANNED = PlannedRow(
    experiment_id="exp-0000000007",
    arm="veto_control",
    hypothesis="a wider network finds the rim of small discs",
    changes=CHANGES,
    device="GPU 0, 1",
    minutes=123.4,
    memory_mib=24_123.0,
    configuration="unet (width 8, depth 3), 32 px",
)


def shown(monkeypatch, capsys, columns: int | None, show) -> list[str]:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    show(Terminal())
    return capsys.readouterr().out.splitlines()


def table(lines: list[str], columns: int) -> list[str]:
    """The lines of the table, none of which may be wider than the terminal."""
    start = next(place for place, line in enumerate(lines) if "experiment" in line)
    found = [line for line in lines[start:] if not line.startswith(("champion", "exp-0000000007 final"))]
    assert max(map(len, found)) <= columns
    return found


@pytest.mark.parametrize("columns", [80, 100])
def test_a_cycle_can_be_read_in_a_narrow_terminal(monkeypatch, capsys, columns):
    lines = shown(monkeypatch, capsys, columns, lambda terminal: terminal.show_cycle(summary(rows=ROWS)))
    told = table(lines, columns)
    assert not LEFT_OUT & set(" ".join(told).split())
    for each in ROWS:
        (place,) = [place for place, line in enumerate(told) if each.experiment_id in line]
        assert {str(each.number), "0.812", each.verdict} < set(told[place].split())
        assert "[0.701, 0.903]" in told[place + 1].replace("\N{NO-BREAK SPACE}", " ")
    words = {word for line in told for word in line.split()}
    assert set(CHANGES.split()) <= words, "no name is broken"


def test_a_plan_can_be_read_in_a_narrow_terminal(monkeypatch, capsys):
    def show(terminal: Terminal) -> None:
        terminal.show_plan(summary(planned=(PLANNED,)), begun_s=1.0, flow_s=2.0)

    lines = shown(monkeypatch, capsys, 80, show)
    (first,) = [line for line in table(lines, 80) if "exp-0000000007" in line]
    assert first.split()[-5:] == ["GPU", "0,", "1", "123.4", "24123"]
    assert f"exp-0000000007 final training configuration: {PLANNED.configuration}" in lines
    assert not [line for line in lines if "{" in line]


@pytest.mark.parametrize("columns", [None, 160])
def test_a_wide_one_and_a_pipe_have_every_column(monkeypatch, capsys, columns):
    lines = shown(monkeypatch, capsys, columns, lambda terminal: terminal.show_cycle(summary(rows=ROWS)))
    head = next(line for line in lines if "experiment" in line)
    assert set(head.replace("┃", " ").split()) > LEFT_OUT


def test_that_a_test_part_is_held_back_is_said(monkeypatch, capsys):
    lines = shown(monkeypatch, capsys, 80, lambda terminal: terminal.show_cycle(summary()))
    assert "test part: 12 images of 9 patients are held back, sealed; opened 2 times" in lines
