"""Whether what `scripts/up` keeps running works: `scripts/health`.

A line for each part. Exit 0 all of them do, 1 one does not, 2 bad input.
"""

import base64
import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

from arc_core.errors import ArcError
from arc_core.experiments.memory import open_memory
from arc_core.experiments.runs import Runs
from arc_core.logs import redaction
from arc_core.settings import Settings, get_settings
from flows.arguments import parser_for
from flows.server import Server, load_server

ANSWER_S = 5.0
MISSED = 3  # heartbeats, after which a worker is taken for dead, as the server does
GIB = 1024**3


class Finding(NamedTuple):
    part: str
    works: bool
    words: str


def main() -> int:
    """Print every finding; returns the exit code."""
    parser_for("scripts/health", "Whether what scripts/up keeps running works, a line each.").parse_args()
    try:
        server, settings = load_server(), get_settings()
    except ArcError as error:
        print(redaction()(f"{type(error).__name__}: {error}"), file=sys.stderr)
        return error.exit_code
    works = True
    for finding in findings(server, settings):
        line = f"{'ok  ' if finding.works else 'FAIL'}  {finding.part}: {finding.words}"
        print(redaction()(line), flush=True)
        works = works and finding.works
    return 0 if works else 1


def findings(server: Server, settings: Settings) -> Iterator[Finding]:
    yield _server(server)
    for name, pool in server.workers.items():
        yield _worker(server, name, pool)
    yield _store(settings)
    if settings.storage_url is not None:
        yield _storage(settings)
    yield _disk(settings.home.resolve(), server.arc_health_free_gib)


def _server(server: Server) -> Finding:
    try:
        _ask(server, "GET", "/admin/version")
    except (OSError, ValueError) as error:
        return Finding("server", False, f"{server.url}: {_reason(error)}")
    return Finding("server", True, f"answers at {server.url}")


def _worker(server: Server, name: str, pool: str) -> Finding:
    part = f"worker {name}"
    try:
        found, now = _ask(server, "POST", f"/work_pools/{pool}/workers/filter")
    except (OSError, ValueError) as error:
        return Finding(part, False, _reason(error))
    known = [each for each in found if each["name"] == name]
    if not known:
        return Finding(part, False, "the server has not heard of it")
    silent_s = (now - datetime.fromisoformat(known[0]["last_heartbeat_time"])).total_seconds()
    late = silent_s > MISSED * (known[0].get("heartbeat_interval_seconds") or 30)
    return Finding(part, not late, f"last heartbeat {max(0.0, silent_s):.0f} s ago")


def _store(settings: Settings) -> Finding:
    if not settings.has_store:
        return Finding("store", True, "none yet; the first cycle makes it")
    try:
        database = open_memory(settings.store_url).database
    except ArcError as error:
        return Finding("store", False, str(error))
    return Finding("store", True, f"opens: {database}")


def _storage(settings: Settings) -> Finding:
    try:
        Runs.of(settings).check()
    except ArcError as error:
        return Finding("storage", False, str(error))
    return Finding("storage", True, f"can be written: {settings.storage_url}")


def _disk(home: Path, needed_gib: float) -> Finding:
    while not home.exists():
        home = home.parent
    free_gib = shutil.disk_usage(home).free / GIB
    words = f"{free_gib:.1f} GiB free at {home}, at least {needed_gib:g} are needed (ARC_HEALTH_FREE_GIB)"
    return Finding("disk", free_gib >= needed_gib, words)


def _ask(server: Server, method: str, path: str) -> tuple[Any, datetime]:
    """The answer, and the server's time; OSError when there is none, ValueError when it is not Prefect's."""
    headers = {"Content-Type": "application/json"}
    if server.auth is not None:
        headers["Authorization"] = f"Basic {base64.b64encode(server.auth.encode()).decode()}"
    request = urllib.request.Request(  # noqa: S310  # the operator's own address
        server.url + path, data=b"{}" if method == "POST" else None, headers=headers, method=method
    )
    with urllib.request.urlopen(request, timeout=ANSWER_S) as reply:  # noqa: S310
        return json.load(reply), parsedate_to_datetime(reply.headers["Date"])


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError) and error.code == 401:
        return "it refuses the password (401); PREFECT_API_AUTH_STRING has to be the server's"
    return f"no answer ({error})"


if __name__ == "__main__":
    sys.exit(main())
