"""`python -m flows.dossier`: the record, for those who have to rely on it."""

import sys
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from arc_core.errors import StoreError
from arc_core.experiments.backup import ANCHORS
from arc_core.experiments.database import Database
from arc_core.experiments.memory import open_memory
from arc_core.experiments.runs import Runs
from arc_core.experiments.snapshot import copy_sqlite
from arc_core.experiments.verification import Verified, verify
from arc_core.provenance.heads import Heads
from arc_core.settings import beside, get_settings
from flows.arguments import parser_for, path, words
from flows.command_line import guarded
from flows.export import ACTS as EXPORTS
from flows.export import add_export, do_export
from flows.sealed import add_acts, do
from flows.terminal import counted

STORE = "arc.db"


def dossier_command() -> NoReturn:
    """`python -m flows.dossier`."""
    parser = parser_for("python -m flows.dossier", "The record, for those who have to rely on it.")
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    checks = acts.add_parser("verify", help="whether ledger, store and files are as they were written")
    checks.add_argument(
        "folder", nargs="?", type=path, metavar="DIR", help="an ARC home or a backup; default ARC_HOME"
    )
    checks.add_argument(
        "--heads",
        type=path,
        metavar="DIR",
        help="where the signed heads lie; default ARC_ANCHORS, or DIR-anchors",
    )
    checks.add_argument(
        "--key",
        type=words,
        metavar="ID",
        help="how the id of the key begins that must have signed",
    )
    add_acts(acts)
    add_export(acts)
    given = parser.parse_args()
    sys.exit(guarded(lambda: _do(given)))


def _do(given: Namespace) -> None:
    if given.act == "verify":
        _verify(given)
    elif given.act in EXPORTS:
        do_export(given)
    else:
        do(given)


def _verify(given: Namespace) -> None:
    settings = get_settings()
    folder = (given.folder or settings.home).resolve()
    heads, key = _heads(given.heads, folder), given.key or ""
    heads.hold()  # before the store: a cycle may be at work
    if given.folder is None and settings.database_url is not None:
        found = verify(open_memory(settings.store_url).database, heads, Runs.of(settings), key=key)
    elif (folder / STORE).is_file():
        runs = Runs.of(settings) if given.folder is None else Runs(folder / "runs")
        with TemporaryDirectory(prefix="arc-verify-") as scratch:
            copy = Path(scratch) / STORE  # of one moment; to open one of an older ARC would change it
            copy_sqlite(folder / STORE, copy)
            found = verify(_opened(copy, folder / STORE), heads, runs, key=key)
    else:
        page, cure = folder / "VERIFY.md", "Name an ARC home, or a backup of one."
        if page.is_file():
            cure = f"A dossier is checked as {page} says."
        raise StoreError("there is no store to verify", where=folder, cure=cure)
    print(_told(found, heads))


def _opened(copy: Path, source: Path) -> Database:
    """StoreError of the source, as the user knows no copy."""
    try:
        return Database(f"sqlite:///{copy}")
    except StoreError as error:
        raise StoreError(
            error.what, where=source, got=error.got, expected=error.expected, cure=error.cure
        ) from error


def _heads(named: Path | None, folder: Path) -> Heads:
    """Those of the folder's ledger; a backup has its own, of its moment.

    StoreError where a folder that was named is none: without heads, a ledger that was cut off would pass.
    """
    settings, own = get_settings(), folder / ANCHORS
    if named is None and not own.is_dir() and folder == settings.home.resolve():
        named = settings.anchors
    found = (named or (own if own.is_dir() else beside(folder))).resolve()
    if not found.is_dir() and (named or found.exists()):
        raise StoreError(
            "there is no folder of signed heads",
            where=found,
            cure="Name the folder that they lie in, with --heads or ARC_ANCHORS; is its disk there?",
        )
    return Heads(found)


def _told(found: Verified, heads: Heads) -> str:
    """What was checked, a line each, and what that does not show."""
    keys = ", ".join(key[:16] for key in found.keys)
    older = f"; {found.older} are from before the ledger began" if found.older else ""
    since = f" since {found.since:%Y-%m-%d %H:%M} UTC" if found.since else ""
    lines = [
        f"ledger  {counted(found.events, 'event')}{since}, each bound to the one before it",
        f"heads   {found.heads} in {heads.folder}"
        + (f", signed with key {keys}; the last at event {found.anchored}" if found.heads else ""),
        f"rows    {found.rows} of the store are as the ledger describes them{older}",
        f"files   {found.files} are those that were measured",
    ]
    if found.others:
        others = counted(found.others, "other ledger")
        lines.append(f"The heads of {others} lie there too, all signed with other keys, as of other homes.")
    if tail := found.events - found.anchored:
        lines.append(
            f"No signed head vouches for the last {counted(tail, 'event')}: they could be cut off unnoticed."
        )
    lines.append("Verified: it is as whoever holds the key wrote it. docs/ledger.md says what that proves.")
    return "\n".join(lines)


if __name__ == "__main__":
    dossier_command()
