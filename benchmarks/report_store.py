"""What a study leaves beside the experiments of `benchmarks.board_store`: calls, leases, readings, masks."""

import random
import shutil
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert, select, update

from arc_core.data.study import dataset_of
from arc_core.experiments import tables as t
from arc_core.experiments.call import Call
from arc_core.experiments.holder import Holder
from arc_core.experiments.lease import Request
from arc_core.experiments.memory import Memory
from arc_core.experiments.runs import Runs
from arc_core.experiments.sample import Sample
from arc_core.experiments.study import Study
from arc_core.provenance.canonical import sha256_of_file
from arc_core.report.overlays import ranked_cases
from arc_core.settings import get_settings
from benchmarks.board_store import WHEN

CALLS = 12  # of each cycle
PROMPT = "What was tried before, and what came of it? " * 100  # 4.4 kB
ANSWER = '{"proposals": [{"name": "a step", "changes": {"optimiser.lr": 0.003}}]} ' * 20
WATCHED, HOURS, INTERVAL_S = 10, 2.0, 5.0  # cycles with readings, how long each is, how often
TRAINED = timedelta(minutes=20)


def fill_beside(memory: Memory, study: Study) -> None:
    """Leases of the experiments, calls of the cycles, readings of the latest, masks of the champion."""
    cycles, experiments = memory.cycles(study.id), memory.experiments(study.id)
    calls = [_call(cycle.id) for cycle in cycles for _ in range(CALLS)]
    leases = [_lease(experiment.id, number % 2) for number, experiment in enumerate(experiments)]
    with memory.database.write() as db:
        db.execute(insert(t.calls), calls)
        db.execute(insert(t.leases), leases)
    for cycle in cycles[-WATCHED:]:
        jobs = tuple(each.id for each in experiments if each.outcome.cycle == cycle.number)[:2]
        memory.samples.keep(cycle.id, _readings(jobs, random.Random(cycle.number)))
    _masks(memory, study)


def _call(cycle_id: int) -> dict[str, object]:
    call = Call(
        role="architect",
        model="a/model",
        outcome="answered",
        prompt=PROMPT,
        answer=ANSWER,
        tokens_in=1100,
        tokens_out=400,
        cost_usd=0.01,
        seconds=8,
    )
    figures = {"requests": 1, "tokens": 1500, "usd": 0.01, "seconds": 8.0}
    return {"cycle_id": cycle_id, "started": WHEN, "body": call.model_dump(mode="json")} | figures


def _lease(experiment_id: str, gpu: int) -> dict[str, object]:
    return {
        "experiment_id": experiment_id,
        "purpose": "training",
        "priority": 5,
        "request": Request(experiment_id=experiment_id, memory_mib=4000).model_dump(mode="json"),
        "holder": Holder.this_process().model_dump(mode="json"),
        "gpu_ids": [gpu],
        "asked": WHEN,
        "granted": WHEN,
        "heartbeat": WHEN,
        "expires": WHEN,
        "released": WHEN + TRAINED,
    }


def _readings(jobs: tuple[str, ...], rng: random.Random) -> list[Sample]:
    return [
        Sample(
            at=WHEN + timedelta(seconds=INTERVAL_S * place),
            gpu_index=index,
            utilisation_percent=rng.uniform(70, 100),
            memory_used_mib=4000,
            memory_total_mib=46_068,
            jobs=jobs[index : index + 1],
            simulated=True,
        )
        for place in range(int(3600 * HOURS / INTERVAL_S))
        for index in (0, 1)
    ]


def _masks(memory: Memory, study: Study) -> None:
    """The reference masks, as if the champion had drawn them."""
    champion, dataset = memory.champion(study.id), dataset_of(study)
    assert champion is not None
    runs, sources = get_settings().runs, {case.image_id: case for case in dataset.cases}
    this = t.results.c.experiment_id == champion.id
    files = {}
    for case in ranked_cases(memory, Runs(runs), champion.id):
        name = f"fold-{case.fold}/masks/{case.image_id}.png"
        target = runs / champion.id / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(dataset.root) / str(sources[case.image_id].mask), target)
        files[name] = sha256_of_file(target)
    with memory.database.write() as db:
        known = db.scalar(select(t.results.c.files).where(this))
        db.execute(update(t.results).where(this).values(files=known | files))
