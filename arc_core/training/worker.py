"""Train every fold of one plan: `python -m arc_core.training.worker PLAN.json`.

Standard output carries one JSON object a line, and nothing else:

    {"event": "started", "experiment_id", "pid", "folds", "epochs"}
    {"event": "epoch", "fold", "epoch", "epochs", "train_loss", "held_out_loss"}
    {"event": "fold", "fold", "folds", "train_s", "total_s", "reused"}
    {"event": "finished"} or {"event": "failed", "reason", "out_of_memory"?, "machine"?}

Exit 0 finished, 3 failed with that reason. SIGTERM or SIGINT is a stop: once it trains, the worker goes on to
the end of the step, writes a checkpoint, and ends by that signal. A fold that is sealed already is not
trained again. A training on several devices has a worker for each; the first one speaks, and whichever fails
says so.
"""

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from arc_core.clock import age_s
from arc_core.errors import ArcError, DatasetError, StoreError
from arc_core.experiments.result import Point
from arc_core.provenance.files import explained, is_of_the_disk
from arc_core.training import libraries, stop
from arc_core.training.child import LEASH_VARIABLE
from arc_core.training.fold import is_finished
from arc_core.training.memory_limit import is_out_of_memory
from arc_core.training.plan import TrainingPlan
from arc_core.training.reference import learns_from_vcdr

FAILED = 3

Emit = Callable[..., None]


def main(arguments: list[str]) -> int:
    """Run the worker; returns its exit code."""
    _die_with_asker()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ended by it as by SIGTERM: a stop, no failure
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # whoever started it had it wait
    emit = _emitter(_claim_stdout())
    plan = TrainingPlan.model_validate_json(Path(arguments[0]).read_bytes())
    try:
        _train(plan, emit)
    except ArcError as error:
        emit("failed", reason=str(error), **_fault_of_machine(error))
        return FAILED
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        if is_out_of_memory(error):
            emit("failed", reason=reason, out_of_memory=True)
            return FAILED
        emit("failed", reason=reason, **_fault_of_machine(error))
        raise  # the traceback belongs in worker.log
    if _leads():
        emit("finished")
    return 0


def _train(plan: TrainingPlan, emit: Emit) -> None:
    folds, epochs = plan.split.folds, plan.spec.epochs
    tell = emit if _leads() else _silent
    tell("started", experiment_id=plan.experiment_id, pid=os.getpid(), folds=folds, epochs=epochs)
    waiting = [fold for fold in range(folds) if not is_finished(plan, fold)]
    for fold in range(folds):
        if fold not in waiting:
            tell("fold", fold=fold, folds=folds, train_s=0.0, total_s=0.0, reused=True)
    if not waiting:
        return
    libraries.load()  # takes seconds; a finished plan doesn't wait for it
    import torch

    from arc_core.training import ranks
    from arc_core.training.fitting import quieten_lightning, train_fold
    from arc_core.training.frames import load_frames
    from arc_core.training.strategy import settle_arithmetic

    quieten_lightning()
    torch.set_num_threads(plan.system.cpu_threads)
    settle_arithmetic()
    ranks.join(plan)
    vcdr = learns_from_vcdr(plan.spec)
    frames = load_frames(plan.dataset, plan.spec.task, plan.spec.image_size_px, vcdr=vcdr)
    startup_s = age_s()  # the interpreter's own start included

    def on_epoch(point: Point) -> None:
        tell("epoch", epochs=epochs, **point.model_dump())

    stop.listen()
    for fold in waiting:
        done = train_fold(plan, fold, frames, startup_s=startup_s, on_epoch=on_epoch)
        startup_s = 0.0
        if done is not None:
            tell("fold", fold=fold, folds=folds, train_s=done.train_s, total_s=done.total_s, reused=False)


def _fault_of_machine(error: Exception) -> dict[str, dict[str, str]]:
    """What is said beside the reason where the disk refused a file, or the images that were there are not."""
    if isinstance(error, OSError) and is_of_the_disk(error):
        error = explained(error)
    if not isinstance(error, (StoreError, DatasetError)):
        return {}
    said = {"what": error.what, "where": str(error.where), "cure": error.cure}
    return {"machine": {"kind": type(error).__name__} | said}


def _claim_stdout() -> IO[str]:
    """The protocol's own stream. Whatever else prints, C libraries included, goes to standard error."""
    sys.stdout.flush()
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return protocol


def _emitter(stream: IO[str]) -> Emit:
    def emit(event: str, **fields: object) -> None:
        stream.write(json.dumps({"event": event, **fields}) + "\n")
        stream.flush()

    return emit


def _leads() -> bool:
    """Whether this is the first of the training's processes, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def _silent(event: str, **fields: object) -> None:
    """What all processes of a training have to tell, the first one tells."""


def _die_with_asker() -> None:
    """End with whoever asked for this process: nobody would hear of an orphan's results."""
    if LEASH_VARIABLE not in os.environ:  # started by hand
        return

    def watch() -> None:
        with contextlib.suppress(OSError):
            os.read(0, 1)  # nothing is ever written there
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # every file is closed; torch would take another second to be torn down
