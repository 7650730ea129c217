"""How far a cycle filled its GPUs, from made-up samples."""

import io
import math
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from arc_core.experiments.sample import Sample, Watch
from arc_core.report.gpu_plot import gpu_loads
from arc_core.report.gpus import MOST_POINTS, in_words, loads

START = datetime(2026, 1, 2, tzinfo=UTC)
WATCH = Watch(started=START, interval_s=5, gpus={0: "NVIDIA A40", 1: "NVIDIA A40"})


def series(gpu_index: int, *readings: tuple[float | None, str], first: int = 0) -> list[Sample]:
    """A reading every 5 s: utilisation, and the jobs in a word."""
    return [
        Sample(
            at=START + timedelta(seconds=5 * place),
            gpu_index=gpu_index,
            utilisation_percent=percent,
            memory_used_mib=100.0 + place,
            memory_total_mib=1000,
            jobs=tuple(jobs.split()),
            simulated=False,
        )
        for place, (percent, jobs) in enumerate(readings, first)
    ]


def test_the_mean_is_over_the_readings_with_a_job():
    (load,) = loads(series(0, (0, ""), (80, "a"), (90, "a"), (10, "")), [WATCH], {})
    assert (load.training_percent, load.percent, load.job_share) == (85, 45, 0.5)
    assert (load.name, load.peak_memory_mib, load.memory_total_mib) == ("NVIDIA A40", 103, 1000)


def test_what_a_card_does_not_tell_is_no_zero():
    samples = series(0, (None, "a"), (90, "a")) + series(1, (None, "b"))
    first, second = loads(samples, [WATCH], {})
    assert (first.training_percent, second.training_percent) == (90, None)
    assert "90.0 %" in in_words(samples)
    assert in_words(series(1, (None, "b"))) == "These GPUs do not tell their utilisation."
    gpu_loads([first, second], simulated=False)


@pytest.mark.parametrize(("percent", "words"), [(85.0, "85 % is met"), (84.9, "85 % is not met")])
def test_the_target_is_held_against_all_gpus_that_trained(percent, words):
    samples = series(0, (percent + 5, "a")) + series(1, (percent - 5, "b")) + series(2, (0, ""))
    assert in_words(samples).endswith(f"{words}.")


def test_an_idle_night_is_no_missed_target():
    assert "no utilisation" in in_words(series(0, (0, ""), (0, "")))


def test_a_job_is_a_bar_from_its_first_to_its_last_reading():
    readings = [(1, ""), (1, "a"), (1, "a b"), (1, "b"), (1, "c")]
    (load,) = loads(series(0, *readings), [WATCH], {"a": "#1", "b": "#2"})
    spans = [(bar.label, bar.start_minutes * 12, bar.end_minutes * 12, bar.lane) for bar in load.bars]
    assert spans == [("#1", 1, 2, 0), ("#2", 2, 3, 1), ("c", 4, 4, 0)]
    assert load.lanes == 2


def test_a_cycle_that_was_interrupted_has_a_gap_in_line_and_bar():
    samples = series(0, (90, "a"), (90, "a")) + series(0, (90, "a"), (90, "a"), first=100)
    (load,) = loads(samples, [WATCH], {})
    assert [bar.end_minutes - bar.start_minutes for bar in load.bars] == [pytest.approx(1 / 12)] * 2
    assert [math.isnan(moment.utilisation_percent) for moment in load.line].count(True) == 1


def test_a_long_night_is_thinned_and_keeps_its_means():
    readings = [(90.0, "a"), (70.0, "a")] * 6000
    (load,) = loads(series(0, *readings), [WATCH], {})
    assert len(load.line) <= MOST_POINTS
    assert {moment.utilisation_percent for moment in load.line} == {80.0}
    assert load.training_percent == 80


def test_the_plot_has_a_panel_for_each_gpu():
    samples = [each for index in range(3) for each in series(index, (90, "a"), (80, "a"), (10, ""))]
    heights = [
        Image.open(io.BytesIO(gpu_loads(loads(some, [WATCH], {}), simulated=False))).height
        for some in (samples[:3], samples)
    ]
    assert heights[1] > 2 * heights[0]
    found = loads(samples, [WATCH], {})
    assert gpu_loads(found, simulated=True) != gpu_loads(found, simulated=False)
