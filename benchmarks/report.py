"""The report of a study with 200 and 2,000 experiments, and of their last cycle: seconds to write, and size.

The store is that of `benchmarks.board`, with what language models and GPUs leave beside it: 12 calls of
each cycle, a lease for each experiment, the readings of the last 10 cycles, and the champion's masks. Each
round is a process of its own, whose imports count, as they do in the first cycle.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.reporting import finish

SIZES = (200, 2_000)
MOST_S = 5.0
MOST_GROWTH = 1.2
"""Of a cycle's page, from the small study to the large one."""
ROUNDS = 3
Measured = dict[str, float]


def main() -> None:
    found = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="arc-bench-") as home:
            _child("fill", home, str(size))
            rounds = [json.loads(_child("write", home).splitlines()[-1]) for _ in range(ROUNDS)]
        found[size] = {name: median(each[name] for each in rounds) for name in rounds[0]}
    few, many = found[SIZES[0]], found[SIZES[-1]]
    growth = many["cycle_kib"] / few["cycle_kib"]
    line = {
        "name": "cycle_report_growth",
        "value": round(growth, 3),
        "target": MOST_GROWTH,
        "better": "lower",
    }
    print(json.dumps(line | {"ok": growth <= MOST_GROWTH}))
    finish(
        "report",
        [(f"{size:,} experiments, median of {ROUNDS}", _words(each)) for size, each in found.items()]
        + [("target", f"the study's page in {MOST_S:g} s; the cycle's page {MOST_GROWTH:g} × at most")],
        # The worse of the two, as a share of its target.
        value=max(many["study_s"] / MOST_S, growth / MOST_GROWTH),
        target=1.0,
        better="lower",
    )


def _words(each: Measured) -> str:
    return (
        f"study's page {each['study_s']:.2f} s ({each['study_cpu_s']:.2f} s of a core), "
        f"{each['study_kib']:,.0f} KiB; cycle's page "
        f"{each['cycle_s']:.2f} s, {each['cycle_kib']:,.0f} KiB; scorecards {each['standing_s']:.2f} s"
    )


def _child(part: str, home: str, *arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARC_")}
    command = [sys.executable, "-m", "benchmarks.report", part, *arguments]
    environment = kept | {"ARC_HOME": home, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def fill_store(size: int) -> None:
    """In a child process: a study of `size` experiments in ARC_HOME."""
    from arc_core.config import load_config
    from arc_core.data.study import open_study
    from arc_core.experiments.memory import open_memory
    from arc_core.settings import get_settings
    from benchmarks.board_store import fill
    from benchmarks.report_store import fill_beside

    config, settings = load_config(), get_settings()
    memory = open_memory(settings.store_url)
    study = open_study(memory, config.data, config.task, config.metric, settings.home.resolve())
    fill(memory, config, study, size)
    fill_beside(memory, study)
    memory.close()


def write() -> Measured:
    """In a child process: both reports, the study's first."""
    began, cpu_began = time.perf_counter(), time.process_time()
    from arc_core.report.study import write_study_report

    imports, cpu_imports = time.perf_counter() - began, time.process_time() - cpu_began
    from arc_core.config import load_config
    from arc_core.experiments.memory import open_memory
    from arc_core.report.cycle import write_report
    from arc_core.report.front import told_of_front
    from arc_core.report.standing import standing_of
    from arc_core.settings import get_settings

    config, settings = load_config(), get_settings()
    memory, home = open_memory(settings.store_url), settings.home.resolve()
    study = memory.study(memory.studies()[-1])
    cycle = memory.cycles(study.id)[-1]
    ids = tuple(each.id for each in memory.agenda(cycle))
    began = time.perf_counter()
    standing = standing_of(memory, study)
    standing_s = time.perf_counter() - began
    began, cpu_began = time.perf_counter(), time.process_time()
    front = told_of_front(memory, study, config.objectives, cycle=cycle.number)
    index = write_study_report(memory, study, home, standing, front)
    study_s = imports + time.perf_counter() - began
    study_cpu_s = cpu_imports + time.process_time() - cpu_began
    began = time.perf_counter()
    report = write_report(memory, study, cycle, ids, (), home, objectives=config.objectives)
    return {
        "study_s": study_s,
        "study_cpu_s": study_cpu_s,
        "standing_s": standing_s,
        "cycle_s": time.perf_counter() - began,
        "study_kib": index.stat().st_size / 1024,
        "cycle_kib": Path(str(report.summary.report)).stat().st_size / 1024,
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["fill"]:
        fill_store(int(sys.argv[2]))
    elif sys.argv[1:2] == ["write"]:
        print(json.dumps(write()))
    else:
        main()
