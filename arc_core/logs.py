"""The log: JSON lines in ARC_HOME/logs/arc.jsonl, of all processes, rotated by size, without a secret."""

import fcntl
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any

from dotenv import dotenv_values

from arc_core.errors import ArcError
from arc_core.redaction import Redaction
from arc_core.settings import Settings, load_settings

NAME = "arc.jsonl"
OWN = ("arc_core", "flows", "tasks")
_RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"
_IDS = ("flow_run_id", "task_run_id")
_known: ContextVar[dict[str, str | int]] = ContextVar("about", default={})  # noqa: B039  # never changed


@contextmanager
def about(**ids: str | int) -> Iterator[None]:
    """What is logged in this block names these: `about(experiment_id="exp-…")`."""
    token = _known.set(_known.get() | ids)
    try:
        yield
    finally:
        _known.reset(token)


@cache
def redaction() -> Redaction:
    """Of every secret that this process was given, or may read from a `.env`."""
    root = Path(__file__).parent.parent  # a flow run begins in a folder of its own
    files = {**dotenv_values(root / ".env"), **dotenv_values(".env")}
    given = {name: value for name, value in files.items() if value is not None}
    return Redaction.of_environment(environment={**given, **os.environ})


class SecretFilter(logging.Filter):
    """Takes the secrets out of a record: message, traceback and stack, whatever the handler makes of them.

    Where the exception is one that ARC foresaw, the record is `foreseen` from then on.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        redact = redaction()
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  # arguments that don't fit; a log line must not end a flow
            message = f"{record.msg} {record.args}"
        record.msg, record.args = redact(message), None
        if record.exc_info and record.exc_info[0] is not None:
            record.foreseen = issubclass(record.exc_info[0], ArcError)
            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_info = None  # else it is formatted again
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


class JsonLines(logging.Formatter):
    """One object a line: time (UTC), level, logger, message, pid; ids and a traceback where there are."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if _RUN_VARIABLE in os.environ:
            line["flow_run_id"] = os.environ[_RUN_VARIABLE]
        line |= {name: str(record.__dict__[name]) for name in _IDS if record.__dict__.get(name)}
        line |= _known.get()
        traceback = "\n".join(text for text in (record.exc_text, record.stack_info) if text)
        if traceback:
            line["traceback"] = traceback
        return json.dumps(line, ensure_ascii=False)


class LogFile(RotatingFileHandler):
    """The file, which every process of this ARC home writes; one at a time, so that one of them rotates it.

    Nothing is made before the first line. A log that can't be written is told of once, and ends nothing.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """Without settings, those of the environment as it is now: a flow run's `.env` is not there yet."""
        own = settings or load_settings()
        super().__init__(
            own.home.resolve() / "logs" / NAME,
            maxBytes=round(own.log_mib * 2**20),
            backupCount=own.log_files - 1,
            encoding="utf-8",
            errors="backslashreplace",
            delay=True,
        )
        self.setLevel(own.log_level)
        self.setFormatter(JsonLines())
        self.addFilter(SecretFilter())
        self._told = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        path = Path(self.baseFilename)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # given back when it is closed, or with its process
                self._follow(path)
                super().emit(record)
        except OSError:
            self.handleError(record)

    def _follow(self, path: Path) -> None:
        """Open it anew where another process has rotated it, or someone has taken it away."""
        if self.stream is None:
            return
        ours = os.fstat(self.stream.fileno())
        try:
            if os.path.samestat(ours, path.stat()):
                return
        except FileNotFoundError:
            pass
        self.stream.close()
        self.stream: IO[str] | None = None  # type: ignore[assignment]

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's own name
        if not self._told.is_set():
            self._told.set()
            sys.stderr.write(f"{self.baseFilename} can't be written: {sys.exc_info()[1]}\n")


def log_to_file(settings: Settings, *, quiet: bool) -> None:
    """Have this process log to the file. `quiet`: and nowhere else of what was set up before."""
    root = logging.getLogger()
    known = [root, *(each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger))]
    for handler in {handler for logger in known for handler in logger.handlers}:
        handler.addFilter(_nothing if quiet else SecretFilter())
    root.addHandler(LogFile(settings))
    for name in OWN:
        logging.getLogger(name).setLevel(settings.log_level)


def _nothing(record: logging.LogRecord) -> bool:
    return False
