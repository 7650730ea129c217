"""How each role and mind has done: what it proposed or judged, what came of it, and what it cost. Pure."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from arc_core.experiments.board import OFFLINE, Stance
from arc_core.experiments.call import Call
from arc_core.experiments.calls import NOTES
from arc_core.experiments.track import Track
from arc_core.record import Record

NONE = "–"
PROPOSES = ("role", "mind", "proposals", "approved", "improved", "in forecast", "forecast error")
JUDGES = ("role", "mind", "reviews", "approved", "vetoes right")
ASKS = ("role", "mind", "calls", "tokens", "cost, USD", "USD per improvement", "no use")
SAMPLED = ("control", "veto_control")
"""What runs whatever is thought of it: the rest of what ran was chosen, and proves no veto right."""
Seat = tuple[str, str]
"""Role and mind."""
Judgement = tuple[Stance, Track]
T = TypeVar("T")


class Share(Record):
    """So many of `n`; a dash where there is none to count."""

    hits: int = 0
    n: int = 0

    def __str__(self) -> str:
        return f"{100 * self.hits / self.n:.0f} % of {self.n}" if self.n else NONE


class Scorecard(Record):
    """One role, as one mind filled it. `mind`: `offline`, or a model's name."""

    role: str
    mind: str
    proposals: int = 0
    reviews: int = 0
    approved: Share = Share()
    """Of its proposals, by the board; of a judge's reviews, by itself."""
    improved: Share = Share()
    """Promoted by the gate, of its proposals that ran, failures included."""
    in_forecast: Share = Share()
    """Measured within the predicted interval, where the prediction said anything."""
    forecast_error: float | None = None
    """Mean absolute error of those predictions, in the primary metric."""
    vetoes_right: Share = Share()
    """No improvement, of what it had not approved and was tried all the same."""
    calls: int = 0
    tokens: int = 0
    usd: float | None = 0.0
    """None: a model's price is not known."""
    no_use: Share = Share()
    """Calls that brought no usable answer."""

    @property
    def cells(self) -> dict[str, str]:
        """As a table shows it, by column; a dash for what does not apply."""
        return {
            "role": self.role,
            "mind": self.mind,
            "proposals": str(self.proposals or NONE),
            "reviews": str(self.reviews or NONE),
            "approved": str(self.approved),
            "improved": str(self.improved),
            "in forecast": str(self.in_forecast),
            "forecast error": NONE if self.forecast_error is None else f"{self.forecast_error:.3f}",
            "vetoes right": str(self.vetoes_right),
            "calls": str(self.calls) if self.mind != OFFLINE else NONE,
            "tokens": f"{self.tokens:,}" if self.mind != OFFLINE else NONE,
            "cost, USD": self._cost(1),
            "USD per improvement": self._cost(self.improved.hits),
            "no use": str(self.no_use),
        }

    def _cost(self, parts: int) -> str:
        if self.mind == OFFLINE or not parts:
            return NONE
        return "not known" if self.usd is None else f"{self.usd / parts:.4f}"


def scorecards(tracks: Sequence[Track], calls: Sequence[Call], metric: str) -> tuple[Scorecard, ...]:
    """A card for each role and mind that has proposed, judged or been asked, in this order.

    `metric`: the study's primary one.
    """
    proposed = _gathered((_proposer(track), track) for track in tracks if track.arm != "person")
    judged = _gathered((seat, (stance, track)) for track in tracks for seat, stance in _judgements(track))
    asked = _gathered(((call.role, call.model), call) for call in calls if call.model != OFFLINE)
    seats = dict.fromkeys([*proposed, *judged, *asked])
    return tuple(
        Scorecard.model_validate(
            {"role": role, "mind": mind}
            | _of_proposals(proposed.get((role, mind), ()), metric)
            | _of_judgements(judged.get((role, mind), ()))
            | _of_calls(asked.get((role, mind), ()))
        )
        for role, mind in seats
    )


def _proposer(track: Track) -> Seat:
    return track.proposer, track.mind


def _judgements(track: Track) -> Iterator[tuple[Seat, Stance]]:
    """What the critics and the supervisor said of it."""
    for word in track.words:
        yield (word.role, word.mind), word.stance


def _of_proposals(tracks: Sequence[Track], metric: str) -> dict[str, Any]:
    if not tracks:
        return {}
    errors, inside = [], 0
    for track in tracks:
        result, predicted = track.outcome.result if track.outcome else None, track.predicted
        measured = result.metrics.get(metric) if result else None
        if measured is not None and predicted.foretells:
            errors.append(abs(measured.value - predicted.value))
            inside += predicted.low <= measured.value <= predicted.high
    return {
        "proposals": len(tracks),
        "approved": _share(track.decision == "approve" for track in tracks),
        "improved": _share(track.improved for track in tracks if track.improved is not None),
        "in_forecast": Share(hits=inside, n=len(errors)),
        "forecast_error": statistics.fmean(errors) if errors else None,
    }


def _of_judgements(judgements: Sequence[Judgement]) -> dict[str, Any]:
    if not judgements:
        return {}
    tried = [
        track.improved
        for stance, track in judgements
        if stance != "approve" and track.arm in SAMPLED and track.improved is not None
    ]
    return {
        "reviews": len(judgements),
        "approved": _share(stance == "approve" for stance, _ in judgements),
        "vetoes_right": _share(not improved for improved in tried),
    }


def _of_calls(own: Sequence[Call]) -> dict[str, Any]:
    """What one model took, and how often for nothing."""
    if not own:
        return {}
    made = [call for call in own if call.outcome not in NOTES]
    prices = [call.cost_usd for call in made if call.cost_usd is not None]
    return {
        "calls": len(made),
        "tokens": sum(call.tokens_in + call.tokens_out for call in made),
        "usd": sum(prices) if len(prices) == len(made) else None,
        "no_use": _share(call.outcome != "answered" for call in made),
    }


def _share(truths: Iterable[bool]) -> Share:
    counted = list(truths)
    return Share(hits=sum(counted), n=len(counted))


def _gathered(pairs: Iterable[tuple[Seat, T]]) -> dict[Seat, list[T]]:
    gathered: dict[Seat, list[T]] = {}
    for seat, item in pairs:
        gathered.setdefault(seat, []).append(item)
    return gathered
