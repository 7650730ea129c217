"""Flow `monitor`: what the GPUs do while a cycle runs. `python -m flows.monitor` shows them to people."""

from prefect import flow

from arc_core.experiments.sample import Watch
from tasks.monitor import sample


@flow(name="monitor", log_prints=False)
def monitor(cycle_id: int) -> Watch:
    """Sample the GPUs into the store. The flow `arc` runs it beside its meeting and its trainings."""
    watch: Watch = sample(cycle_id)
    return watch


if __name__ == "__main__":
    from flows.monitor_command import monitor_command

    monitor_command()
