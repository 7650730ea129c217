"""A study: one dataset, one split, one task, one primary metric. Results compare only within it."""

from datetime import datetime
from typing import Any, Literal

from arc_core.errors import StoreError
from arc_core.experiments.board import Outcome
from arc_core.experiments.metric import Estimate, Task
from arc_core.provenance.canonical import sha256_of
from arc_core.record import Record


class Study(Record):
    """`dataset` and `split` are the JSON of `arc_core.data`'s records; the split is frozen here."""

    id: str
    task: Task
    metric: str
    simulated: bool
    dataset_sha256: str
    dataset: dict[str, Any]
    split: dict[str, Any]


class Cycle(Record):
    """One pass of the board. An unfinished one is taken up again where it stopped; one that is `planned` has
    had its meeting while the one before it trains. `meeting` counts those that it had before the latest."""

    id: int
    study_id: str
    number: int
    status: Literal["planned", "open", "finished", "failed"]
    started: datetime | None = None
    ended: datetime | None = None
    meeting: int = 0


class Experiment(Record):
    """An approved spec of a study, its place in line and its state; or one trained again, with another
    seed."""

    id: str
    number: int
    study_id: str
    proposal_id: str
    outcome: Outcome
    repeat_of: str | None = None
    started: datetime | None = None
    ended: datetime | None = None


class Score(Record):
    """One measured experiment in the course of its study. `accepted`: it became champion."""

    number: int
    estimate: Estimate
    accepted: bool


def study_id(
    dataset_sha256: str,
    task: Task,
    metric: str,
    folds: int,
    split_seed: int,
    split_by: str = "patient",
    test_sha256: str | None = None,
) -> str:
    """The id under which a study is found again; what came later counts only where it is used."""
    by = [] if split_by == "patient" else [split_by]
    test = [] if test_sha256 is None else ["test", test_sha256]
    return "study-" + sha256_of([dataset_sha256, task, metric, folds, split_seed, *by, *test])[:10]


def experiment_id(study: str, spec_id: str) -> str:
    """The same spec on the same study is the same experiment."""
    return "exp-" + sha256_of([study, spec_id])[:10]


def unknown_experiment(given: str, where: object) -> StoreError:
    """What is said where the store, `where`, has no experiment of the id that was given."""
    return StoreError(
        f"{given} is not in the store",
        where=where,
        expected="the id of an experiment, such as exp-660a0a5ee7",
        cure="Check the id: the study's page has each. Then check ARC_HOME and ARC_DATABASE_URL; "
        "every process needs the same.",
    )
