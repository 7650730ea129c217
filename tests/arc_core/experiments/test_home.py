"""One cycle at a time in a home, whatever its lock file says."""

import fcntl

import pytest

from arc_core.errors import CycleBusy
from arc_core.experiments.home import holder_of, only_cycle_in


@pytest.mark.parametrize("content", [b"", b'{"garbage', b"\xff\xfe\x00"])
def test_a_lock_file_that_names_nobody(tmp_path, content):
    lock = tmp_path / "cycle.lock"
    lock.write_bytes(content)
    assert holder_of(tmp_path) is None
    with lock.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CycleBusy, match="in use by another cycle"), only_cycle_in(tmp_path):
            pass
    with only_cycle_in(tmp_path):
        assert holder_of(tmp_path) is not None
