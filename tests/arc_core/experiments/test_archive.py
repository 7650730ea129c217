"""What the store holds of a long study in memory."""

import tracemalloc
from contextlib import closing
from pathlib import Path

from arc_core.experiments.board import Outcome
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import OF_TASK, Estimate
from tests.contracts.records import RESULT, STUDY, approve

MANY = 200


def taken(made) -> tuple[object, int]:
    """What `made` gives, and the bytes that it holds on to."""
    tracemalloc.start()
    found = made()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return found, held


def test_outcomes_that_are_held_take_far_less_than_records_read_one_by_one(tmp_path: Path) -> None:
    estimate = Estimate(value=0.8, low=0.7, high=0.9)
    result = RESULT.model_copy(update={"metrics": dict.fromkeys(OF_TASK["segmentation"], estimate)})
    with closing(Memory(f"sqlite:///{tmp_path / 'arc.db'}")) as memory:
        memory.register_study(STUDY)
        for experiment_id in approve(memory, *range(MANY)):
            memory.keep_result(experiment_id, result)
        memory.outcomes("the first look of all imports and compiles")
        held, little = taken(lambda: memory.outcomes(STUDY.id))
        texts = [outcome.model_dump_json() for outcome in held]
        read, much = taken(lambda: tuple(map(Outcome.model_validate_json, texts)))
        assert held == read
        assert little < 0.7 * much
        changed = held[0].model_copy(update={"reason": "x"})
        assert (changed.spec, held[0].reason, held[1].reason) == (held[0].spec, "", "")
