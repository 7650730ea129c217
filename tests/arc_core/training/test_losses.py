from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses.boundary_loss import BoundaryLoss
from scipy.ndimage import distance_transform_edt
from sklearn.metrics import jaccard_score, roc_auc_score
from torch.nn import functional

from arc_core.errors import SpecError
from arc_core.experiments.spec import Loss
from arc_core.training import catalogue
from arc_core.training.distance import _Maps
from arc_core.training.losses import build_loss
from arc_core.training.lovasz import LovaszSoftmax, jaccard_steps
from arc_core.training.weighting import class_weights

LOSSES = [(task, name) for task in ("segmentation", "classification") for name in catalogue.losses(task)]


def case_of(task):
    """A target, and logits that are sure of it."""
    torch.manual_seed(0)
    if task == "segmentation":
        target = functional.one_hot(torch.randint(0, 3, (2, 16, 16)), 3).movedim(-1, 1).float()
    else:
        target = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    return target, 8 * (2 * target - 1)


@pytest.mark.parametrize(("task", "name"), sorted(LOSSES))
def test_a_loss_prefers_the_right_answer(task, name):
    loss = build_loss(task, Loss(name=name), counts=(6, 2) if task == "classification" else ())
    target, right = case_of(task)

    unsure = torch.zeros_like(right)
    assert loss(right, target) < loss(unsure, target) < loss(-right, target)


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize(("task", "name"), sorted(LOSSES))
def test_a_loss_has_finite_gradients(task, name, scale):
    loss = build_loss(task, Loss(name=name), counts=(6, 2) if task == "classification" else ())
    target, _ = case_of(task)
    logits = (scale * torch.randn(target.shape)).requires_grad_()

    loss(logits, target).backward()

    assert torch.isfinite(logits.grad).all()


def test_a_balanced_loss_weighs_the_rarer_class_more():
    loss = build_loss("classification", Loss(name="weighted_bce"), counts=(9, 3))
    missed_positive = loss(torch.tensor([[-2.0]]), torch.tensor([[1.0]]))
    missed_negative = loss(torch.tensor([[2.0]]), torch.tensor([[0.0]]))

    assert missed_positive / missed_negative == pytest.approx(3)


def test_tverskys_beta_weighs_what_is_missed():
    target = torch.zeros(1, 3, 8, 8)
    target[:, 0, :, :4] = target[:, 2, :, 4:] = 1
    too_little, too_much = target.clone(), target.clone()
    too_little[:, :, :, 4:6] = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    too_much[:, :, :, 2:4] = torch.tensor([0, 0, 1.0]).view(1, 3, 1, 1)
    loss = build_loss("segmentation", Loss(name="tversky", params={"alpha": 0.1, "beta": 0.9}), counts=())

    assert loss(20 * too_little, target) > loss(20 * too_much, target)


def segmentation(name, counts=(), weighting="none", **params):
    return build_loss("segmentation", Loss(name=name, params=params), counts, weighting)


def classification(name, counts=(6, 2), weighting="none", **params):
    return build_loss("classification", Loss(name=name, params=params), counts, weighting)


def logits_and_target(seed=0, cases=2, side=8):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.randint(0, 3, (cases, side, side), generator=generator)
    target = functional.one_hot(mask, 3).movedim(-1, 1).float()
    return torch.randn(target.shape, generator=generator), target


def jaccard_loss(truth, wrong):
    """Of the set of pixels got wrong, as the paper's equation 5 counts it."""
    positive = {pixel for pixel, value in enumerate(truth) if value}
    return len(wrong) / len(positive | wrong) if positive | wrong else 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=9))
def test_lovasz_is_the_mean_jaccard_loss_over_all_thresholds_of_the_error(pixels):
    """Its other definition: the Choquet integral of the set function over the level sets of the errors."""
    truth, errors = [each[0] for each in pixels], [each[1] / 20 for each in pixels]
    levels = sorted({0.0, 1.0, *errors})
    integral = sum(
        (high - low) * jaccard_loss(truth, {pixel for pixel, error in enumerate(errors) if error >= high})
        for low, high in pairwise(levels)
    )

    ranked, order = torch.tensor(errors)[None].sort(dim=1, descending=True)
    steps = jaccard_steps(torch.tensor(truth).float()[None].gather(1, order))

    assert float((ranked * steps).sum()) == pytest.approx(integral, abs=1e-6)


