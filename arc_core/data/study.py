"""Opening a study: the checked dataset, its frozen split, and their place in the store."""

from pathlib import Path

from arc_core.data.leakage import look_for_leakage, need_apart
from arc_core.data.manifest import Dataset
from arc_core.data.source import DataConfig, open_dataset
from arc_core.data.splits import Split, make_split
from arc_core.errors import DatasetError
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import OF_TASK, Task
from arc_core.experiments.study import Study, study_id


def open_study(memory: Memory, config: DataConfig, task: Task, metric: str, home: Path) -> Study:
    """Find or register the study of this data. The split is made once, before the first training.

    So is the search for near-duplicates, and DatasetError where two of different patients lie in two folds:
    a study that is known keeps its frozen split, whatever would be found now.
    """
    dataset = open_dataset(config, task, home)
    _need_labels(dataset, metric)
    _need_masks(dataset, metric)
    split = make_split(dataset, config.folds, config.split_seed, config.split_by)
    name = study_id(dataset.sha256, task, metric, config.folds, config.split_seed, config.split_by)
    if name not in memory.studies():
        leakage = look_for_leakage(dataset, config.near_duplicate_bits)
        need_apart(dataset, split.assignment, leakage)
        split = split.model_copy(update={"leakage": leakage})
    return memory.register_study(
        Study(
            id=name,
            task=task,
            metric=metric,
            simulated=dataset.simulated,
            dataset_sha256=dataset.sha256,
            dataset=dataset.model_dump(mode="json"),
            split=split.model_dump(mode="json"),
        )
    )


def _need_labels(dataset: Dataset, metric: str) -> None:
    if metric in OF_TASK["classification"] and any(case.label is None for case in dataset.cases):
        raise DatasetError(
            f"the metric {metric} needs a label of every image",
            where=Path(dataset.root) / "labels.csv",
            cure="Write it with the columns image_id,label, or choose another metric, such as mean_dice.",
        )


def _need_masks(dataset: Dataset, metric: str) -> None:
    if metric == "dri" and all(case.mask is None for case in dataset.cases):
        raise DatasetError(
            "the metric dri needs masks",
            where=Path(dataset.root) / "masks",
            cure="Add the masks of some images at least, or choose another metric, such as auc.",
        )


def dataset_of(study: Study) -> Dataset:
    return Dataset.model_validate(study.dataset)


def split_of(study: Study) -> Split:
    return Split.model_validate(study.split)
