"""An evaluation as tables, each number with the evaluation in the ledger that it comes from."""

from collections.abc import Callable, Iterator, Mapping

from arc_core.dossier.document import Block, Cell, Section, Table, text
from arc_core.dossier.facts import Facts
from arc_core.dossier.figure import Figure
from arc_core.evaluation import calibration, outlines, threshold
from arc_core.evaluation.evaluation import Classification, Evaluation
from arc_core.evaluation.few import TOLD, behind, firm, in_group
from arc_core.evaluation.segmentation import Drawn, Segmentation
from arc_core.evaluation.subgroups import FEW_OF_A_CLASS, FEW_PATIENTS, OF_TASK
from arc_core.evaluation.threshold import Confusion
from arc_core.experiments.metric import METRICS, Estimate

DEFINED = "docs/evaluation.md of ARC defines every figure, with its source and what it is tested against."


class Measured:
    """The figures of one evaluation. `subject`: what the ledger's evaluation is about.

    `metrics`: of the same cases; some are not among the figures.
    """

    def __init__(
        self, facts: Facts, found: Evaluation, subject: str, metrics: Mapping[str, Estimate]
    ) -> None:
        self.facts, self.found, self.subject, self.metrics = facts, found, subject, metrics

    def figure(self, name: str, value: Estimate | float | None, unit: str = "") -> Figure | None:
        """Without an interval where too few patients are behind it."""
        return self._printed(name, firm(value, self.found.patients), unit)

    def share(self, name: str, value: Estimate | None) -> Figure | None:
        """With Wilson's interval, which holds of any number of patients."""
        return self._printed(name, value)

    def _scored(self, name: str, value: Estimate | float | None) -> Figure | None:
        """Of both classes."""
        scores = self.found.classification
        assert scores is not None, "it is one of its figures"
        least = behind("auc", self.found.patients, self.found.images, scores.positives)
        return self._printed(name, firm(value, least))

    def _printed(self, name: str, value: Estimate | float | None, unit: str = "") -> Figure | None:
        return None if value is None else self.facts.evaluations.figure(name, value, self.subject, unit)

    def main(self) -> dict[str, Figure]:
        """The figures that stand for the others, name → figure."""
        masks, scores = self.found.segmentation, self.found.classification
        known = {METRICS[name].label: self._metric(name) for name in ("mean_dice", "dri")}
        if masks is not None:
            known["disc Dice, mean"] = self.figure("disc Dice, mean", masks.disc.dice_mean)
            known["cup Dice, mean"] = self.figure("cup Dice, mean", masks.cup.dice_mean)
            known["vCDR MAE"] = self.figure("vCDR MAE", masks.vcdr_mae)
        if scores is not None:
            known |= {name: self._scored(name, value) for name, value in _classified(scores)}
            if scores.confusion is not None:
                at = (
                    "at the locked threshold"
                    if scores.confusion.locked
                    else "at thresholds of the other folds"
                )
                for name in ("sensitivity", "specificity"):
                    known[f"{name} {at}"] = self.share(f"{name} {at}", getattr(scores.confusion, name))
        return {name: figure for name, figure in known.items() if figure is not None}

    def sections(self, title: str) -> Iterator[Section]:
        """Segmentation, classification and subgroups, each where it was measured."""
        masks, scores = self.found.segmentation, self.found.classification
        if masks is not None:
            yield Section(title=f"{title}: disc and cup", level=2, blocks=tuple(self._masks(masks)))
        if scores is not None:
            by = " by the vCDR" if masks else ""
            yield Section(title=f"{title}: glaucoma{by}", level=2, blocks=tuple(self._scores(scores)))

    def _masks(self, masks: Segmentation) -> Iterator[Block]:
        rows = [
            (
                name,
                *(self.figure(f"{structure} {name}", pick(drawn), unit) for structure, drawn in _both(masks)),
            )
            for name, unit, pick in _DRAWN
        ]
        if masks.tolerance_px is not None:
            low, high = (f"{each:.1f}" for each in masks.tolerance_px)
            note = (
                f"Surface Dice within {low if low == high else f'{low}–{high}'} px: "
                f"{100 * outlines.TOLERANCE:g} % of the longer side, 1 px at least. Where nothing was found, "
                "the distance is the diagonal of the frame."
            )
        else:
            note = "These cases were measured before ARC knew distances of outlines."
        yield Table(
            head=("per image, in its own frame", "disc (rim and cup)", "cup"),
            rows=tuple(row for row in rows if any(row[1:])),
            widths=(0.4, 0.3, 0.3),
            numbers=(1, 2),
            caption=note,
        )
        others: list[tuple[str, Cell]] = [
            ("mean Dice of disc and cup", self._metric("mean_dice")),
            ("vCDR, mean absolute error", self.figure("vCDR MAE", masks.vcdr_mae)),
            (
                "images whose cup leaves the reference's disc",
                self._count("cup outside disc", masks.cup_outside_disc),
            ),
            (
                "such pixels, mean over all images",
                self.figure("cup outside disc", masks.cup_outside_disc_px, "px"),
            ),
        ]
        yield Table(head=("measure", "value"), rows=tuple(others), widths=(0.6, 0.4), numbers=(1,))

    def _scores(self, scores: Classification) -> Iterator[Block]:
        rows: list[tuple[Cell, ...]] = [
            (name, self._scored(name, value)) for name, value in (*_classified(scores), *_calibrated(scores))
        ]
        yield text(
            f"{scores.positives} of {self.found.images} images have glaucoma by the reference standard."
        )
        yield Table(
            head=("measure", "value"),
            rows=tuple(rows),
            widths=(0.62, 0.38),
            numbers=(1,),
            caption=f"Expected calibration error: {calibration.RULE}, without an interval. " + DEFINED,
        )
        if scores.confusion is not None:
            yield from self._confusion(scores.confusion)

    def _confusion(self, at: Confusion) -> Iterator[Block]:
        counts = {
            name: self._count(name, getattr(at, name))
            for name in ("true_positive", "false_negative", "false_positive", "true_negative")
        }
        right = {
            name: self.share(name, getattr(at, name)) for name in ("sensitivity", "specificity", "ppv", "npv")
        }
        where = "the locked threshold" if at.locked else "thresholds that were each chosen on the other folds"
        listed = self._thresholds(at)
        yield text(f"Confusion matrix, counting images, at {where}:", *listed, ".")
        yield Table(
            head=("reference standard", "called glaucoma", "called normal", "share right"),
            rows=(
                ("glaucoma", counts["true_positive"], counts["false_negative"], right["sensitivity"]),
                ("normal", counts["false_positive"], counts["true_negative"], right["specificity"]),
                ("share right", right["ppv"], right["npv"], None),
            ),
            widths=(0.22, 0.26, 0.26, 0.26),
            numbers=(1, 2, 3),
            caption="Right: sensitivity and specificity; below: PPV and NPV at these images' own prevalence. "
            f"Wilson's intervals by patient. Rule of the threshold: {threshold.RULE}.",
        )

    def _thresholds(self, at: Confusion) -> list[str | Figure]:
        """The locked one, or one for each fold."""
        pieces: list[str | Figure] = []
        for fold, value in at.thresholds.items():
            figure = self._printed("threshold", value)
            assert figure is not None
            if at.locked:
                return [figure]
            pieces += [",", f"fold {fold}", figure]
        return pieces[1:]

    def subgroups(self) -> Iterator[Block]:
        """One table; a group that is too small is shown, and marked."""
        columns = OF_TASK[self.facts.study.task]
        groups = self.found.subgroups
        if not groups:
            yield text("None were evaluated on these images.")
            return
        yield Table(
            head=("group", "images", "patients", *(METRICS[name].label for name in columns)),
            rows=tuple(
                (
                    f"{group.grouping}: {group.name}" + (" (too small)" if group.small else ""),
                    str(group.images),
                    str(group.patients),
                    *(
                        self._printed(f"{METRICS[name].label} of {group.name}", in_group(group, name))
                        for name in columns
                    ),
                )
                for group in groups
            ),
            widths=(0.24, 0.08, 0.09, *[0.59 / len(columns)] * len(columns)),
            numbers=tuple(range(1, 3 + len(columns))),
            caption=f"Too small to tell: fewer than {FEW_PATIENTS} patients, or {FEW_OF_A_CLASS} images of "
            f"a class that the group has. It is shown all the same. {TOLD}",
        )

    def _metric(self, name: str) -> Figure | None:
        return self.figure(METRICS[name].label, self.metrics.get(name))

    def _count(self, name: str, value: int | None) -> Figure | None:
        return self.figure(name.replace("_", " "), value, "images")