def test_lovasz_of_a_hard_prediction_is_one_minus_the_jaccard_index():
    _, target = logits_and_target(0)
    _, predicted = logits_and_target(1)

    losses = LovaszSoftmax()(200 * predicted, target)

    truth, said = target.argmax(1).flatten(), predicted.argmax(1).flatten()
    indices = jaccard_score(truth, said, labels=[1, 2], average=None)
    assert losses.tolist() == pytest.approx((1 - indices).tolist(), abs=1e-6)


def test_lovasz_says_nothing_of_a_class_that_is_not_there():
    logits, target = logits_and_target()
    target[:, 0] += target[:, 2]
    target[:, 2] = 0

    assert LovaszSoftmax()(logits, target)[1] == 0


def test_the_boundary_loss_integrates_probability_over_the_signed_distance():
    mask = torch.zeros(2, 16, 16, dtype=torch.long)
    mask[:, 3:12, 4:13], mask[:, 6:9, 7:10] = 1, 2
    target = functional.one_hot(mask, 3).movedim(-1, 1).float()
    logits, _ = logits_and_target(side=16)

    value = segmentation("boundary", dice_weight=0.0, boundary_weight=2.0)(logits, target)

    probabilities = logits.softmax(1).numpy()
    expected = []
    for case in range(2):
        for kind in (1, 2):
            inside = mask[case].numpy() == kind
            # Kervadec et al.'s own code: (distance(outside) − distance(inside) + 1) within, in pixels.
            signed = np.where(inside, 1 - distance_transform_edt(inside), distance_transform_edt(~inside))
            expected.append((probabilities[case, kind] * signed).mean() / 16)
    assert float(value) == pytest.approx(2 * np.mean(expected), rel=1e-5)


def test_the_distances_are_monais_own_also_where_there_is_no_contour():
    _, target = logits_and_target(cases=3, side=12)
    target[1, 1], target[2, 2] = 0, 1
    ours, monais = (loss.compute_distance_map(target) for loss in (_Maps(), BoundaryLoss()))
    torch.testing.assert_close(ours, monais)


def test_the_boundary_loss_means_the_same_at_every_size():
    logits, _ = logits_and_target(side=32)
    mask = torch.zeros(2, 32, 32, dtype=torch.long)
    mask[:, 8:24, 8:24], mask[:, 12:20, 12:20] = 1, 2
    target = functional.one_hot(mask, 3).movedim(-1, 1).float()
    loss = segmentation("boundary", dice_weight=0.0)

    large = loss(*(functional.interpolate(each, scale_factor=4) for each in (logits, target)))

    assert float(large) == pytest.approx(float(loss(logits, target)), rel=0.15)


PARTS = {
    "dice_weight": ("dice", {}),
    "ce_weight": ("dice_ce", {"dice_weight": 0.0}),
    "focal_weight": ("focal", {"gamma": 1.5}),
    "tversky_weight": ("tversky", {"alpha": 0.2, "beta": 0.6}),
    "lovasz_weight": ("lovasz", {}),
    "boundary_weight": ("boundary", {"dice_weight": 0.0}),
}
NOTHING = dict.fromkeys(PARTS, 0.0)


@pytest.mark.parametrize("weighting", ["none", "balanced"])
def test_a_compound_is_the_weighted_sum_of_its_parts(weighting):
    logits, target = logits_and_target()
    counts = (90, 20, 10)
    weights = {name: 0.25 + 0.5 * place for place, name in enumerate(PARTS)}
    params = {"gamma": 1.5, "alpha": 0.2, "beta": 0.6, "smoothing": 0.0}

    whole = segmentation("compound", counts, weighting, **weights, **params)(logits, target)

    parts = {
        key: segmentation(name, counts, weighting, **own)(logits, target)
        for key, (name, own) in PARTS.items()
    }
    assert float(whole) == pytest.approx(sum(weights[key] * float(parts[key]) for key in PARTS), rel=1e-5)


def test_a_part_without_a_weight_is_not_built():
    loss = segmentation("compound", **{**NOTHING, "lovasz_weight": 1.0})
    assert len(loss.losses) == 1
    assert not any("boundary" in type(part).__module__ for part in loss.modules())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_over_two_classes_is_binary_cross_entropy(smoothing):
    logits, target = torch.randn(8, 1), torch.tensor([[0.0], [1]] * 4)
    both = [classification(name, smoothing=smoothing)(logits, target) for name in ("cross_entropy", "bce")]
    assert float(both[0]) == pytest.approx(float(both[1]), rel=1e-6)


