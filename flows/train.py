"""Flow `train`: one approved experiment, in its own flow run of the work pool `arc-gpu`."""

import os

from prefect import flow

from arc_core.gate.verdict import GateConfig
from arc_core.training.launch import LaunchConfig
from tasks.train import train_here


@flow(name="train", log_prints=False)
def train(
    experiment_id: str,
    launch: LaunchConfig | None = None,
    deadline: float | None = None,
    gate: GateConfig | None = None,
) -> str:
    """Train and measure the experiment with this id; its outcome is in the store. Returns its status."""
    # Only here, not where a cycle trains by itself: a cycle that is killed would leave its places under
    # the tag's limit taken, and the next one on this Prefect database would wait for them to expire.
    tagged = train_here.with_options(tags=["gpu"])
    # The worker that started this process, or the shell it was started from: either outlives it.
    owner = os.getsid(0)
    return tagged(experiment_id, launch or LaunchConfig(), deadline, owner, gate).outcome.status
