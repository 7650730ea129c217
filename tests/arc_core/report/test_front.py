"""The front in words and as a picture: for few experiments and many, and where metrics are missing."""

import io

import pytest
from PIL import Image

from arc_core.experiments.board import Outcome
from arc_core.experiments.metric import Estimate
from arc_core.experiments.objectives import Objective
from arc_core.gate.front import front_of
from arc_core.report.front import SHOWN, FrontSection, section_of
from arc_core.report.front_plot import picture_of
from tests.contracts.records import RESULT, SPEC

RIGHT = {"auc": Objective(), "dri": Objective(constraint=0.6)}
MASKS = {"mean_dice": Objective(), "vcdr_mae": Objective(), "auc": Objective(constraint=0.5)}


def outcomes(*measured: dict[str, float]) -> list[Outcome]:
    """One experiment each, two to a cycle."""
    return [
        Outcome(
            experiment_id=f"exp-{number}",
            cycle=(number + 1) // 2,
            spec=SPEC,
            status="finished",
            result=RESULT.model_copy(
                update={"metrics": {n: Estimate(value=v, low=v, high=v) for n, v in metrics.items()}}
            ),
        )
        for number, metrics in enumerate(measured, start=1)
    ]


def shown(objectives, *measured: dict[str, float], champion: str | None = None) -> FrontSection:
    return section_of(front_of(outcomes(*measured), objectives), objectives, champion)


def drawn(objectives, *measured: dict[str, float]) -> Image.Image | None:
    png = picture_of(front_of(outcomes(*measured), objectives), objectives, "exp-1")
    if png is None:
        return None
    with Image.open(io.BytesIO(png)) as picture:
        picture.load()
        return picture.copy()


def test_the_best_of_the_first_objective_stands_on_top():
    section = shown(
        RIGHT, {"auc": 0.7, "dri": 0.9}, {"auc": 0.9, "dri": 0.7}, {"auc": 0.6, "dri": 0.7}, champion="exp-2"
    )
    assert section.columns == ("#", "AUC [95 %]", "DRI [95 %]", "cycle", "experiment")
    assert [(row[0], *row[3:]) for row in section.rows] == [
        ("2", "1", "exp-2, champion"),
        ("1", "1", "exp-1"),
    ]
    assert (section.dominated, section.champion) == (1, "#2 is on the front")
    assert section.volumes == ("0.770", "0.770")
    assert section.corner == "AUC 0, DRI 0"


def test_where_lower_is_better_the_lowest_stands_on_top():
    objectives = {"vcdr_mae": Objective(), "mean_dice": Objective()}
    section = shown(objectives, {"vcdr_mae": 0.2, "mean_dice": 0.9}, {"vcdr_mae": 0.1, "mean_dice": 0.8})
    assert [row[0] for row in section.rows] == ["2", "1"]
    assert section.corner == "vCDR MAE 1, mean Dice 0"


def test_who_is_kept_off_is_named_with_the_reason():
    section = shown(RIGHT, {"auc": 0.9, "dri": 0.4}, {"auc": 0.8}, {"auc": 0.7, "dri": 0.6}, champion="exp-1")
    assert section.breaking == (1, "#1 (DRI 0.4000)")
    assert section.unmeasured == (1, "#2 (no DRI)")
    assert section.champion == "#1 breaks a constraint (DRI 0.4000)"
    assert [row[0] for row in section.rows] == ["3"]


def test_many_are_counted_where_they_can_not_all_be_named():
    on = [{"auc": 0.5 + n / 100, "dri": 0.9 - n / 100} for n in range(SHOWN + 5)]
    off = [{"auc": 0.9, "dri": 0.1} for _ in range(SHOWN + 2)]
    section = shown(RIGHT, *on, *off)
    assert (len(section.rows), section.beside) == (SHOWN, 5)
    assert section.breaking[0] == SHOWN + 2
    assert section.breaking[1].startswith(f"2 before, #{len(on) + 3} (DRI 0.1000), ")


def test_without_any_experiment_there_is_nothing_to_show():
    section = shown(RIGHT)
    assert (section.rows, section.volumes, section.absent) == ((), (), ("AUC", "DRI"))
    assert drawn(RIGHT) is None


def test_one_objective_is_no_picture():
    assert drawn(RIGHT, {"auc": 0.8}, {"auc": 0.7}) is None
    assert drawn(RIGHT, {"auc": 0.8}, {"dri": 0.7}) is None


BOTH = {"mean_dice": 0.8, "vcdr_mae": 0.1}


@pytest.mark.parametrize(
    ("objectives", "measured", "panels"),
    [
        (RIGHT, [{"auc": 0.8, "dri": 0.7}], (1, 1)),
        (RIGHT, [{"auc": 0.8, "dri": 0.1}], (1, 1)),  # off the front, for its constraint
        (RIGHT, [{"auc": 0.8, "dri": 0.7}, {"auc": 0.9, "dri": 0.65}], (1, 1)),
        (RIGHT, [{"auc": 0.8, "dri": 0.7}, {"auc": 0.9}, {"auc": 0.9, "dri": 0.1}], (2, 1)),
        (RIGHT, [{"auc": 0.8, "dri": 0.1}] * 3, (1, 1)),  # two cycles, and nothing has grown
        (MASKS, [BOTH, BOTH], (1, 1)),
        (MASKS, [BOTH | {"auc": 0.9}], (3, 1)),
        (MASKS, [BOTH | {"auc": 0.9}, BOTH, BOTH | {"auc": 0.4}], (2, 2)),
    ],
)
def test_each_pair_and_the_growth_over_cycles_has_its_panel(objectives, measured, panels):
    picture = drawn(objectives, *measured)
    columns, rows = panels
    assert picture.width == pytest.approx(3.5 * 130 * columns, abs=2)
    assert picture.height == pytest.approx(130 * (3.1 * rows + 0.3), abs=2)
