import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arc_core.data.manifest import Dataset, ImageCase
from arc_core.data.splits import Split, make_split


def dataset(labels_by_patient: list[list[int | None]], task="segmentation", order=None) -> Dataset:
    cases = [
        ImageCase(
            image_id=f"p{number}_{eye}",
            image="images/x.png",
            patient_id=f"p{number}",
            label=label,
            height_px=8,
            width_px=8,
            sha256="0",
        )
        for number, labels in enumerate(labels_by_patient)
        for eye, label in enumerate(labels)
    ]
    cases = [cases[i] for i in order] if order else cases
    return Dataset(
        root="/x", name="x", task=task, simulated=True, has_patient_ids=True, cases=tuple(cases), sha256="0"
    )


eyes = st.lists(st.sampled_from([0, 1]), min_size=1, max_size=4)
cohorts = st.one_of(
    st.lists(eyes, min_size=8, max_size=40),
    st.lists(st.lists(st.none(), min_size=1, max_size=3), min_size=8, max_size=20),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(patients=cohorts, folds=st.integers(2, 8), seed=st.integers(0, 2**31 - 1), data=st.data())
def test_what_every_split_keeps(patients, folds, seed, data):
    whole = dataset(patients)
    split = make_split(whole, folds, seed)
    ids = {case.image_id for case in whole.cases}
    patient_of = {case.image_id: case.patient_id for case in whole.cases}
    held = [split.held_out(fold) for fold in range(folds)]
    assert sorted(sum(held, ())) == sorted(ids)  # each case in exactly one fold
    for fold in range(folds):
        assert held[fold]
        assert set(held[fold]) | set(split.training(fold)) == ids
        assert not {patient_of[i] for i in held[fold]} & {patient_of[i] for i in split.training(fold)}
    for label in (0, 1):
        if sum(label in labels for labels in patients) >= folds:
            with_label = {case.image_id for case in whole.cases if case.label == label}
            assert all(with_label & set(fold) for fold in held)
    shuffled = dataset(patients, order=data.draw(st.permutations(range(len(whole.cases)))))
    assert make_split(shuffled, folds, seed) == split


def test_classes_are_spread_evenly():
    split = make_split(dataset([[1]] * 32 + [[0]] * 18), 4, 0)
    ill = [sum(int(i[1:-2]) < 32 for i in split.held_out(fold)) for fold in range(4)]
    assert ill == [8, 8, 8, 8]
    assert sorted(len(split.held_out(fold)) for fold in range(4)) == [12, 12, 13, 13]


def test_another_seed_deals_differently_and_the_hash_tells():
    whole = dataset([[0], [1]] * 10)
    one, two = make_split(whole, 4, 0), make_split(whole, 4, 1)
    assert one.assignment != two.assignment
    assert one.sha256 != two.sha256
    assert one.sha256 == make_split(whole, 4, 0).sha256
    assert Split.model_validate_json(one.model_dump_json()) == one


def test_without_patient_ids_the_split_admits_it(simulated):
    assert make_split(simulated, 3, 0).patient_level_demonstrable
    anonymous = simulated.model_copy(update={"has_patient_ids": False})
    assert not make_split(anonymous, 3, 0).patient_level_demonstrable


@pytest.mark.parametrize("fold", [-1, 3])
def test_a_fold_that_does_not_exist(simulated, fold):
    with pytest.raises(ValueError, match="between 0 and 2"):
        make_split(simulated, 3, 0).held_out(fold)
