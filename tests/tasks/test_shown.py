"""What showing an experiment asks of the Prefect server."""

import logging

import pytest
from prefect import flow

from arc_core.errors import OutOfTime
from arc_core.experiments.memory import Memory
from tasks.shown import Shown
from tests.contracts.records import RESULT, STUDY, approve, proposal

FOLDS, EPOCHS = 2, 250
TRAINING = [{"event": "started", "folds": FOLDS}] + [
    {"event": "epoch", "fold": fold, "epoch": epoch, "epochs": EPOCHS, "train_loss": 1 / epoch}
    for fold in range(FOLDS)
    for epoch in range(1, EPOCHS + 1)
]


@pytest.fixture
def memory(tmp_path):
    memory = Memory(f"sqlite:///{tmp_path / 'arc.db'}")
    memory.register_study(STUDY)
    yield memory
    memory.close()


@pytest.fixture
def experiment_id(memory) -> str:
    memory.keep(memory.begin_cycle(STUDY.id).id, [proposal(1)])
    (id_,) = approve(memory, 1)
    return id_


@pytest.fixture
def asked(caplog):
    """Requests for artifacts so far: each one's method."""
    caplog.set_level(logging.INFO, logger="httpx")

    def methods() -> list[str]:
        lines = [record.getMessage() for record in caplog.records if record.name == "httpx"]
        return [line.split()[2] for line in lines if "/artifacts/" in line]

    return methods


def test_a_long_training_asks_little(prefect_server, memory, experiment_id, asked):
    @flow
    def trains() -> None:
        with Shown(memory, experiment_id) as shown:
            for event in TRAINING:
                shown.on_event(event)
            memory.keep_result(experiment_id, RESULT)

    trains()
    assert asked().count("POST") == 3
    assert 20 <= asked().count("PATCH") <= 31


def test_a_training_that_is_stopped_shows_how_far_it_came(prefect_server, memory, experiment_id, asked):
    @flow
    def trains() -> None:
        with Shown(memory, experiment_id) as shown:
            for event in TRAINING[: EPOCHS // 5]:
                shown.on_event(event)
            memory.keep_stop(experiment_id, "the machine went down")
            raise OutOfTime("the machine went down")

    with pytest.raises(OutOfTime):
        trains()
    assert asked()[-1] == "PATCH"


def test_a_broken_store_does_not_hide_why_the_training_ended(prefect_server, memory, experiment_id, tmp_path):
    @flow
    def trains() -> None:
        with Shown(memory, experiment_id):
            memory.close()
            for file in tmp_path.glob("arc.db*"):
                file.write_bytes(b"no database at all" * 100)
            raise OutOfTime("stopped")

    with pytest.raises(OutOfTime, match="stopped"):
        trains()
