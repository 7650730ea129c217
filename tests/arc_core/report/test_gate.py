"""What the report tells of the gate."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import NoiseFloor, Verdict
from arc_core.gate.declared import declare
from arc_core.gate.verdict import GateConfig
from arc_core.report.gate import told_of_gate
from arc_core.report.page import markdown
from tests.contracts.records import RESULT, STUDY, approve


@pytest.fixture(params=[(0.80, 0.81, 0.82)])
def memory(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Memory]:
    """A champion, trained three times; a rejected challenger, and one that waits for a repeat."""
    with closing(Memory(f"sqlite:///{tmp_path / 'arc.db'}")) as memory:
        memory.register_study(STUDY)
        declare(memory, STUDY.id, GateConfig())
        champion, loser, hopeful = approve(memory, 1, 2, 3)
        cycle = memory.begin_cycle(STUDY.id)
        memory.repeats.open(memory.experiment(champion), cycle, 2)
        memory.repeats.open(memory.experiment(hopeful), cycle, 1)
        repeats = memory.repeats.of([champion])[champion]
        for each, value in zip((champion, *(r.id for r in repeats)), request.param, strict=True):
            estimate = Estimate(value=value, low=0, high=1)
            memory.keep_result(each, RESULT.model_copy(update={"metrics": {"mean_dice": estimate}}))
        first = {"experiment_id": champion, "outcome": "baseline", "metric": "mean_dice", "champion_id": None}
        memory.keep_verdict(STUDY.id, Verdict.model_validate(first | {"comparisons": 0, "reason": "first"}))
        memory.keep_verdict(
            STUDY.id,
            Verdict(
                experiment_id=loser,
                outcome="reject",
                metric="mean_dice",
                champion_id=champion,
                effect=Estimate(value=-0.05, low=-0.08, high=-0.02, patients=30),
                level=0.9623,
                comparisons=1,
                p_value=0.99,
                allowance=0.0127,
                noise_floor=NoiseFloor(sd=0.01, degrees=2, specs=1),
                reason="the whole interval lies below 0.",
            ),
        )
        yield memory


def test_it_shows_floor_effect_interval_comparisons_allowance_and_reason(memory: Memory) -> None:
    told = told_of_gate(memory, STUDY)
    assert (told.comparisons, told.promoted, told.waiting) == (1, 0, 1)
    text = markdown("gate.md.j2", gate=told).replace("\\", "")
    assert "mean Dice of trainings that differ only in their seed varies by 0.0100" in text
    assert "the next comparison can promote no gain under 0.037," in text
    assert (
        "false promotion in this study is at most 5 %, as it was declared before its first training." in text
    )
    assert "| 1 | 0.800, 0.810, 0.820 |" in text
    assert "still to come: 1. The next verdicts wait for them." in text
    assert "can promote nothing any more" not in text
    assert (
        "| 2 | reject | -0.050 [-0.080, -0.020] | 96.23 % | 1 | 0.99 / 0.013 "
        "| the whole interval lies below 0. |" in text
    )
    assert "| 1 | baseline | – | – | – | – | first |" in text


@pytest.mark.parametrize("memory", [(0.68, 0.85, 0.72)], indirect=True)
def test_it_says_when_no_gain_that_is_left_could_be_promoted(memory: Memory) -> None:
    told = told_of_gate(memory, STUDY)
    assert told.least_gain > 1 - (0.68 + 0.85 + 0.72) / 3
    assert "this study can promote nothing any more" in markdown("gate.md.j2", gate=told)


def test_before_there_is_a_floor_it_says_that_nothing_can_be_promoted(tmp_path: Path) -> None:
    with closing(Memory(f"sqlite:///{tmp_path / 'arc.db'}")) as memory:
        memory.register_study(STUDY)
        text = markdown("gate.md.j2", gate=told_of_gate(memory, STUDY))
    assert "not measured yet, so nothing can be promoted" in text
