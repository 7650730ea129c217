"""A program that is kept running: started again when it dies, each time a little later, but not for ever."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

MOST_DEATHS = 6  # in a row
FIRST_S, LONGEST_S = 1.0, 60.0  # before the next start; doubled with each death
SOUND_S = 600.0  # what lived as long had a good start, and its death is the first of a new row


@dataclass(kw_only=True)
class Part:
    """`needed`: without it the rest is of no use. `leaves`: what it had started may go on without it."""

    name: str
    command: Sequence[str | Path]
    needed: bool = True
    leaves: bool = False
    deaths: int = 0
    started: float = 0.0
    due: float | None = None  # when it is started again, on the monotonic clock
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self, folder: Path, environment: Mapping[str, str]) -> None:
        """In a session of its own, so that Ctrl-C reaches the one who keeps it alone."""
        self.process = subprocess.Popen(
            self.command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,  # in a terminal Prefect's server would ask about profiles, and wait
            start_new_session=True,
            # Prefect's worker stops itself with SIGINT, which nohup and background shells switch off.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self.started, self.due = time.monotonic(), None

    def died(self, status: int, now: float) -> str:
        """Note its end, and when to start it again: never when `due` is None then. Says what will be."""
        assert self.process is not None
        code = os.waitstatus_to_exitcode(status)
        self.process.returncode = code  # it was waited for, and Popen must not ask again
        if not self.leaves:
            self.end_group()
        self.deaths = 1 if now - self.started >= SOUND_S else self.deaths + 1
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if self.deaths >= MOST_DEATHS:
            return f"{self.name} {how}, for the {self.deaths}th time in a row; it is not started again"
        delay_s = delay(self.deaths)
        self.due = now + delay_s
        return f"{self.name} {how}; it starts again in {delay_s:.0f} s (death {self.deaths} of {MOST_DEATHS})"

    def end_group(self) -> None:
        """Kill what is left of it and of what it started: it would keep the port, or the GPU."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a dead group
                os.killpg(self.process.pid, signal.SIGKILL)


def delay(deaths: int) -> float:
    """Seconds to wait after so many deaths in a row."""
    return min(LONGEST_S, FIRST_S * 2.0 ** (deaths - 1))
