"""What a study's gate is set to can't be changed once results may be known."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from arc_core.errors import ConfigError
from arc_core.experiments.memory import Memory
from arc_core.gate.declared import check, declare, declared
from arc_core.gate.verdict import GateConfig
from tests.contracts.records import RESULT, STUDY, approve

DECLARED = GateConfig(race=None)


@pytest.fixture
def memory(store_url: str) -> Iterator[Memory]:
    with closing(Memory(store_url)) as memory:
        memory.register_study(STUDY)
        yield memory


def test_the_first_declaration_holds(memory: Memory) -> None:
    assert declared(memory.ledger, STUDY.id) is None
    check(memory.ledger, STUDY.id, DECLARED)
    declare(memory, STUDY.id, DECLARED)
    declare(memory, STUDY.id, GateConfig(alpha=0.2))
    assert declared(memory.ledger, STUDY.id) == (DECLARED, "")
    check(memory.ledger, STUDY.id, DECLARED)
    check(memory.ledger, "study-b", GateConfig())
    with pytest.raises(ConfigError, match=r"declared alpha=0.05, race=null, got alpha=0.2, race=0.01"):
        check(memory.ledger, STUDY.id, GateConfig(alpha=0.2))


def test_a_declaration_that_comes_after_results_says_so(memory: Memory) -> None:
    """Of a study that an older ARC began."""
    trained, _ = approve(memory, 1, 2)
    memory.keep_result(trained, RESULT)
    declare(memory, STUDY.id, DECLARED)
    assert declared(memory.ledger, STUDY.id).late.startswith("results that were known before: 1;")
