"""Fixtures shared by all tests: settings of their own, stores, a Prefect server, one real cycle."""

import os

# Before any import of Prefect or torch, which read them once.
os.environ |= {
    "OMP_NUM_THREADS": "1",  # two test processes share the cores
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "ERROR",
}

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.command import TINY, Finished, run_cycle
from tests.nvml import compiled_in
from tests.postgres import PostgresServer
from tests.s3 import S3Server
from tests.skip_policy import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401

ROOT = Path(__file__).parent.parent
DRISHTI = ROOT.parent / "shared" / "data" / "drishti-gs1-train"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow first, so that two processes end together."""
    items.sort(key=lambda item: ("up" not in item.fixturenames, "one_cycle" not in item.fixturenames))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test session's own, on a loopback port."""
    if not PostgresServer.installed():
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    server = PostgresServer.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server of this test session's own, on a loopback port."""
    server = S3Server.start()
    yield server
    server.stop()


@pytest.fixture
def aws(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The S3 server, and its keys in this process's environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    return s3


@pytest.fixture(params=["s3", "file"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty shared storage, once of each kind."""
    if request.param == "s3":
        return request.getfixturevalue("aws").new_place()
    (tmp_path / "shared").mkdir()
    return f"file://{tmp_path / 'shared'}"


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


@pytest.fixture(scope="session")
def stub_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for LD_LIBRARY_PATH in which NVIDIA's library is a stub: GPUs on any machine."""
    return compiled_in(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def arc_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty ARC home that this process's settings point to, whatever the user's say."""
    from arc_core.experiments.memory import open_memory
    from arc_core.settings import get_settings

    for name in [name for name in os.environ if name.startswith("ARC_") and name != "ARC_CI"]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("ARC_HOME", str(home))
    monkeypatch.setenv(
        "ARC_WARM_WORKERS", "false"
    )  # each home would have a server that lives on with this process
    monkeypatch.chdir(tmp_path)  # where no .env lies
    for cached in (get_settings, open_memory):
        cached.cache_clear()
    yield home
    for cached in (get_settings, open_memory):
        cached.cache_clear()


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """The API of a Prefect server of this test session's own; flows called in the tests run there."""
    from prefect.settings import get_current_settings
    from prefect.testing.utilities import prefect_test_harness

    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # as a cycle starts its own, and for this server alone
            patch.setenv("UVICORN_LOOP", "flows.prefect_server:loop_factory")
            stack.enter_context(prefect_test_harness(server_startup_timeout=120))
        yield str(get_current_settings().api.url)


@pytest.fixture(scope="session")
def one_cycle(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A first cycle, as a newcomer runs it but smaller: temporary server, real training."""
    folder = tmp_path_factory.mktemp("first")
    return run_cycle(folder / "home", *TINY, PREFECT_HOME=str(folder / "prefect"))
