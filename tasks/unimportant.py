"""What only helps: a request to the Prefect server whose failure ends neither a cycle nor a training."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

log = logging.getLogger(__name__)

RETRIES = 1  # Prefect's own five take a minute for each request, and a training's events wait for it
TIMEOUT_S = 10.0
AWAY_S = 30.0  # after a failure, what comes so soon is asked once only: each of many would wait anew
_failed = float("-inf")


@contextmanager
def unimportant(
    otherwise: str = "something is not shown in Prefect's UI", *, is_patient: bool = False
) -> Iterator[None]:
    """Where the server refuses or does not answer, the log says what that means.

    It does so soon, and once; what `is_patient` asks as often and waits as long as Prefect does by itself.
    """
    global _failed
    retries = 0 if time.monotonic() - _failed < AWAY_S else RETRIES
    asked_less = {PREFECT_CLIENT_MAX_RETRIES: retries, PREFECT_API_REQUEST_TIMEOUT: TIMEOUT_S}
    try:
        with temporary_settings({} if is_patient else asked_less):
            yield
    except (httpx.HTTPError, PrefectException) as error:
        _failed = time.monotonic()
        log.warning("%s: %s", otherwise, error)
