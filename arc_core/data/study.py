"""Opening a study: the checked dataset, its frozen split, and their place in the store."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from arc_core.data.leakage import look_for_leakage, need_apart, spectra_of
from arc_core.data.likeness import packed
from arc_core.data.manifest import Dataset, read_dataset
from arc_core.data.sealed import (
    PART,
    Sealed,
    joined,
    need_apart_patients,
    need_unlike,
    need_unsealed,
    sealed_from,
)
from arc_core.data.source import DataConfig, open_dataset
from arc_core.data.splits import Split, hold_back, make_split
from arc_core.errors import DatasetError, StoreError
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import OF_TASK, Task
from arc_core.experiments.study import Study, study_id
from arc_core.record import Record

R = TypeVar("R", bound=Record)


def open_study(memory: Memory, config: DataConfig, task: Task, metric: str, home: Path) -> Study:
    """Find or register the study of this data. The split is made once, before the first training.

    So is the search for near-duplicates, and DatasetError where two of different patients lie in two folds:
    a study that is known keeps its frozen split, whatever would be found now.
    """
    dataset, test = _parts(open_dataset(config, task, home), config, task)
    for part in (dataset, test) if test else (dataset,):
        _need_labels(part, metric)
        _need_masks(part, metric)
    split = make_split(dataset, config.folds, config.split_seed, config.split_by)
    name = study_id(
        *(dataset.sha256, task, metric, config.folds, config.split_seed, config.split_by),
        None if test is None else test.sha256,
    )
    known = memory.studies()
    need_unsealed({case.sha256: dataset.image_path(case) for case in dataset.cases}, sealed_in(memory))
    if name not in known:
        split = _with_findings(split, dataset, test, config, memory)
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


def sealed_in(memory: Memory) -> dict[str, Sealed]:
    """Study → its test part, of those that have one."""
    parts = {study: memory.study(study).split.get("sealed") for study in memory.studies()}
    return {study: Sealed.model_validate(part) for study, part in parts.items() if part is not None}


def _parts(whole: Dataset, config: DataConfig, task: Task) -> tuple[Dataset, Dataset | None]:
    """What the study works on, and its test part."""
    match config.test:
        case None:
            return whole, None
        case str(folder):
            test = read_dataset(Path(folder), task)
            need_apart_patients(whole, test)
            return whole, test
        case share:
            return hold_back(whole, share, config.split_seed, config.split_by)


def _trained_before(memory: Memory, test: Dataset) -> dict[str, int]:
    """Study → how many images of the test part it has been training on."""
    hidden = {case.sha256 for case in test.cases}
    known = {name: memory.study(name).dataset.get("cases", ()) for name in memory.studies()}
    shared = {name: len(hidden & {case["sha256"] for case in cases}) for name, cases in known.items()}
    return {
        name: count
        for name, count in shared.items()
        if count and any(each.started for each in memory.experiments(name))
    }


def _with_findings(
    split: Split, dataset: Dataset, test: Dataset | None, config: DataConfig, memory: Memory
) -> Split:
    """The split with what was looked for in it.

    DatasetError where its parts are not apart, or an image looks like one that is sealed for another study.
    """
    whole, own = joined(dataset, test) if test else dataset, len(dataset.cases)
    parts = dict.fromkeys((case.image_id for case in whole.cases), PART)
    parts |= {image_id: f"fold {fold}" for image_id, fold in split.assignment.items()}
    spectra = spectra_of(whole)
    leakage = look_for_leakage(whole, config.near_duplicate_bits, spectra)
    need_apart(whole, parts, leakage)
    need_unlike(list(map(dataset.image_path, dataset.cases)), spectra[:own], sealed_in(memory))
    split = split.model_copy(update={"leakage": leakage})
    if test is None:
        return split
    share = None if isinstance(config.test, str) else config.test
    known_by = {
        "spectra": packed(spectra[own:]),
        "max_bits": config.near_duplicate_bits,
        "trained_before": _trained_before(memory, test),
    }
    sealed = sealed_from(test, share, config.split_seed, config.split_by)
    return split.model_copy(update={"sealed": sealed.model_copy(update=known_by)})


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
