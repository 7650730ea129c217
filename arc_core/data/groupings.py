"""What the data tell of each image that its figures can be told apart by."""

from arc_core.data.manifest import Dataset
from arc_core.experiments.metric import Task

GROUPINGS: dict[Task, tuple[str, ...]] = {
    "segmentation": ("site", "camera", "sex", "age", "label"),
    "classification": ("site", "camera", "sex", "age"),
}
"""A label parts no classification: its figures are of both classes at once."""
CLASSES = ("normal", "glaucoma")


def groups_of(dataset: Dataset, task: Task) -> dict[str, dict[str, str]]:
    """Grouping → image_id → group, of those groupings that are not the same for all."""
    told: dict[str, dict[str, str]] = {name: {} for name in GROUPINGS[task]}
    for case in dataset.cases:
        known = {
            "site": case.site,
            "camera": case.camera,
            "sex": case.sex,
            "age": case.age_group,
            "label": None if case.label is None else CLASSES[case.label],
        }
        for grouping in told:
            if (group := known[grouping]) is not None:
                told[grouping][case.image_id] = group
    return {grouping: groups for grouping, groups in told.items() if len(set(groups.values())) > 1}
