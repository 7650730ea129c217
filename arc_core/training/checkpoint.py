"""A training's state behind an epoch or a step, written whole or not at all, and read without unpickling."""

import io
import logging
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO

from arc_core.provenance.files import write_atomically
from arc_core.training import ranks, stop
from arc_core.training.fold import fold_key
from arc_core.training.plan import TrainingPlan

PREFIX = ".checkpoint-"  # hidden: it is no part of a fold's result


def checkpoint_path(plan: TrainingPlan, fold: int) -> Path:
    """Where the fold's checkpoint lies; its name says what it comes from, so that no other takes it up."""
    return plan.fold_dir(fold) / f"{PREFIX}{fold_key(plan)[:16]}"


def tensors_of(path: Path) -> Any:
    """The content of a file of `write_tensors`. Runs no code that the file names."""
    return torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)


def write_tensors(path: Path, content: Any) -> None:
    """`torch.save`, atomically."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def usable(path: Path, read: Callable[[Path], Any], parts: int) -> bool:
    """Whether a checkpoint is there and whole; what can't be gone on from is told of and removed.

    `parts`: of DeepSpeed's folder, one from each process; 0: it is a single file, written by one of them.
    """
    if not (path.exists() or path.is_symlink()):
        return False
    try:
        if path.is_symlink() or parts != len(list(path.rglob("*optim_states.pt"))):
            raise ValueError("it is not a checkpoint of this training")
        for part in path.rglob("*.pt") if parts else [path]:
            if not part.is_file():
                raise ValueError(f"{part.name} is no file")
            content = read(part)
            if not parts and not {"pytorch-lightning_version", "arc"} <= set(content):
                raise ValueError("it is not a checkpoint of this training")
    except Exception as error:  # noqa: BLE001  # torch.load has no common root for what damage raises
        logging.getLogger(__name__).warning("%s can't be read, the fold begins anew: %s", path, error)
        remove(path)
        return False
    return True


def put_in_place(unfinished: Path, final: Path) -> None:
    """Give a finished checkpoint folder its name. A folder can't replace another in one step, so the one
    before stays at hand until it can be done without; `taken_up` finds it.
    """
    before = _before(final)
    remove(before)
    if final.exists():
        final.rename(before)
    unfinished.rename(final)
    remove(before)


def taken_up(final: Path) -> None:
    """Put back the checkpoint that a kill amid `put_in_place` has left without its name."""
    if _before(final).exists() and not final.exists():
        _before(final).rename(final)


def _before(final: Path) -> Path:
    return final.with_name(f"{final.name}.before")


def remove(path: Path) -> None:
    """Delete a checkpoint, file or folder, if it is there; of a link, the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


class AtomicIO(CheckpointIO):  # type: ignore[misc]  # lightning is skipped by mypy
    """How Lightning's strategies write and read a checkpoint of one file."""

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        write_tensors(Path(path), checkpoint)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        return tensors_of(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        remove(Path(path))


class EveryFewSeconds(Checkpoint):  # type: ignore[misc]
    """Writes a checkpoint at the end of an epoch, once the last lies long enough back."""

    def __init__(self, path: Path, every_s: float) -> None:
        self._path, self._every_s = path, every_s
        self._last = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        due = time.monotonic() - self._last >= self._every_s
        over = trainer.current_epoch + 1 >= trainer.max_epochs  # the model itself is written next
        if ranks.agreed(due and not over, module.device):
            trainer.save_checkpoint(self._path)
            self._last = time.monotonic()


class StopsWhenTold(Callback):  # type: ignore[misc]
    """Ends the process at the end of the step in which it, or another of the training's, was told to stop.

    What was learned until then lies in a checkpoint. Lightning puts a handler of SIGTERM in place of ours. It
    asks the other processes first, and hangs where they are elsewhere.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handlers = {number: signal.getsignal(number) for number in stop.SIGNALS}
        self._kept_step = 0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        self._kept_step = trainer.global_step  # what there is comes from the checkpoint, or was not learned

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: object, number: int
    ) -> None:
        if number % trainer.accumulate_grad_batches != 0 or not ranks.anyone(stop.is_told(), module.device):
            return
        if trainer.global_step > self._kept_step:
            trainer.save_checkpoint(self._path)
        stop.end()
