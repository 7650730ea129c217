"""What all tasks share: nothing that crosses one is cached or pickled; the store is the memory."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import Task

P = ParamSpec("P")
R = TypeVar("R")


def arc_task(**options: Any) -> Callable[[Callable[P, R]], Task[P, R]]:
    """`prefect.task` with ARC's defaults."""
    return task(cache_policy=NO_CACHE, persist_result=False, **options)
