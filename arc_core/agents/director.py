"""The director: what kind of cycle comes next."""

from collections.abc import Sequence

from arc_core.agents.briefs import DirectBrief
from arc_core.agents.effects import Evidence
from arc_core.experiments.board import Budget, Directive, History, Mode, Role
from arc_core.experiments.metric import METRICS

WINDOW = 5
FEWEST_CYCLES = 3
AXES = 3  # named as focus, or as forbidden
Shares = tuple[int, int, int]  # exploit, explore, wildcat


class Director:
    role: Role = "director"

    def answer(self, brief: DirectBrief) -> Directive:
        mode, shares, why = forced_mode(brief.history) or choose_mode(
            brief.history.best_by_cycle, brief.metric
        )
        if brief.history.total_experiments == 0:
            why = "nothing has run yet: the baseline, and first steps away from it"
        focus, forbidden = _axes(brief.history, mode, brief.metric)
        budget = scaled(shares, brief.slots)
        if brief.history.total_experiments == 0 and budget.exploit == 0:  # one slot: it is the baseline's
            budget = Budget(exploit=1, explore=brief.slots - 1, wildcat=0)
        return Directive(
            mode=mode,
            objective=_objective(mode, brief.metric),
            budget=budget,
            focus_axes=focus,
            forbidden_axes=forbidden,
            notes=why,
        )


def forced_mode(history: History) -> tuple[Mode, Shares, str] | None:
    """Exploration, its shares, and why, while a mode collapse forces it; it comes before any trend."""
    why = next((alarm.text for alarm in history.alarms if alarm.watchdog == "mode_collapse"), None)
    return ("explore", (0, 2, 1), why) if why is not None else None


def choose_mode(by_cycle: Sequence[float], metric: str) -> tuple[Mode, Shares, str]:
    """The mode, its shares of three slots, and why.

    The change is the gain (positive is better, whatever the metric's direction) of the latest
    finished cycle's own best over the own best of the first of the last five. A running best could
    never fall, and so never ask for recovery.
    """
    if len(by_cycle) < FEWEST_CYCLES:
        finished = f"{len(by_cycle)} finished cycle{'' if len(by_cycle) == 1 else 's'}"
        return "explore", (1, 2, 0), f"{finished}, too few for a trend"
    window = by_cycle[-WINDOW:]
    change = round(METRICS[metric].gain(window[-1], over=window[0]), 12)  # 0.85 − 0.8 is over 0.05 in floats
    why = f"{METRICS[metric].label} changed by {change:+.3f} (better is +) over {len(window)} cycles"
    if change < -0.05:
        return "recover", (3, 0, 0), why
    if change < 0.01:
        return "explore", (0, 2, 1), why
    if change > 0.05:
        return "exploit", (3, 0, 0), why
    return "explore", (1, 2, 0), why


def scaled(shares: Shares, slots: int) -> Budget:
    """The shares stretched to `slots` by largest remainder; the total is always `slots`."""
    total = sum(shares)
    exact = [share * slots / total for share in shares]
    counts = [share * slots // total for share in shares]
    by_remainder = sorted(range(3), key=lambda i: (counts[i] - exact[i], -shares[i], i))
    for i in by_remainder[: slots - sum(counts)]:
        counts[i] += 1
    exploit, explore, wildcat = counts
    return Budget(exploit=exploit, explore=explore, wildcat=wildcat)


def _axes(history: History, mode: Mode, metric: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Axes that helped are the focus of exploiting; axes that hurt are barred while recovering."""
    evidence = Evidence(history.recent_experiments, metric)
    gains = {path: evidence.mean_gain(path) or 0.0 for path in evidence.axes}
    ranked = sorted(gains, key=lambda path: (-gains[path], path))
    helped = tuple(path for path in ranked if gains[path] > 0)[:AXES]
    hurt = tuple(path for path in reversed(ranked) if gains[path] < 0)[:AXES]
    return (() if mode == "explore" else helped), (hurt if mode == "recover" else ())


def _objective(mode: Mode, metric: str) -> str:
    label = METRICS[metric].label
    if mode == "exploit":
        return f"press the advantage: refine what has just improved {label}"
    if mode == "recover":
        return f"win back the lost {label} with small steps from the champion"
    return f"find what else moves {label}"


MIND = Director()
