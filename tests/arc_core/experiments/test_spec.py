"""The spec: one id per experiment, and clear words about a bad field."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.errors import SpecError
from arc_core.experiments.spec import (
    Architecture,
    Augmentation,
    ExperimentSpec,
    Loss,
    Optimiser,
    Value,
    parse_spec,
)
from arc_core.provenance.canonical import sha256_of

SPEC = ExperimentSpec(
    task="segmentation",
    architecture=Architecture(name="unet", width=8, depth=4),
    image_size_px=96,
    loss=Loss(name="focal", params={"gamma": 2.0, "alpha": 0.25}),
    augmentation=Augmentation(),
    optimiser=Optimiser(name="adamw", lr=1e-3),
    epochs=15,
    batch_size=8,
)


def reordered(tree: Mapping[str, object], order: Mapping[str, int]) -> dict[str, object]:
    return {
        key: reordered(tree[key], order) if isinstance(tree[key], dict) else tree[key]
        for key in sorted(tree, key=lambda key: order.get(key, 0))
    }


@given(st.permutations(sorted({part for path in SPEC.flat() for part in path.split(".")})))
def test_equal_specs_have_equal_ids_whatever_the_order_of_keys(order: list[str]) -> None:
    places = {key: place for place, key in enumerate(order)}
    assert parse_spec(reordered(SPEC.model_dump(mode="json"), places)).id == SPEC.id


def test_flat_is_every_leaf_of_the_record_in_its_order() -> None:
    def leaves(tree: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
        found = []
        for key, value in tree.items():
            path = f"{prefix}{key}"
            found += leaves(value, f"{path}.") if isinstance(value, dict) else [(path, value)]
        return found

    assert list(SPEC.flat().items()) == leaves(SPEC.model_dump(mode="json"))
    assert SPEC.fixed() == tuple(v for path, v in SPEC.flat().items() if not path.startswith("loss.params."))


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [("augmentation.scale", 0.0, -0.0), ("augmentation.scale", 0, 0.0), ("optimiser.lr", 1, 1.0)],
)
def test_equal_numbers_hash_alike(path: str, one: float, other: float) -> None:
    assert SPEC.changed({path: one}).id == SPEC.changed({path: other}).id


@given(st.sampled_from(["optimiser.lr", "architecture.dropout"]), st.floats(0.001, 0.9))
def test_another_value_is_another_experiment(path: str, value: float) -> None:
    changed = SPEC.changed({path: value})
    assert (changed.id == SPEC.id) == (SPEC.flat()[path] == value)


@pytest.mark.parametrize(
    ("field", "limit", "over"),
    [
        ("rotation_deg", 15, 15.1),
        ("scale", 0.1, 0.11),
        ("translation", 0.1, 0.11),
        ("brightness", 0.1, 0.11),
        ("contrast", 0.1, 0.11),
        ("gamma", 0.1, 0.11),
        ("noise_sigma", 0.01, 0.011),
        ("blur_kernel_px", 3, 5),
    ],
)
def test_an_augmentation_over_its_clinical_limit_is_refused(field: str, limit: float, over: float) -> None:
    assert SPEC.changed({f"augmentation.{field}": limit}).augmentation.model_dump()[field] == limit
    with pytest.raises(SpecError, match=field):
        SPEC.changed({f"augmentation.{field}": over})
    assert len(Augmentation.model_fields) <= 10  # operations, however many are on


def test_what_is_off_leaves_an_id_as_it_was_before_it_existed() -> None:
    tree = SPEC.model_dump(mode="json")
    for name in ("class_weighting", "auxiliary", "curriculum", "gradient_clip"):
        del tree[name]
    assert SPEC.id == sha256_of(tree)[:16]
    assert parse_spec(tree) == SPEC


@pytest.mark.parametrize(
    "changes",
    [
        {"class_weighting": "balanced"},
        {"auxiliary.vcdr_weight": 0.1},
        {"curriculum.pacing": "linear"},
        {"gradient_clip": 1.0},
    ],
)
def test_what_is_on_is_another_experiment(changes: dict[str, Value]) -> None:
    assert SPEC.changed(changes).id != SPEC.id


def test_a_curriculum_without_a_pacing_decides_nothing() -> None:
    ordered = {"curriculum.by": "difficulty", "curriculum.start_share": 0.2}
    assert SPEC.changed(ordered).id == SPEC.id
    paced = SPEC.changed({"curriculum.pacing": "step"})
    assert paced.changed(ordered).id != paced.id


def test_a_change_leaves_the_original_alone_and_shows_as_the_difference() -> None:
    changed = SPEC.changed({"image_size_px": 128, "loss.params.gamma": 1.5})
    assert changed.difference(SPEC) == {"image_size_px": 128, "loss.params.gamma": 1.5}
    assert SPEC.image_size_px == 96
    assert SPEC.changed({}) == SPEC


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer.lr": 0.1}, ["optimizer.lr", "no such field", "optimiser.lr"]),
        ({"epochs.count": 3}, ["epochs.count", "no such field"]),
        ({"momentum": 0.9}, ["spec.momentum", "Extra inputs"]),
        ({"image_size_px": 100}, ["spec.image_size_px", "multiple of 16", "100"]),
        ({"optimiser.lr": float("nan")}, ["spec.optimiser.lr", "finite"]),
        ({"augmentation.rotation_deg": 20}, ["spec.augmentation.rotation_deg", "15", "20"]),
        ({"augmentation.hue": 0.1}, ["spec.augmentation.hue"]),
        ({"auxiliary.vcdr_weight": 0.41}, ["spec.auxiliary.vcdr_weight", "0.4", "0.41"]),
        ({"auxiliary.disc_weight": 0.1}, ["spec.auxiliary.disc_weight", "Extra inputs"]),
        ({"class_weighting": "inverse"}, ["spec.class_weighting", "balanced", "inverse"]),
        ({"curriculum.pacing": "quadratic"}, ["spec.curriculum.pacing", "exponential"]),
        ({"curriculum.start_share": 0.0}, ["spec.curriculum.start_share", "0.1"]),
        ({"architecture.name": "../../etc"}, ["spec.architecture.name", "pattern"]),
        ({"epochs": 2.5}, ["spec.epochs", "2.5"]),
    ],
)
def test_a_bad_change_is_named(changes: dict[str, object], words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        SPEC.changed(changes)
    assert all(word in str(caught.value) for word in words)
