"""What only helps: a request to the Prefect server whose failure ends neither a cycle nor a training."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.exceptions import PrefectException

log = logging.getLogger(__name__)


@contextmanager
def unimportant(otherwise: str = "something is not shown in Prefect's UI") -> Iterator[None]:
    """Where the server refuses or does not answer, the log says what that means."""
    try:
        yield
    except (httpx.HTTPError, PrefectException) as error:
        log.warning("%s: %s", otherwise, error)
