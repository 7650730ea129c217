"""The real worker, asleep: all of a training but the training itself."""

import time
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.noticing import when_imported

ROOT = Path(__file__).parent.parent


def python_path(folder: Path, seconds: float) -> str:
    """A PYTHONPATH under which `Trainer.fit` sleeps, in every process and in what it forks."""
    site = folder / "asleep"
    site.mkdir()
    site.joinpath("sitecustomize.py").write_text(
        f"from benchmarks import asleep\nasleep.install({seconds})\n"
    )
    return f"{site}:{ROOT}"


def install(seconds: float) -> None:
    """In a process that is starting: let every fold sleep for so long."""

    def fit(trainer: Any, module: Any, *given: object, **named: object) -> None:
        time.sleep(seconds)
        module.on_train_end()

    def replace(module: ModuleType) -> None:
        module.Trainer.fit = fit

    when_imported("lightning.pytorch.trainer.trainer", replace)
