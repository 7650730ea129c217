"""Published figures, to stand beside ARC's own: rarely comparable, and it says why not."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from arc_core.experiments.metric import Estimate
from arc_core.record import Record

Source = Literal["read", "second-hand"]


class Setting(Record):
    """On what a figure was measured. None: not recorded, so nothing can be compared with it."""

    data: str
    split: str | None = None
    crop: str | None = None
    resolution_px: str | None = None


class Published(Record):
    """A row of a paper. `source`: whether ARC's authors read the paper itself or what another says of it."""

    work: str
    setting: Setting
    figures: dict[str, float] = Field(description="metric of ARC → value")
    source: Source


def _published(work: str, data: str, source: Source, **figures: float) -> Published:
    part = "the official test part" if data.endswith(" test") else None
    return Published(work=work, setting=Setting(data=data, split=part), figures=figures, source=source)


PUBLISHED = (
    _published(
        "REFUGE, the best of each column",
        "REFUGE test",
        "second-hand",
        disc_dice=0.960,
        cup_dice=0.884,
        vcdr_mae=0.041,
        auc=0.989,
    ),
    _published("vCDR of the reference masks", "REFUGE test", "second-hand", auc=0.947),
    _published("BGA-Net", "Drishti-GS1", "read", disc_dice=0.975, cup_dice=0.898),
    _published("BGA-Net", "RIM-ONE r3", "read", disc_dice=0.967, cup_dice=0.872),
    _published("BGA-Net", "REFUGE", "read", disc_dice=0.951, cup_dice=0.866),
    _published("G-RISK, external", "REFUGE1", "read", auc=0.986),
    _published("G-RISK, external", "RIM-ONE r3", "read", auc=0.934),
)
"""What EVIDENCE.md lists. Crop, resolution and most splits are not recorded there, nor guessed here."""


class Beside(Record):
    """A published row, ARC's own figures of the same metrics, and why they can't be compared, if so."""

    published: Published
    own: dict[str, Estimate]
    why_not: tuple[str, ...]

    @property
    def comparable(self) -> bool:
        return not self.why_not


def beside(
    metrics: Mapping[str, Estimate], own: Setting, *, simulated: bool, rows: tuple[Published, ...] = PUBLISHED
) -> tuple[Beside, ...]:
    """The published rows that share a metric with `metrics`."""
    return tuple(
        Beside(
            published=row,
            own={name: metrics[name] for name in row.figures if name in metrics},
            why_not=_why_not(row.setting, own, simulated),
        )
        for row in rows
        if row.figures.keys() & metrics.keys()
    )


def _why_not(theirs: Setting, own: Setting, simulated: bool) -> tuple[str, ...]:
    """What is not known to be the same."""
    if simulated:
        return ("these images are simulated",)
    return tuple(
        f"{name.removesuffix('_px')} {'not recorded' if their is None or our is None else 'differs'}"
        for name, their in theirs
        if (our := getattr(own, name)) is None or their is None or their != our
    )
