import math

import pytest
import torch

from arc_core.data.anatomy import vertical_cdr
from arc_core.data.reader import read_mask
from arc_core.errors import ExperimentFailed
from arc_core.training.frames import load_frames


def test_classes_are_counted_in_cases_or_in_pixels(datasets):
    positions = torch.tensor([0, 3, 4])
    labelled, masked = (load_frames(datasets[task], task, 32) for task in ("classification", "segmentation"))

    labels = [labelled.cases[place].label for place in positions.tolist()]
    assert labelled.class_counts(positions) == (labels.count(0), labels.count(1))
    pixels = masked.targets[positions]
    assert masked.class_counts(positions) == tuple(int((pixels == kind).sum()) for kind in range(3))


def test_ratios_are_those_of_the_masks_as_they_were_drawn(datasets):
    dataset = datasets["classification"]
    bare = dataset.cases[0].model_copy(update={"mask": None, "mask_sha256": None})
    dataset = dataset.model_copy(update={"cases": (bare, *dataset.cases[1:])})

    vcdr = load_frames(dataset, "classification", 32, vcdr=True).vcdr.tolist()

    assert math.isnan(vcdr[0])
    drawn = [vertical_cdr(read_mask(dataset.mask_path(case))) for case in dataset.cases[1:]]
    assert vcdr[1:] == pytest.approx(drawn)
    assert load_frames(dataset, "classification", 32).vcdr is None


def test_a_mask_that_has_changed_is_not_measured(datasets):
    dataset = datasets["classification"]
    changed = dataset.cases[0].model_copy(update={"mask_sha256": "0" * 64})
    dataset = dataset.model_copy(update={"cases": (changed, *dataset.cases[1:])})

    with pytest.raises(ExperimentFailed, match=r"masks/.*has changed"):
        load_frames(dataset, "classification", 32, vcdr=True)
