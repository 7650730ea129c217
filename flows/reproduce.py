"""`python -m flows.reproduce EXPERIMENT_ID`: train it again, and say what differs."""

import os
import shutil
import sys
from argparse import ArgumentTypeError, Namespace
from typing import NoReturn
from uuid import uuid4

from arc_core.errors import ArcError, StoreError
from arc_core.experiments.memory import open_memory
from arc_core.provenance.files import clear_errors
from arc_core.settings import get_settings
from arc_core.training.again import reproduce
from arc_core.training.child import start_cold
from arc_core.training.reproduction import Reproduction
from arc_core.training.warm import warm_start
from flows.arguments import parser_for, path, words
from flows.command_line import guarded
from flows.terminal import Terminal, counted

TOLERANCE = 0.005
SHOWN = 8
WORDS = {
    "identical": "Reproduced: every prediction and every figure is identical.",
    "within tolerance": "Reproduced within tolerance: no metric differs by more than {tolerance:g}.",
    "different": "Not reproduced: a metric differs by more than {tolerance:g}.",
}


def reproduce_command() -> NoReturn:
    """`python -m flows.reproduce`."""
    parser = parser_for("python -m flows.reproduce", "Train a finished experiment again, and compare.")
    parser.add_argument("experiment", type=words, metavar="EXPERIMENT_ID")
    tolerated = f"largest difference of a metric where predictions are not identical; default {TOLERANCE}"
    parser.add_argument("--tolerance", type=_tolerance, default=TOLERANCE, metavar="T", help=tolerated)
    parser.add_argument("--keep", type=path, metavar="DIR", help="keep the second training there; made")
    given = parser.parse_args()
    sys.exit(guarded(lambda: _reproduce(given)))


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def _reproduce(given: Namespace) -> None:
    settings = get_settings()
    home = settings.home.resolve()
    if not settings.has_store:
        raise StoreError("there is no store", where=home, cure="Check ARC_HOME, or run a cycle first.")
    if given.keep is not None and given.keep.exists():
        raise StoreError("it is there already", where=given.keep, cure="Choose a folder that is not.")
    folder = (given.keep or home / f".again-{uuid4().hex}").resolve()
    terminal = Terminal()
    try:
        with clear_errors(folder, named=given.keep is not None), terminal.progress("it trains again"):
            folder.mkdir(parents=True)
            found = reproduce(
                open_memory(settings.store_url),
                given.experiment,
                folder,
                settings=settings,
                tolerance=given.tolerance,
                on_event=lambda event: None,
                start=warm_start(settings, os.getpid()) or start_cold,
            )
    finally:
        if given.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    for line in _told(found):
        terminal.say(line)
    if found.outcome == "different":
        raise ArcError(WORDS[found.outcome].format(tolerance=found.tolerance))


def _told(found: Reproduction) -> list[str]:
    """What differs, each in a line; the verdict last."""
    lines = [f"setting: {each}" for each in found.setting]
    if found.outcome != "identical":
        lines += _some([f"metric: {each}" for each in found.metrics])
        lines += _some([f"case: {each}" for each in found.cases])
        lines.append(f"{len(found.files)} of {counted(found.compared, 'file')} of predictions differ")
    if found.learned:
        lines.append(f"not the same bytes: {', '.join(found.learned)}")
    if found.outcome != "different":
        lines.append(WORDS[found.outcome].format(tolerance=found.tolerance))
    return lines


def _some(lines: list[str]) -> list[str]:
    more = len(lines) - SHOWN
    return lines[:SHOWN] + ([f"and {more} more"] if more > 0 else [])


if __name__ == "__main__":
    reproduce_command()
