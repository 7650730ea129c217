"""What several tests of the flows start from."""

import pytest

from tests.command import TWO, Finished, copied, run_cycle


@pytest.fixture(scope="session")
def second_cycle(one_cycle, prefect_server, tmp_path_factory) -> Finished:
    """The next cycle on a copy of the first one's home, with no time left to train."""
    home = tmp_path_factory.mktemp("second") / "home"
    copied(one_cycle.home, home)
    return run_cycle(home, *TWO, "--max-minutes", "0.02", PREFECT_API_URL=prefect_server)
