"""The dossier of a study with 1,000 experiments: seconds to export, and its size.

The store is that of `benchmarks.board` with the masks of its champion, and a ledger that tells of every
training, result and verdict, as real cycles leave it, with a signed head for each cycle. Each round is a
process of its own, whose imports count. The rival is reportlab alone,
laying out the one table of all experiments from ready strings.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.reporting import finish

SIZE, ROUNDS = 1_000, 3
MOST_S = 60.0


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        home = f"{folder}/home"
        _child("fill", home)
        rounds = [json.loads(_child("export", home).splitlines()[-1]) for _ in range(ROUNDS)]
    took = [each["seconds"] for each in rounds]
    own, rival = (median(each[name] for each in rounds) for name in ("cpu_s", "rival_cpu_s"))
    last = rounds[-1]
    rows = [
        ("experiments, events, heads", f"{SIZE:,}, {last['events']:,.0f}, {last['heads']:,.0f}"),
        ("exported in, median of three", f"{median(took):.1f} s ({min(took):.1f} to {max(took):.1f})"),
        ("of a core", f"{own:.1f} s"),
        ("of it facts, from the store and the ledger", f"{last['facts_s']:.1f} s"),
        ("files, size", f"{last['files']:.0f}, {last['mib']:.1f} MiB"),
        (
            "reportlab alone, its table of all experiments",
            f"{rival:.1f} s of a core, {own / rival:.1f} ×",
        ),
    ]
    finish("dossier", rows, value=median(took), target=MOST_S, better="lower")


def _child(part: str, home: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARC_")}
    command = [sys.executable, "-m", "benchmarks.dossier", part]
    environment = kept | {"ARC_HOME": home, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def fill_store() -> None:
    """In a child process: the study in ARC_HOME, and its ledger."""
    from sqlalchemy import select

    from arc_core.config import load_config
    from arc_core.data.study import open_study
    from arc_core.experiments import tables as t
    from arc_core.experiments.events import of_end, of_result, of_start, of_verdict
    from arc_core.experiments.ledger import append
    from arc_core.experiments.memory import open_memory
    from arc_core.experiments.verification import seal
    from arc_core.settings import get_settings
    from benchmarks.board_store import fill
    from benchmarks.report_store import fill_beside

    config, settings = load_config(), get_settings()
    memory = open_memory(settings.store_url)
    study = open_study(memory, config.data, config.task, config.metric, settings.home.resolve())
    fill(memory, config, study, SIZE)
    fill_beside(memory, study)
    verdicts = {verdict.experiment_id: verdict for verdict in memory.verdicts(study.id)}
    cycle = 1
    for experiment in memory.experiments(study.id):
        if experiment.outcome.cycle != cycle:
            cycle = experiment.outcome.cycle
            seal(memory.ledger, settings)
        name, result = experiment.id, memory.result(experiment.id)
        with memory.database.write() as db:
            append(db, of_start(db, name, ()))
            if result is None:
                append(db, of_end(name, "failed", experiment.outcome.reason))
                continue
            row = db.execute(select(t.results).where(t.results.c.experiment_id == name)).one()._asdict()
            append(db, *of_result(name, result, row), of_end(name, "finished", ""))
            append(db, *of_verdict(verdicts[name]))
    seal(memory.ledger, settings)
    memory.close()


def export_it() -> dict[str, float]:
    """In a child process: the dossier of the champion."""
    began, cpu_began = time.perf_counter(), time.process_time()
    from arc_core.dossier.document import Table
    from arc_core.dossier.documents.development import development_report
    from arc_core.dossier.export import export
    from arc_core.dossier.facts import gather
    from arc_core.dossier.intended_use import IntendedUse
    from arc_core.experiments.memory import open_memory
    from arc_core.experiments.runs import Runs
    from arc_core.settings import get_settings

    settings = get_settings()
    memory, home = open_memory(settings.store_url), settings.home.resolve()
    champion = memory.champion(memory.studies()[-1])
    assert champion is not None
    asked = time.perf_counter()
    facts = gather(memory, Runs.of(settings), home, champion, IntendedUse())
    gathered = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        out = Path(folder) / "out"
        files = export(out, facts, memory, settings)
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        size = sum((out / name).stat().st_size for name in files)
    blocks = [block for section in development_report(facts).sections for block in section.blocks]
    table = max((each for each in blocks if isinstance(each, Table)), key=lambda each: len(each.rows))
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "facts_s": gathered - asked,
        "events": facts.history.count,
        "heads": sum(
            len(path.read_bytes().splitlines()) for path in settings.anchors_folder.glob("heads-*.jsonl")
        ),
        "files": len(files),
        "mib": size / 2**20,
        "rival_cpu_s": _rival_cpu_s([[str(cell) for cell in row] for row in table.rows], table.widths),
    }


def _rival_cpu_s(rows: list[list[str]], widths: tuple[float, ...]) -> float:
    from reportlab.lib.pagesizes import letter
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

    began = time.process_time()
    style = getSampleStyleSheet()["BodyText"]
    cells = [[Paragraph(cell, style) for cell in row] for row in rows]
    SimpleDocTemplate(io.BytesIO(), pagesize=letter).build([Table(cells, [450 * share for share in widths])])
    return time.process_time() - began


if __name__ == "__main__":
    if sys.argv[1:2] == ["fill"]:
        fill_store()
    elif sys.argv[1:2] == ["export"]:
        print(json.dumps(export_it()))
    else:
        main()
