"""A finished experiment trained once more, and what differs: its predictions, its figures, the setting."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from arc_core.experiments.result import CASES, Case, Result
from arc_core.provenance.ledger import Event
from arc_core.provenance.origin import machine, origin
from arc_core.record import Record
from arc_core.training.fold import CAMS, CURVE, MASKS, MODEL, PREDICTIONS

PREDICTED = (PREDICTIONS, MASKS, CAMS)
LEARNED = (MODEL, CURVE)
Outcome = Literal["identical", "within tolerance", "different"]


class Difference(Record):
    """Something that is not what it was."""

    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.then} then, {self.now} now"


class Reproduction(Record):
    """`largest` is the largest difference of a case's value from the recorded one, in the values' own units.

    `setting`: code, libraries, machine. `files`: predictions that are not the same bytes.
    """

    experiment_id: str
    outcome: Outcome
    tolerance: float
    setting: tuple[Difference, ...]
    files: tuple[str, ...]
    learned: tuple[str, ...]
    cases: tuple[Difference, ...]
    metrics: tuple[Difference, ...]
    largest: float
    compared: int


def compared(
    experiment_id: str,
    recorded: Result,
    run_dir: Path,
    again: Result,
    again_dir: Path,
    *,
    setting: Sequence[Difference],
    tolerance: float,
) -> Reproduction:
    """What the second training left in `again_dir`, held against what the result says of the first.

    Identical: every prediction has the same bytes. Within tolerance: no metric differs by more than that.
    """
    then, now = (_by_hash(result.files, PREDICTED) for result in (recorded, again))
    files = tuple(name for name in sorted({*then, *now}) if then.get(name) != now.get(name))
    were, are = (_by_hash(result.files, LEARNED) for result in (recorded, again))
    cases, largest = _cases(_read(run_dir), _read(again_dir))
    metrics = tuple(_metrics(recorded, again))
    if not files and recorded.files[CASES] == again.files[CASES]:
        outcome: Outcome = "identical"
    else:
        values = [{name: each.value for name, each in side.metrics.items()} for side in (recorded, again)]
        moved = max(_apart(value, values[1].get(name)) for name, value in values[0].items())
        outcome = "within tolerance" if moved <= tolerance else "different"
    return Reproduction(
        experiment_id=experiment_id,
        outcome=outcome,
        tolerance=tolerance,
        setting=tuple(setting),
        files=files,
        learned=tuple(name for name in sorted(were) if were[name] != are.get(name)),
        cases=cases,
        metrics=metrics,
        largest=largest,
        compared=len(then),
    )


def setting_of(started: Event | None) -> tuple[Difference, ...]:
    """Where code, libraries or machine are others than when the training began."""
    if started is None:
        return (Difference(what="the ledger", then="no event of its start", now="unknown"),)
    then = started.origin.model_dump() | started.facts["machine"]
    now = origin().model_dump() | machine()
    return tuple(each for each in _different(then, now) if each.what != "host")


def _by_hash(files: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Those files of folds that are called so, or lie in a folder that is."""
    return {path: sha for path, sha in files.items() if {*Path(path).parts[1:]} & {*names}}


def _read(folder: Path) -> dict[str, Case]:
    cases = TypeAdapter(tuple[Case, ...]).validate_json((folder / CASES).read_bytes())
    return {case.image_id: case for case in cases}


def _cases(then: Mapping[str, Case], now: Mapping[str, Case]) -> tuple[tuple[Difference, ...], float]:
    """Every value of a case that is another one, and by how much at most."""
    found, largest = list[Difference](), 0.0
    for image_id in sorted({*then, *now}):
        were, are = (_values(side.get(image_id)) for side in (then, now))
        for each in _different(were, are):
            found.append(each.model_copy(update={"what": f"{image_id}, {each.what}"}))
            largest = max(largest, _apart(were.get(each.what), are.get(each.what)))
    return tuple(found), largest


def _apart(one: object, other: object) -> float:
    """Of two values; infinitely, where one is none."""
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other)
    return math.inf


def _values(case: Case | None) -> dict[str, Any]:
    return {} if case is None else case.model_dump(exclude={"image_id"})


def _metrics(recorded: Result, again: Result) -> Iterator[Difference]:
    then, now = ({k: str(v) for k, v in result.metrics.items()} for result in (recorded, again))
    yield from _different(then, now)


def _different(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name):
            yield Difference(what=name, then=_shown(then.get(name)), now=_shown(now.get(name)))


def _shown(value: object) -> str:
    return "nothing" if value is None or value == "" else str(value)
