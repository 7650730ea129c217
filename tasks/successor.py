"""A deployed loop's next run: the trigger of `prefect.yaml` starts it; a spare lies ready if that is lost.

A busy Prefect server on SQLite drops events: its in-memory messaging tries one four times in a second, and
evaluating a trigger that reads its count before it writes it fails at once while another connection writes.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.deployments import run_deployment
from prefect.runtime import deployment, flow_run

from tasks.unimportant import unimportant

SPARE = "spare"
"""The tag of a run that begins only where no trigger has started one before."""
SPARE_S = 60.0  # what the trigger, the worker and the imports of the next run may take on a busy machine


def lay_out_spare() -> None:
    """After a cycle that another follows: a run in a minute, which the run that follows takes away.

    A server too busy for the trigger may be too busy for this at first; without both, the loop stands still
    till the next heartbeat.
    """
    if deployment.id is not None:
        with unimportant("no spare run of the loop lies ready", is_patient=True):
            key = f"spare after {flow_run.id}, attempt {flow_run.run_count}"
            start_at(datetime.now(UTC) + timedelta(seconds=SPARE_S), key, (SPARE,))


def start_at(at: datetime, key: str, tags: tuple[str, ...] = ()) -> None:
    """Lay out the deployment's next run for then; a second one with the same key is the first."""
    run_deployment(
        UUID(str(deployment.id)),
        parameters={"go_on": True},
        scheduled_time=at,
        timeout=0,
        as_subflow=False,
        idempotency_key=key,
        tags=tags,
    )


def take_spares_away() -> None:
    """A run that holds the home needs none; one that a worker has already is cancelled by the home's lock."""
    if deployment.id is None:
        return
    with (
        unimportant("a spare run of the loop stays, and is cancelled"),
        get_client(sync_client=True) as client,
    ):
        for run in client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[UUID(str(deployment.id))])),
            flow_run_filter=FlowRunFilter(
                tags=FlowRunFilterTags(all_=[SPARE]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            ),
        ):
            client.delete_flow_run(run.id)
