"""What a study's gate is set to can't be changed once results may be known."""

from contextlib import closing

import pytest

from arc_core.errors import ConfigError
from arc_core.experiments.memory import Memory
from arc_core.gate.declared import check, declare, declared
from arc_core.gate.verdict import GateConfig

DECLARED = GateConfig(race=None)


def test_the_first_declaration_holds(store_url):
    with closing(Memory(store_url)) as memory:
        assert declared(memory.ledger, "study-a") is None
        check(memory.ledger, "study-a", DECLARED)
        declare(memory.ledger, "study-a", DECLARED)
        declare(memory.ledger, "study-a", GateConfig(alpha=0.2))
        assert declared(memory.ledger, "study-a") == DECLARED
        check(memory.ledger, "study-a", DECLARED)
        check(memory.ledger, "study-b", GateConfig())
        with pytest.raises(
            ConfigError, match=r"declared alpha=0.05, race=null before .*, got alpha=0.2, race=0.01"
        ):
            check(memory.ledger, "study-a", GateConfig(alpha=0.2))