def _classified(scores: Classification) -> tuple[tuple[str, Estimate | None], ...]:
    return (
        ("AUC", scores.auc),
        ("AUC, with DeLong's interval (by image)", scores.auc_delong),
        ("partial AUC, specificity 0.90–1.00, McClish: 0.5 is chance", scores.partial_auc),
        ("the same, raw: 0.1 is the most", scores.partial_auc_raw),
        ("sensitivity at specificity 0.95", scores.sensitivity_at_95),
        ("sensitivity at specificity 0.85", scores.sensitivity_at_85),
        ("Brier score (lower is better)", scores.brier),
    )


def _calibrated(scores: Classification) -> tuple[tuple[str, Estimate | float | None], ...]:
    found = scores.calibration
    return (
        ("expected calibration error", found.ece),
        ("calibration slope (1 where calibrated)", found.slope),
        ("calibration intercept (0 where calibrated)", found.intercept),
    )


def _both(masks: Segmentation) -> tuple[tuple[str, Drawn], ...]:
    return ("disc", masks.disc), ("cup", masks.cup)


_DRAWN: tuple[tuple[str, str, Callable[[Drawn], Estimate | float | None]], ...] = (
    ("Dice, mean", "", lambda drawn: drawn.dice_mean),
    ("Dice, median", "", lambda drawn: drawn.dice_median),
    ("IoU, mean", "", lambda drawn: drawn.iou_mean),
    ("95 % Hausdorff distance, mean, px", "px", lambda drawn: drawn.hd95_mean_px),
    ("95 % Hausdorff distance, median, px", "px", lambda drawn: drawn.hd95_median_px),
    ("surface Dice, mean", "", lambda drawn: drawn.surface_dice_mean),
    ("images where none was found", "images", lambda drawn: drawn.empty),
    ("images whose reference has none", "images", lambda drawn: drawn.absent),
)
