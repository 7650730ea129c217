"""What every command line takes: its usage, its arguments and what is wrong with them."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any, NoReturn

from arc_core.errors import visible


class Parser(ArgumentParser):
    """Its errors show what was given, and let none of it act on the terminal. An option is its whole name."""

    def __init__(self, **given: Any) -> None:
        super().__init__(allow_abbrev=False, **given)

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


def parser_for(program: str, description: str) -> ArgumentParser:
    """For the arguments of this process. Exit 2 where one of them is no text, which no record could hold."""
    parser = Parser(
        prog=program,
        description=description,
        formatter_class=RawDescriptionHelpFormatter,
        epilog="Research software, not a medical device. Exit codes: 0 done, 1 failed, 2 bad input.",
    )
    for given in sys.argv[1:]:
        try:
            given.encode()
        except UnicodeEncodeError:
            parser.error(f"{given} is not UTF-8; give it, or rename the file, in UTF-8")
    return parser


def count(text: str) -> int | None:
    """A whole number from 0 up; 0 stands for no limit."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text) or None


def minutes(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1
    if not 0 < found < 1e6:
        raise ArgumentTypeError(f"{text!r} is not a number of minutes over 0")
    return found


def path(text: str) -> Path:
    """Of nothing, as of a variable that is not set, it would be the current folder."""
    if not text:
        raise ArgumentTypeError("it is empty")
    return Path(text)


def words(text: str) -> str:
    """An id, a name or a reason. An empty one would pass for one that was not given."""
    if not text.strip():
        raise ArgumentTypeError("it is empty")
    return text.strip()
