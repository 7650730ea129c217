"""What a finished experiment leaves behind, and what the gate says of it."""

from typing import Literal

from pydantic import Field

from arc_core.experiments.metric import Estimate
from arc_core.experiments.vcdr_model import VcdrModel
from arc_core.record import Record

CASES = "cases.json"
"""Every `Case` of an experiment, in its run folder."""


class Overlap(Record):
    """A predicted region beside its reference, in pixels of the photograph's own frame."""

    iou: float
    hd95_px: float = Field(description="95 % Hausdorff distance; the frame's diagonal where one is empty")
    surface_dice: float = Field(description="at the tolerance of the case")
    predicted_px: int
    reference_px: int


class Outlines(Record):
    """How the outlines of disc and cup lie beside those of the reference mask."""

    disc: Overlap = Field(description="rim and cup together")
    cup: Overlap
    tolerance_px: float = Field(description="of the surface Dice")
    cup_outside_disc_px: int = Field(description="predicted cup outside of the reference's disc")


class Case(Record):
    """One patient image, measured while it was held out. None: not defined for the task or the data."""

    image_id: str
    patient_id: str
    fold: int
    label: int | None = None
    probability: float | None = None
    disc_dice: float | None = None
    cup_dice: float | None = None
    vcdr: float | None = None
    """Predicted; 0 for a disc without a cup, None also where no disc was found."""
    vcdr_reference: float | None = None
    dri: float | None = None
    """Disc relevance index: how far what a classification rests on is the disc. None without a mask."""
    outlines: Outlines | None = None
    """None for a classification, and where the case was measured before ARC knew them."""

    @property
    def mean_dice(self) -> float | None:
        if self.disc_dice is None or self.cup_dice is None:
            return None
        return (self.disc_dice + self.cup_dice) / 2

    @property
    def vcdr_error(self) -> float | None:
        """A disc that was not found counts as the worst answer there is, so that missing one never helps."""
        if self.vcdr_reference is None:
            return None
        if self.vcdr is None:
            return max(self.vcdr_reference, 1 - self.vcdr_reference)
        return abs(self.vcdr - self.vcdr_reference)


class Point(Record):
    """One point of a learning curve. The held-out loss is watched, never selected on."""

    fold: int
    epoch: int
    train_loss: float
    held_out_loss: float | None = None


class Figures(Record):
    """What was measured of one experiment over all its folds: all that the board and the tables read."""

    metrics: dict[str, Estimate]
    folds: int
    vcdr_model: VcdrModel | None = None
    device: str
    devices: int = 1
    precision: str = "fp32"
    deviations: tuple[str, ...] = Field(
        (), description="where it was carried out otherwise than asked, and why"
    )
    train_s: float = Field(description="time in training steps, over all folds")
    total_s: float = Field(description="time from the worker's start to its end")
    images: int = Field(description="training images seen, over all folds and epochs")
    work_gflop: float = Field(description="arithmetic of the training, from the cost table")
    peak_memory_mib: float

    @property
    def trained_on(self) -> str:
        """Where and in which arithmetic: `1 × cpu, fp32`."""
        return f"{self.devices} × {self.device}, {self.precision}"


class Result(Figures):
    """All that a finished experiment leaves in the store."""

    curve: tuple[Point, ...] = ()
    files: dict[str, str] = Field(description="path under the run folder → SHA-256")


ACCEPTED = ("baseline", "promote")
"""The outcomes of a verdict that make the challenger champion."""


class NoiseFloor(Record):
    """How much a metric varies from seed to seed at one spec, pooled over specs; in the metric's units."""

    sd: float = Field(ge=0)
    degrees: int = Field(ge=1, description="of freedom: trainings less specs")
    specs: int = Field(ge=1, description="that were trained with more than one seed")

    def __str__(self) -> str:
        return f"{self.sd:.4f} (standard deviation from seed to seed, {self.degrees} degrees of freedom)"


class Race(Record):
    """Why a training was stopped early: what its first folds say beside the champion's on the same cases."""

    champion_id: str
    champion_trainings: tuple[str, ...]
    metric: str
    folds: int = Field(description="that were finished, of those in all")
    of_folds: int
    effect: Estimate
    level: float
    p_loss: float = Field(description="of a loss as large where there is none")
    noise_floor: NoiseFloor = Field(description="over the cases of these folds")
    reason: str


class Verdict(Record):
    """The gate's answer on one challenger. What is None or empty was not known to the ARC that gave it."""

    experiment_id: str
    outcome: Literal["baseline", "promote", "reject", "inconclusive"]
    metric: str
    champion_id: str | None = Field(description="the champion it was compared with")
    effect: Estimate | None = Field(None, description="paired gain over that champion, positive is better")
    level: float | None = Field(
        None,
        description="of the effect's interval, whose lower end is missed with the allowance; None: no effect",
    )
    comparisons: int = Field(description="comparisons made in this study so far, this one included")
    p_value: float | None = Field(None, description="of a gain as large where there is none")
    allowance: float | None = Field(None, description="the error that this comparison might risk")
    trainings: tuple[str, ...] = Field((), description="the experiment, and its repeats with further seeds")
    champion_trainings: tuple[str, ...] = ()
    noise_floor: NoiseFloor | None = None
    reason: str