def test_weighted_cross_entropy_is_the_mean_over_the_weights_of_a_micro_batch():
    logits, target = torch.randn(4, 1), torch.tensor([[0.0], [0], [0], [1]])
    negative, positive = class_weights("balanced", (6, 2))

    loss = classification("cross_entropy", weighting="balanced", smoothing=0.0)(logits, target)

    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")[:, 0]
    expected = (negative * each[:3].sum() + positive * each[3]) / (3 * negative + positive)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)


def test_the_auc_loss_is_the_squared_hinge_over_pairs():
    logits, target = torch.tensor([[0.5], [2.0], [-1.0], [0.0]]), torch.tensor([[0.0], [1], [0], [1]])

    loss = classification("auc", margin=1.0, bce_weight=0.0)(logits, target)

    pairs = [(positive, negative) for positive in (2.0, 0.0) for negative in (0.5, -1.0)]
    assert float(loss) == pytest.approx(np.mean([max(0, 1 - (p - n)) ** 2 for p, n in pairs]))


def test_the_auc_loss_vanishes_where_the_ranking_is_perfect_and_only_there():
    target = torch.tensor([[0.0], [1], [0], [1]])
    right, one_swapped = torch.tensor([[3.0], [9], [5], [7]]), torch.tensor([[3.0], [9], [5], [4]])
    loss = classification("auc", bce_weight=0.0)

    assert (float(loss(right, target)), roc_auc_score(target, right)) == (0, 1)
    assert loss(one_swapped, target) > 0
    assert roc_auc_score(target, one_swapped) == 0.75


def test_a_micro_batch_of_one_class_still_learns_from_its_cross_entropy():
    logits = torch.zeros(3, 1, requires_grad=True)
    loss = classification("auc", bce_weight=0.5)(logits, torch.ones(3, 1))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.5 * np.log(2))
    assert (logits.grad < 0).all()


WEIGHTED = [(task, name) for task, name in sorted(LOSSES) if catalogue.load("losses", task, name).WEIGHTED]


@pytest.mark.parametrize(("task", "name"), WEIGHTED)
def test_class_weights_turn_the_loss_towards_the_rare_class(task, name):
    """An error on the rarer of two classes costs more, against one on the other, than without weights."""
    if task == "segmentation":
        counts, target = (100, 80, 10), torch.zeros(1, 3, 8, 8)
        target[:, 0, :2] = target[:, 1, 2:5] = target[:, 2, 5:] = 1
        background = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
        wrong = [target.clone(), target.clone()]
        wrong[0][:, :, 2:5] = wrong[1][:, :, 5:] = background
    else:
        counts, target = (80, 10), torch.tensor([[0.0], [1.0]])
        wrong = [torch.tensor([[1.0], [1.0]]), torch.tensor([[0.0], [0.0]])]

    def odds(weighting):
        loss = build_loss(task, Loss(name=name), counts, weighting)
        common, rare = (float(loss(3 * (2 * each - 1), target)) for each in wrong)
        return rare / common

    assert odds("none") < odds("effective_number") < odds("balanced")


def test_weights_of_the_negative_and_positive_multiply_bce_and_focal():
    logits, target = torch.randn(2, 1), torch.tensor([[0.0], [1.0]])
    negative, positive = class_weights("balanced", (6, 2))
    for name in ("bce", "focal"):
        plain = [float(classification(name)(logits[[i]], target[[i]])) for i in (0, 1)]
        weighted = classification(name, weighting="balanced")
        assert [float(weighted(logits[[i]], target[[i]])) for i in (0, 1)] == pytest.approx(
            [negative * plain[0], positive * plain[1]]
        )


@pytest.mark.parametrize(
    ("task", "name", "params", "words"),
    [
        ("segmentation", "compound", NOTHING, ["weight 0", "compound"]),
        ("segmentation", "dice_ce", {"dice_weight": 0, "ce_weight": 0}, ["weight 0"]),
        ("classification", "auc", {"margin": -1}, ["loss.params.margin", "negative", "-1"]),
        ("segmentation", "lovasz", {"gamma": 1}, ["loss.params.gamma", "no parameter at all"]),
    ],
)
def test_parameters_that_make_no_loss_are_refused(task, name, params, words):
    with pytest.raises(SpecError) as refused:
        build_loss(task, Loss(name=name, params=params), (6, 2))
    assert all(word in str(refused.value) for word in words)
