import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arc_core.data.manifest import Dataset, ImageCase
from arc_core.data.source import DataConfig
from arc_core.data.splits import Split, make_split
from arc_core.data.study import open_study
from arc_core.errors import DatasetError
from arc_core.experiments.memory import Memory
from arc_core.experiments.study import study_id
from arc_core.provenance.canonical import sha256_of
from tests.contracts.old_store import DUMP


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


def placed(patients: list[list[tuple[str, int | None]]], task="segmentation") -> Dataset:
    """A dataset whose patients have an image at each of such sites; their cameras are called the same."""
    whole = dataset([[label for _, label in images] for images in patients], task)
    sites = [site for images in patients for site, _ in images]
    cases = [
        case.model_copy(update={"site": site, "camera": site})
        for case, site in zip(whole.cases, sites, strict=True)
    ]
    return whole.model_copy(update={"cases": tuple(cases)})


@settings(max_examples=60)
@given(
    patients=st.lists(
        st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([0, 1])), min_size=1, max_size=3),
        min_size=1,
        max_size=25,
    ),
    by=st.sampled_from(["site", "camera"]),
    data=st.data(),
)
def test_a_site_and_a_patient_lie_in_one_fold(patients, by, data):
    whole = placed([*patients, [("elsewhere", 0)]])
    split = make_split(whole, 2, 0, by)
    assert split.by == by
    assert {split.assignment[case.image_id] for case in whole.cases} == {0, 1}
    for mark in (by, "patient_id"):
        folds = {(getattr(case, mark), split.assignment[case.image_id]) for case in whole.cases}
        assert len(folds) == len({place for place, _ in folds})
    cases = tuple(data.draw(st.permutations(whole.cases)))
    assert make_split(whole.model_copy(update={"cases": cases}), 2, 0, by) == split


def test_sites_joined_by_a_patient_are_one():
    patients = [[("a", 0), ("b", 1)], [("b", 0), ("c", 0)], [("d", 1)]]
    assert make_split(placed(patients), 2, 0, "site").folds == 2
    with pytest.raises(DatasetError, match="got 2 sites, where those that share a patient count as one;"):
        make_split(placed(patients), 3, 0, "site")


def test_too_few_sites(simulated):
    with pytest.raises(DatasetError, match=r"Set data.folds=2 or less, or set data.split_by=patient\.$"):
        make_split(simulated, 3, 0, "site")
    with pytest.raises(DatasetError, match=r"got 1 cameras.*\. Set data.split_by=patient\.$"):
        make_split(placed([[("a", 0)], [("a", 1)]]), 2, 0, "camera")
    with pytest.raises(DatasetError, match="fewer sites with label 0 than folds; got 1 sites"):
        make_split(placed([[("a", 0)], [("b", 1)]], "classification"), 2, 0, "site")


def test_an_image_without_its_site_is_named(simulated):
    cases = [case.model_copy(update={"site": None}) if case.label else case for case in simulated.cases]
    unknown = simulated.model_copy(update={"cases": tuple(cases)})
    with pytest.raises(DatasetError, match=r"labels\.csv: the site of 'sim_.*' is not given \(12 of 24 have"):
        make_split(unknown, 2, 0, "site")
    assert make_split(unknown, 2, 0).folds == 2


def test_studies_of_before_keep_their_name_and_their_split():
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(DUMP.read_text())
        name, stored, frozen = db.execute("SELECT id, dataset, split FROM studies").fetchone()
    whole, old = Dataset.model_validate_json(stored), json.loads(frozen)
    split = make_split(whole, old["folds"], old["seed"])
    assert split.model_dump(mode="json", exclude={"leakage", "sealed"}) == old
    assert split.sha256 == sha256_of(old)
    assert study_id(whole.sha256, "segmentation", "mean_dice", old["folds"], old["seed"]) == name


def test_another_way_to_split_is_another_study(folder, tmp_path):
    with closing(Memory(f"sqlite:///{tmp_path / 'arc.db'}")) as memory:
        names = {
            open_study(
                memory,
                DataConfig(path=str(folder), folds=2, split_by=by),
                "segmentation",
                "mean_dice",
                tmp_path,
            ).id
            for by in ("patient", "site", "camera")
        }
        assert set(memory.studies()) == names
    assert len(names) == 3
