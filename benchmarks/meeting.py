"""A board meeting whose every role asks a model that takes 2 s, against the same calls one after the other.

The server is real and on loopback, litellm talks to it over HTTP. Both start with litellm loaded: that takes
seconds once, in the background, while the cycle opens.
"""

import os
import tempfile
import time
from pathlib import Path

import pytest

from arc_core.llm import router
from benchmarks.reporting import finish
from tests.llm_server import ModelServer
from tests.meeting import hold, studied, with_models

ANSWER_S = 2.0
TARGET_S = 5 * ANSWER_S


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ARC_HOME", str(Path(folder) / "home"))
        server = ModelServer(delay_s=ANSWER_S)
        context = studied(*with_models(server, patch, timeout_s=60))
        router.load()
        began = time.perf_counter()
        meeting = hold(context)
        took_s = time.perf_counter() - began
        calls = [call for call in meeting.calls if call.outcome == "answered"]
        in_a_row_s = sum(call.seconds for call in calls)
        server.close()
    finish(
        "meeting",
        [
            (f"calls, each answered after {ANSWER_S:g} s", str(len(calls))),
            ("in a row: their seconds added up", f"{in_a_row_s:.1f} s"),
            ("the meeting, recall to decision", f"{took_s:.1f} s"),
            ("ratio", f"{in_a_row_s / took_s:.2f}"),
        ],
        value=took_s,
        target=TARGET_S,
        better="lower",
    )


if __name__ == "__main__":
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    main()
