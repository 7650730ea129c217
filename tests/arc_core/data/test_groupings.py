"""What the figures of a dataset are told apart by."""

import pytest

from arc_core.data.groupings import groups_of


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_groups_are_those_that_differ_and_name_the_images_that_they_know(simulated, task):
    sexes, ages = ("female", "male", None), ("0–39", "40–59")
    cases = tuple(
        case.model_copy(update={"sex": sexes[place % 3], "age_group": ages[place % 2], "camera": "one"})
        for place, case in enumerate(simulated.cases)
    )
    groups = groups_of(simulated.model_copy(update={"cases": cases}), task)
    assert list(groups) == ["site", "sex", "age", *(["label"] if task == "segmentation" else [])]
    assert groups["sex"] == {case.image_id: case.sex for case in cases if case.sex}
    assert set(groups["age"].values()) == set(ages)
    if task == "segmentation":
        assert groups["label"] == {case.image_id: ("normal", "glaucoma")[case.label] for case in cases}
