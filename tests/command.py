"""`python -m flows.cycle` as a user calls it: a process of its own, with an environment of its own."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from arc_core.experiments.memory import Memory
from arc_core.experiments.study import Experiment

TINY = (
    "data.synthetic.cases=12",
    "data.synthetic.image_size_px=64",
    "spec.image_size_px=32",
    "spec.epochs=3",
    "spec.architecture.width=8",
    "spec.architecture.depth=3",
    "space.axes={image_size_px:{choices:[32,48]},epochs:{choices:[3,4]},"
    "architecture.width:{choices:[8,12]},architecture.depth:{choices:[3]}}",
)
"""A study so small that starting the workers takes most of the time."""
TWO = (*TINY, "board.experiments_per_cycle=2")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A command that has ended, and the ARC home it worked in."""

    home: Path
    code: int
    out: str
    err: str

    @property
    def memory(self) -> Memory:
        return memory_in(self.home)

    @property
    def study(self) -> str:
        """The only study in that home."""
        (study,) = self.memory.studies()
        return study


def environment(home: Path, **variables: str) -> dict[str, str]:
    """The process's environment without the user's ARC and Prefect settings; `variables` win."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ARC_", "PREFECT_", "COLUMNS", "FORCE_COLOR"))
    }
    return kept | {"ARC_HOME": str(home), "PREFECT_HOME": str(home.parent / "prefect")} | variables


def start_cycle(home: Path, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    """Start the command with its output piped.

    Where `variables` name neither a server nor its folder, the temporary server finds its database made.
    """
    home.mkdir(parents=True, exist_ok=True)
    database = home.parent / "prefect" / "prefect.db"
    if not database.exists() and not variables.keys() & {"PREFECT_API_URL", "PREFECT_HOME"}:
        database.parent.mkdir(exist_ok=True)
        shutil.copyfile(_migrated(), database)
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cycle", *arguments],
        cwd=home.parent,  # where no .env lies
        env=environment(home, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@cache
def _migrated() -> Path:
    """A new database of Prefect's server: its migrations take 3 s of a core, and here they run once."""
    folder = Path(tempfile.mkdtemp(prefix="arc-prefect-"))
    atexit.register(shutil.rmtree, folder)
    command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
    subprocess.run(
        command, env=environment(folder, PREFECT_HOME=str(folder)), check=True, stdout=subprocess.PIPE
    )
    return folder / "prefect.db"


def run_cycle(home: Path, *arguments: str, **variables: str) -> Finished:
    """Run the command to its end."""
    process = start_cycle(home, *arguments, **variables)
    out, err = process.communicate()
    return Finished(home=home, code=process.returncode, out=out, err=err)


def memory_in(home: Path) -> Memory:
    """The store in an ARC home."""
    return Memory(f"sqlite:///{home / 'arc.db'}")


def trained_in(memory: Memory) -> tuple[Experiment, ...]:
    """The experiments of the only study, and their repeats with further seeds."""
    (study,) = memory.studies()
    ideas = memory.experiments(study)
    return (*ideas, *chain.from_iterable(memory.repeats.of([each.id for each in ideas]).values()))


def copied(home: Path, to: Path) -> Path:
    """A copy of a home, without the socket of its fork server, which may still be about to go."""
    return Path(shutil.copytree(home, to, ignore=shutil.ignore_patterns("warm")))
