"""The board against its control: whose experiments gain more, and can that be told from chance? Pure."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from arc_core.agents.forecast import student
from arc_core.experiments.metric import Estimate
from arc_core.experiments.track import Track
from arc_core.record import Record

FEWEST = 2
COMPARED = ("board", "control")


class Side(Record):
    """One arm: how many of its experiments count, how many of them failed, and their mean gain."""

    experiments: int = 0
    failed: int = 0
    mean_gain: float | None = None


class Contest(Record):
    """`lead`: the board's mean gain less the control's, with its 95 % interval; None: too few to tell."""

    board: Side
    control: Side
    lead: Estimate | None = None

    @property
    def answer(self) -> Literal["better", "worse", "cannot be told", "too few"]:
        if self.lead is None:
            return "too few"
        if self.lead.low > 0:
            return "better"
        return "worse" if self.lead.high < 0 else "cannot be told"

    def __str__(self) -> str:
        """The answer as a sentence, with the numbers of experiments behind it."""
        counts = f"{self.board.experiments} of the board, {self.control.experiments} of the control"
        if self.lead is None:
            enough = min(self.board.experiments, self.control.experiments) >= FEWEST
            why = "no two of an arm differ" if enough else f"at least {FEWEST} of each are needed"
            return f"Too few to tell: {counts}, {why}."
        by = f"{self.lead.value:+.3f} [{self.lead.low:+.3f}, {self.lead.high:+.3f}]"
        answers = {
            "better": "The board is better than its control",
            "worse": "The board is worse than its control",
        }
        words = answers.get(self.answer, "Whether the board is better than its control cannot be told")
        return f"{words}: their mean gains differ by {by} (95 % interval); experiments: {counts}."


def contest(tracks: Sequence[Track]) -> Contest:
    """Mean gain of the board's experiments less that of the control's, in the cycles that ran both.

    A gain is over the parent that was changed, in the primary metric, positive is better. Early cycles
    gain more than late ones, so one without the other arm would weigh on one side only. Baselines,
    tried vetoes and what has no comparison are left out. A failure counts as the worst gain of either
    arm, and at most 0 (worst-rank score, Lachin 1999): an arm must not look better for failing where
    it would have done badly. The interval is Welch's.
    """
    gains = _gains(tracks)
    both = {track.cycle for track, _ in gains if track.arm == "board"}
    both &= {track.cycle for track, _ in gains if track.arm == "control"}
    ours, theirs = (
        [gain for track, gain in gains if track.cycle in both and track.arm == arm] for arm in COMPARED
    )
    worst = min([0.0, *(gain for gain in ours + theirs if gain is not None)])
    return Contest(
        board=_side(ours, worst),
        control=_side(theirs, worst),
        lead=welch(_filled(ours, worst), _filled(theirs, worst)),
    )


def welch(ours: Sequence[float], theirs: Sequence[float]) -> Estimate | None:
    """Difference of the means with Welch's 95 % interval (1947): the two may differ in their spread.

    None with fewer than two values of either, or where no value differs from any other of its side.
    """
    if min(len(ours), len(theirs)) < FEWEST:
        return None
    parts = [(statistics.variance(values) / len(values), len(values)) for values in (ours, theirs)]
    square = math.fsum(part for part, _ in parts)
    if square <= 0:
        return None
    shares = [(part / square, n) for part, n in parts]  # of 1: a tiny square must not vanish when squared
    freedom = 1 / math.fsum(share**2 / (n - 1) for share, n in shares)
    half = student(freedom) * math.sqrt(square)
    difference = statistics.fmean(ours) - statistics.fmean(theirs)
    return Estimate(value=difference, low=difference - half, high=difference + half)


def _side(gains: Sequence[float | None], worst: float) -> Side:
    return Side(
        experiments=len(gains),
        failed=gains.count(None),
        mean_gain=statistics.fmean(_filled(gains, worst)) if gains else None,
    )


def _filled(gains: Iterable[float | None], worst: float) -> list[float]:
    """With `worst` for each failure."""
    return [worst if gain is None else gain for gain in gains]


def _gains(tracks: Iterable[Track]) -> list[tuple[Track, float | None]]:
    """Each experiment that counts, with its gain over its parent; None for a failure."""
    tracks = tuple(tracks)
    by_experiment = {track.verdict.experiment_id: track for track in tracks if track.verdict is not None}
    return [
        (track, None if track.failed else _over_parent(track, by_experiment))
        for track in tracks
        if track.improved is not None and track.arm in COMPARED
    ]


def _over_parent(track: Track, by_experiment: Mapping[str, Track]) -> float:
    """The gain over the parent rather than over the champion of the verdict.

    The gate judges one by one: whoever comes after a promotion of the same cycle meets a better champion,
    and the control always comes last. Gains on the same cases add up, so those of the champions
    in between are added.
    """
    verdict, gain = track.verdict, 0.0
    while verdict is not None and verdict.effect is not None:
        gain += verdict.effect.value
        if verdict.champion_id is None or verdict.champion_id == track.parent_id:
            break
        champion = by_experiment.get(verdict.champion_id)
        verdict = champion.verdict if champion else None
    return gain
