"""A first cycle's home, for the report's tests to write into."""

from pathlib import Path

import pytest

from arc_core.experiments.study import Study
from tests.command import copied, memory_in


@pytest.fixture
def home(one_cycle, tmp_path) -> Path:
    """A copy of the first cycle's home, to write into."""
    return copied(one_cycle.home, tmp_path / "home")


@pytest.fixture
def memory(home):
    memory = memory_in(home)
    yield memory
    memory.close()


@pytest.fixture
def study(memory) -> Study:
    (study,) = memory.studies()
    return memory.study(study)
