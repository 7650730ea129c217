"""The lease of a language model's server: `python -m arc_core.gpu.inference --memory-gib 40 vllm serve …`.

Runs the command on ARC_INFERENCE_GPU, and holds the lease as long as it runs.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from arc_core.errors import ArcError
from arc_core.experiments.heartbeat import Heartbeat
from arc_core.experiments.holder import Holder
from arc_core.experiments.lease import Lease, Request
from arc_core.experiments.leases import Leases
from arc_core.experiments.memory import open_memory
from arc_core.gpu.allocation import Policy, allocate, busy_pids
from arc_core.gpu.inventory import read_inventory
from arc_core.settings import Settings, get_settings

TURN_S = 0.2


@contextmanager
def lease_inference(leases: Leases, settings: Settings, memory_mib: float) -> Iterator[Lease]:
    """Hold the GPU that is kept for language models while the block runs; no GPU in a machine without any.

    NoRoom or LeaseDenied, with the figures, when it has not that much memory left, or never had.
    """
    request = Request(
        experiment_id=None, purpose="inference", memory_mib=memory_mib, length_s=settings.lease_s
    )
    inventory = read_inventory()
    choose = partial(allocate, inventory, request=request, policy=Policy.of(settings))
    lease = leases.ask(request, Holder.this_process(), busy_pids(inventory))
    assert lease is not None, "only an experiment can be another's"
    try:
        with Heartbeat(leases, lease):
            while (held := leases.take(lease, choose, busy_pids(inventory))) is None:
                time.sleep(TURN_S)  # another server that started at the same moment
            yield held
    finally:
        leases.free(lease)


def main(arguments: Sequence[str]) -> int:
    """The command's exit code, or that of what kept it from starting."""
    parser = argparse.ArgumentParser(prog="python -m arc_core.gpu.inference", description=__doc__)
    parser.add_argument("--memory-gib", type=float, required=True, help="GPU memory that the server takes")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the server and its arguments")
    given = parser.parse_args(arguments)
    if not given.command:
        parser.error("which server? Give its command")
    try:
        settings = get_settings()
        leases = open_memory(settings.store_url).leases
        with lease_inference(leases, settings, 1024 * given.memory_gib) as lease:
            gpus = ",".join(map(str, lease.gpu_ids))
            visible = {"CUDA_VISIBLE_DEVICES": gpus, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
            server = subprocess.Popen(given.command, env={**os.environ, **visible})
            signal.signal(signal.SIGTERM, lambda *_: server.terminate())  # then its end frees the lease
            leases.used_by(lease, [Holder.of(server.pid)])
            return _outlasted(server)
    except ArcError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code


def _outlasted(server: "subprocess.Popen[bytes]") -> int:
    """Its exit code; Ctrl-C reaches it as well, and it may take its time to end."""
    while True:
        with suppress(KeyboardInterrupt):
            return server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
