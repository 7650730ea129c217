"""Opening a study: the checked dataset, its frozen split, and their place in the store."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from arc_core.data.manifest import Dataset
from arc_core.data.source import DataConfig, open_dataset
from arc_core.data.splits import Split, make_split
from arc_core.errors import DatasetError, StoreError
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import OF_TASK, Task
from arc_core.experiments.study import Study, study_id
from arc_core.record import Record

R = TypeVar("R", bound=Record)


def open_study(memory: Memory, config: DataConfig, task: Task, metric: str, home: Path) -> Study:
    """Find or register the study of this data. The split is made once, before the first training."""
    dataset = open_dataset(config, task, home)
    _need_labels(dataset, metric)
    _need_masks(dataset, metric)
    split = make_split(dataset, config.folds, config.split_seed)
    return memory.register_study(
        Study(
            id=study_id(dataset.sha256, task, metric, config.folds, config.split_seed),
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
    """The dataset as it was registered. StoreError where that is none, or has files outside of its folder."""
    return _recorded(Dataset, study.id, study.dataset)


def split_of(study: Study) -> Split:
    """The split as it was frozen. StoreError where that is none."""
    return _recorded(Split, study.id, study.split)


def _recorded(kind: type[R], study_id: str, tree: object) -> R:
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        raise StoreError(
            f"its {kind.__name__.lower()} in the store can't be used: {first['msg']}",
            where=".".join(map(str, (study_id, *first["loc"]))),
            cure="The store was changed by hand or is damaged; restore a backup of it.",
        ) from None
