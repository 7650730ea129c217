"""Markdown artifacts of the Prefect UI."""

from typing import cast
from uuid import UUID

from prefect import get_client
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.runtime import flow_run

from arc_core.report.cycle_notes import champion_note, costs_note, plan_note
from arc_core.report.note import Note
from tasks.context import Context
from tasks.unimportant import unimportant


def show(key: str, note: Note) -> UUID | None:
    """A new version under the key, in the run at hand; its id, None where the server would not take it."""
    with unimportant():
        made = create_markdown_artifact(note.text, key=key, description=note.line)
        return cast(UUID, made)  # a coroutine in async code only
    return None


def show_again(artifact_id: UUID, note: Note) -> None:
    """The same version, brought up to date: one request."""
    with unimportant(), get_client(sync_client=True) as client:
        client.update_artifact(artifact_id, ArtifactUpdate(data=note.text, description=note.line))


def show_opening(context: Context) -> None:
    """Which cycle of what runs, and who is champion as it begins; nothing of a dry run, nor without a run."""
    if context.scratch is not None or flow_run.id is None:
        return
    simulated = " (simulated data)" if context.study.simulated else ""
    with unimportant(), get_client(sync_client=True) as client:
        name = f"cycle {context.cycle.number} of {context.study_id}{simulated}"
        client.update_flow_run(UUID(str(flow_run.id)), name=name)
    show_champion(context)


def show_champion(context: Context) -> None:
    """Who is champion now."""
    show("arc-champion", champion_note(context.memory, context.study, context.config.spec))


def show_plan(context: Context) -> None:
    """What will be trained and why, and what was spent so far; a dry run shows nothing."""
    if context.scratch is None:
        show("arc-plan", plan_note(context.memory, context.study, context.cycle))
        show_costs(context)


def show_costs(context: Context) -> None:
    """What the cycle and its loop have cost so far."""
    memory = context.memory
    if (loop := memory.loops.latest()) is not None:
        show("arc-costs", costs_note(memory, context.study, context.cycle, loop, context.config.loop))
