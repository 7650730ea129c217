"""Fixtures shared by all tests: settings of their own, a store of each kind, the real photographs."""

import os

# Before any import of Prefect, which reads them once.
os.environ |= {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "ERROR",
}

from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

from tests.postgres import PostgresServer  # noqa: E402

ROOT = Path(__file__).parent.parent
DRISHTI = ROOT.parent / "shared" / "data" / "drishti-gs1-train"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test session's own, on a loopback port."""
    if not PostgresServer.installed():
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    server = PostgresServer.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'arc.db'}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture(scope="session")
def drishti() -> Path:
    """The real photographs beside the project."""
    if not DRISHTI.is_dir():
        pytest.skip(f"the Drishti-GS1 photographs are not at {DRISHTI}")
    return DRISHTI
