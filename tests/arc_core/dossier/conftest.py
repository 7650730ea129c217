"""The dossier of a real first cycle, to change one thing in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from arc_core.dossier.facts import Facts, gather
from arc_core.dossier.intended_use import IntendedUse
from arc_core.experiments.runs import Runs
from arc_core.settings import load_settings
from tests.command import copied, memory_in


@pytest.fixture
def home(one_cycle, tmp_path) -> Path:
    """A copy of the first cycle's home, to write into."""
    return copied(one_cycle.home, tmp_path / "home")


@pytest.fixture
def settings(home):
    return load_settings(_env_file=None, home=home)


@pytest.fixture
def memory(home):
    memory = memory_in(home)
    yield memory
    memory.close()


@pytest.fixture
def study(memory):
    (study,) = memory.studies()
    return memory.study(study)


@pytest.fixture
def gathered(memory, home, study) -> Callable[..., Facts]:
    """The facts of the champion, as the home now is."""

    def gathered(use: IntendedUse | None = None) -> Facts:
        champion = memory.champion(study.id)
        return gather(memory, Runs(home / "runs"), home, champion, use or IntendedUse())

    return gathered
