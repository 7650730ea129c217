"""12 jobs of 20 s over 3 slots: the local dispatcher and the pool `arc-gpu`, against joblib and the ideal.

A job is the real worker, with its imports, decoding, protocol, files and measuring, but its training sleeps.
Server, pools and workers are those of `scripts/up`, on a free port with homes of their own. joblib's three
processes import and decode the same and then sleep. `--jobs` and `--seconds` make it shorter.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.asleep import python_path
from benchmarks.reporting import finish

SLOTS, FOLDS = 3, 2
MOST_LOCAL, MOST_POOL = 1.10, 1.35
ROOT = Path(__file__).parent.parent
STUDY = (
    "data.synthetic.cases=12",
    "data.synthetic.image_size_px=64",
    "spec.image_size_px=64",
    f"data.folds={FOLDS}",
)


def main() -> None:
    from benchmarks.study import scratch

    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", choices=["joblib", "local", "pool"], help="measure one of them alone")
    given = parser.parse_args()
    ideal_s = given.seconds * -(-given.jobs // SLOTS)
    with scratch() as folder:
        environment = _environment(folder, given.seconds)
        took: dict[str, float] = {}
        with _up(folder, environment):
            for kind in [given.only] if given.only else ["joblib", "local", "pool"]:
                took[kind] = _measured(kind, given.jobs, folder, environment)
    _finish(took, ideal_s)


def _finish(took: dict[str, float], ideal_s: float) -> None:
    rows = [("ideal", f"{ideal_s:.0f} s")]
    for kind, seconds in took.items():
        beside = f", {seconds / took['joblib']:.2f} × joblib" if "joblib" in took and kind != "joblib" else ""
        rows.append((kind, f"{seconds:.1f} s, {seconds / ideal_s:.3f} × ideal{beside}"))
    most = {"local": MOST_LOCAL, "pool": MOST_POOL}
    for kind in took.keys() & most.keys():
        value = round(took[kind] / ideal_s, 3)
        line = {"name": f"dispatch_{kind}", "value": value, "target": most[kind], "better": "lower"}
        print(json.dumps(line | {"ok": value <= most[kind]}))
    # The worse of the two, as a share of what it may take.
    worst = max((took[kind] / ideal_s / most[kind] for kind in took.keys() & most.keys()), default=0.0)
    finish("dispatch", rows, value=worst, target=1.0, better="lower")


def _environment(folder: Path, seconds: float) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ARC_", "PREFECT_"))}
    return kept | {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "DO_NOT_TRACK": "1",
        "ARC_PREFECT_PORT": port,
        "ARC_MAX_CONCURRENT_JOBS": str(SLOTS),
        "PYTHONPATH": python_path(folder, seconds / FOLDS),
    }


@contextmanager
def _up(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """`make up`, its workers in the ARC home of the pool's jobs."""
    log = folder / "up.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [ROOT / "scripts" / "up"],
            env=environment | {"ARC_HOME": str(folder / "pool")},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        while "Ctrl-C stops everything" not in log.read_text():
            if process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.2)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _measured(kind: str, jobs: int, folder: Path, environment: dict[str, str]) -> float:
    """Seconds from the first submission to the last result, measured in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", f"from benchmarks import dispatch; dispatch.{kind}({jobs})"],
        env=environment | {"ARC_HOME": str(folder / kind)},
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(ran.stdout.splitlines()[-1])


def local(jobs: int) -> None:
    """In a process of its own: by child processes."""
    _dispatch(jobs, "local")


def pool(jobs: int) -> None:
    """In a process of its own: by runs of `train/gpu`."""
    _dispatch(jobs, "pool")


def _dispatch(jobs: int, launch: str) -> None:
    from prefect import flow

    from arc_core.config import load_config
    from tasks.cycle import open_cycle
    from tasks.train import train, warm_up
    from tests.contracts.records import decision, proposal

    config = load_config([*STUDY, f"launch={launch}"])
    context = open_cycle.fn(config)
    warm_up(context)
    proposals = {}
    for number in range(jobs):
        spec = config.spec.changed({"seed": number})
        made = proposal(number).model_copy(update={"spec": spec})
        proposals[made.id] = made
    context.memory.keep_decisions(context.cycle, [decision(each) for each in proposals], proposals)
    ids = [experiment.id for experiment in context.memory.pending(context.study_id)]
    assert len(ids) == jobs

    @flow
    def dispatch() -> float:
        began = time.perf_counter()
        trainings = [train(context, each, None) for each in ids]
        ended = [training.result().outcome for training in trainings]
        took_s = time.perf_counter() - began
        assert {outcome.status for outcome in ended} == {"finished"}, [outcome.reason for outcome in ended]
        return took_s

    print(dispatch())


def joblib(jobs: int) -> None:
    """In a process of its own: by joblib's processes, each of which stays for the next job."""
    from joblib import Parallel, delayed

    from arc_core.config import load_config
    from benchmarks.study import opened, plan_in

    home = Path(os.environ["ARC_HOME"])
    config = load_config(STUDY)
    plans = [plan_in(home / f"exp-{n}", config, opened(config, home)).path for n in range(jobs)]
    began = time.perf_counter()
    Parallel(n_jobs=SLOTS)(delayed(asleep)(str(plan)) for plan in plans)
    print(time.perf_counter() - began)


def asleep(path: str) -> None:
    """One of joblib's jobs."""
    from arc_core.training.plan import TrainingPlan

    plan = TrainingPlan.model_validate_json(Path(path).read_bytes())
    from lightning.pytorch import LightningModule, Trainer

    from arc_core.training.frames import load_frames
    from arc_core.training.networks import build_network

    load_frames(plan.dataset, plan.spec.task, plan.spec.image_size_px)
    build_network(plan.spec.task, plan.spec.architecture)
    for _ in range(plan.split.folds):
        Trainer(logger=False, enable_checkpointing=False).fit(LightningModule())


if __name__ == "__main__":
    main()
