"""The cases of a study as tensors in the network's square frame, decoded once and kept in memory."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from arc_core.data.manifest import Dataset, ImageCase
from arc_core.data.reader import Pixels, decode_image, decode_mask, read_bytes, to_square
from arc_core.errors import ExperimentFailed
from arc_core.experiments.metric import Task

CLASSES = 3
"""Background, rim and cup."""


class Frames:
    """All cases of a dataset, one byte per value.

    `images` is uint8 (N, 3, S, S); `targets` is uint8 (N, S, S) of 0, 1, 2 for segmentation, and
    (N,) of labels for classification.
    """

    def __init__(self, cases: Sequence[ImageCase], images: torch.Tensor, targets: torch.Tensor) -> None:
        self.cases = tuple(cases)
        self.images = images
        self.targets = targets
        self._index = {case.image_id: position for position, case in enumerate(cases)}

    def positions(self, image_ids: Sequence[str]) -> torch.Tensor:
        """Where these cases stand, as int64 (n,)."""
        return torch.tensor([self._index[image_id] for image_id in image_ids], dtype=torch.int64)

    def class_counts(self, positions: torch.Tensor) -> tuple[int, ...]:
        """Cases of each class among `positions`; empty for segmentation."""
        if self.targets.ndim > 1:
            return ()
        return tuple(torch.bincount(self.targets[positions].long(), minlength=2).tolist())


def load_frames(dataset: Dataset, task: Task, size_px: int) -> Frames:
    """Read, check and shrink every case.

    ExperimentFailed when a file is not the one that the dataset was listed with.
    """
    images = np.stack([_image(dataset, case, size_px) for case in dataset.cases])
    if task == "segmentation":
        targets = np.stack([_mask(dataset, case, size_px) for case in dataset.cases])
    else:
        targets = np.array([case.label for case in dataset.cases], np.uint8)
    return Frames(dataset.cases, torch.from_numpy(images), torch.from_numpy(targets))


def to_tensor(square: Pixels) -> Pixels:
    """(S, S, 3) as the network's (3, S, S)."""
    return np.ascontiguousarray(square.transpose(2, 0, 1))


def _image(dataset: Dataset, case: ImageCase, size_px: int) -> Pixels:
    path = dataset.image_path(case)
    data = read_bytes(path)
    _need_same(data, case.sha256, str(path))
    return to_tensor(to_square(decode_image(data, path), size_px))


def _mask(dataset: Dataset, case: ImageCase, size_px: int) -> Pixels:
    path = dataset.mask_path(case)
    assert path is not None, "read_dataset lets no case of a segmentation study through without its mask"
    data = read_bytes(path)
    _need_same(data, case.mask_sha256, str(path))
    return to_square(decode_mask(data, path), size_px)


def _need_same(data: bytes, sha256: str | None, name: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ExperimentFailed(f"{name} has changed since the dataset was read; start a new cycle on it")
