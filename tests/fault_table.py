"""Every role's model at every fault: what became of the meeting. `make faults` prints the table.

Each cell is one meeting, recall to decision, on a real store, with litellm talking to a real server over
HTTP. What has to hold in every cell is in `unsafe`.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from arc_core.experiments.limits import violations
from arc_core.llm.roles import THINKING
from arc_core.settings import get_settings
from tests.llm_server import FAULTS, INJECTION, KEY, PATH, ModelServer
from tests.meeting import Meeting, hold, studied, with_models

TIMEOUT_S = 4.0  # a busy machine is slow to read an answer that is there
ALONE = tuple((role,) for role in THINKING)
ELSEWHERE = (Path("/tmp/arc-was-here"), Path("arc-was-here"))  # noqa: S108  # where PATH would lead


@dataclass(frozen=True)
class Cell:
    """One role at one fault: how it was met, and what was unsafe about it (nothing, it is hoped)."""

    role: str
    fault: str
    outcome: str
    unsafe: tuple[str, ...]


def cells(home: Path, patch: pytest.MonkeyPatch, groups=ALONE, faults=FAULTS) -> Iterator[Cell]:
    """One meeting for each group of roles and each fault, in a store of its own under `home`."""
    server, trap = ModelServer(), ModelServer()
    server.trap = trap.url
    overrides = with_models(server, patch, timeout_s=TIMEOUT_S)
    try:
        for fault in faults:
            for roles in groups:
                server.faults = dict.fromkeys(roles, fault)
                here = home / str(len(list(home.glob("*"))))
                patch.setenv("ARC_HOME", str(here))
                get_settings.cache_clear()
                meeting = hold(studied(*overrides))
                found = unsafe(meeting, here, trap)
                yield from (Cell(role, fault, outcome(meeting, role), found) for role in roles)
                meeting.context.memory.close()
    finally:
        server.close()
        trap.close()


def outcome(meeting: Meeting, role: str) -> str:
    """How the role was answered for, from the ledger of calls."""
    calls = [call for call in meeting.calls if call.role == role]
    ends = [call.outcome for call in calls]
    if "offline" in ends:
        last = [end for end in ends if end in ("timeout", "failed", "invalid")][-1]
        return f"offline ({last})"
    words = "repaired" if ends.count("answered") and "invalid" in ends else "answered"
    aside = ends.count("set_aside")
    dropped = recollected(meeting) if role == "historian" else 0
    return words + (f", {aside + dropped} dropped" if aside + dropped else "")


def recollected(meeting: Meeting) -> int:
    from arc_core.experiments.board import Recollection

    kept = meeting.context.memory.kept(meeting.context.cycle.id, Recollection)
    return sum(len(each.dropped) for each in kept)


def unsafe(meeting: Meeting, home: Path, trap: ModelServer) -> tuple[str, ...]:
    """Everything that must never come of an answer."""
    found = []
    config = meeting.context.config
    chosen = {each.proposal_id for each in meeting.decisions if each.selected}
    if not chosen:
        found.append("nothing was selected")
    for each in meeting.proposals:
        broken = [v for v in violations(each.spec, config.losses) if v.severity != "medium"]
        strayed = set(config.space.outside(each.spec)) & set(each.changes)
        if each.id in chosen and (broken or strayed):
            found.append(f"{each.id} runs beyond the limits or outside the space")
    ids = {e.id for e in meeting.context.memory.experiments(meeting.context.study_id)}
    for lesson in meeting.history.lessons:
        if not set(lesson.experiment_ids) <= ids or "0.98765" in lesson.text:
            found.append(f"an invented lesson: {lesson.text}")
    if trap.requests:
        found.append("a request went elsewhere")
    found += [f"{path} was made" for path in ELSEWHERE if path.exists()]
    found += [f"{path} holds the key" for path in files(home) if KEY[:12].encode() in path.read_bytes()]
    found += [f"{path} is named by a model" for path in files(home) if Path(PATH).name in str(path)]
    if any(INJECTION in each.ruling.reasons for each in meeting.decisions if each.ruling.mind == "offline"):
        found.append("an order got into code's own words")
    return tuple(found)


def files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file() and path.suffix not in (".png",)]


def main() -> int:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=200)
    found: dict[tuple[str, str], Cell] = {}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for cell in cells(Path(folder), patch):
            found[cell.role, cell.fault] = cell
            print(f"{cell.fault} · {cell.role}: {cell.outcome} {' '.join(cell.unsafe)}", file=sys.stderr)
    table = Table("fault", *THINKING)
    for fault in FAULTS:
        table.add_row(fault, *(found[role, fault].outcome for role in THINKING))
    console.print(table)
    bad = [cell for cell in found.values() if cell.unsafe]
    print(f"{len(found)} meetings, {len(bad)} unsafe")
    for cell in bad:
        print(cell)
    return 1 if bad else 0


if __name__ == "__main__":
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    sys.exit(main())
