"""The store that every contract is held against."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from arc_core.experiments.memory import Memory
from tests.contracts.records import STUDY


@pytest.fixture
def memory(store_url: str) -> Iterator[Memory]:
    """A store of each kind, with a study in it."""
    with closing(Memory(store_url)) as memory:
        memory.register_study(STUDY)
        yield memory
