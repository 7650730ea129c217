"""The cases of a study as tensors in the network's square frame, decoded once and kept in memory."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch

from arc_core.data.anatomy import vertical_cdr
from arc_core.data.manifest import Dataset, ImageCase
from arc_core.data.reader import Pixels, decode_image, decode_mask, read_bytes, to_square
from arc_core.errors import ExperimentFailed
from arc_core.experiments.metric import Task

CLASSES = 3
"""Background, rim and cup."""


class Frames:
    """All cases of a dataset, one byte per value.

    `images` is uint8 (N, 3, S, S); `targets` is uint8 (N, S, S) of 0, 1, 2 for segmentation, and
    (N,) of labels for classification. `vcdr` is float32 (N,), the reference vertical cup-to-disc ratios,
    where they were asked for; NaN for a case without a mask.
    """

    def __init__(
        self,
        cases: Sequence[ImageCase],
        images: torch.Tensor,
        targets: torch.Tensor,
        vcdr: torch.Tensor | None = None,
    ) -> None:
        self.cases = tuple(cases)
        self.images = images
        self.targets = targets
        self.vcdr = vcdr
        self._index = {case.image_id: position for position, case in enumerate(cases)}

    def positions(self, image_ids: Sequence[str]) -> torch.Tensor:
        """Where these cases stand, as int64 (n,)."""
        return torch.tensor([self._index[image_id] for image_id in image_ids], dtype=torch.int64)

    def class_counts(self, positions: torch.Tensor) -> tuple[int, ...]:
        """Cases of each class among `positions`, or pixels, which takes a while."""
        classes = CLASSES if self.targets.ndim > 1 else 2
        counts = torch.zeros(classes, dtype=torch.int64)
        for position in positions.tolist():  # one at a time: the targets are many times wider when counted
            counts += torch.bincount(self.targets[position].flatten().long(), minlength=classes)
        return tuple(counts.tolist())


def load_frames(dataset: Dataset, task: Task, size_px: int, *, vcdr: bool = False) -> Frames:
    """Read, check and shrink every case; with `vcdr`, measure its reference mask too.

    ExperimentFailed when a file is not the one that the dataset was listed with.
    """
    images = np.stack([_image(dataset, case, size_px) for case in dataset.cases])
    if task == "segmentation":
        targets = np.stack([to_square(_mask(dataset, case), size_px) for case in dataset.cases])
    else:
        targets = np.array([case.label for case in dataset.cases], np.uint8)
    ratios = torch.tensor([_vcdr(dataset, case) for case in dataset.cases]) if vcdr else None
    return Frames(dataset.cases, torch.from_numpy(images), torch.from_numpy(targets), ratios)


def to_tensor(square: Pixels) -> Pixels:
    """(S, S, 3) as the network's (3, S, S)."""
    return np.ascontiguousarray(square.transpose(2, 0, 1))


def _image(dataset: Dataset, case: ImageCase, size_px: int) -> Pixels:
    path = dataset.image_path(case)
    data = read_bytes(path)
    _need_same(data, case.sha256, str(path))
    return to_tensor(to_square(decode_image(data, path), size_px))


def _vcdr(dataset: Dataset, case: ImageCase) -> float:
    ratio = None if case.mask is None else vertical_cdr(_mask(dataset, case))
    return math.nan if ratio is None else ratio


def _mask(dataset: Dataset, case: ImageCase) -> Pixels:
    path = dataset.mask_path(case)
    assert path is not None, "read_dataset lets no case of a segmentation study through without its mask"
    data = read_bytes(path)
    _need_same(data, case.mask_sha256, str(path))
    return decode_mask(data, path)


def _need_same(data: bytes, sha256: str | None, name: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ExperimentFailed(f"{name} has changed since the dataset was read; start a new cycle on it")
