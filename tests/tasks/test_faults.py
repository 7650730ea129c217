"""Every role's model at every fault: the meeting ends, decides safely, and says why."""

import pytest

from arc_core.llm.roles import THINKING
from tests.fault_table import cells
from tests.llm_server import FAULTS

SLOW = ("after the time-out", "a byte a second")
UNUSABLE = {
    **dict.fromkeys(SLOW, "offline (timeout)"),
    **dict.fromkeys(("429 Retry-After", "500", "connection dropped", "not UTF-8"), "offline (failed)"),
    **dict.fromkeys(("redirect elsewhere", "429 since last year", "401 with the key"), "offline (failed)"),
    **dict.fromkeys(("zip bomb", "flood"), "offline (failed)"),
    **dict.fromkeys(
        ("empty", "not JSON", "wrong schema", "1 MB of text", "nested deep"), "offline (invalid)"
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_meeting_ends_and_decides_safely(arc_home, monkeypatch, fault):
    """All roles at once; `make faults` tries each by itself and prints the table."""
    found = {cell.role: cell for cell in cells(arc_home, monkeypatch, groups=[THINKING], faults=[fault])}
    assert list(found) == list(THINKING)
    assert [cell.unsafe for cell in found.values() if cell.unsafe] == []
    outcomes = {cell.outcome for cell in found.values()}
    if fault in UNUSABLE:
        assert outcomes == {UNUSABLE[fault]}
    if fault in ("correct", "JSON in prose", "tokens without end"):
        assert outcomes == {"answered"}
    if fault == "invented numbers":
        assert found["historian"].outcome == "answered, 2 dropped"
    if fault in ("outside limits", "unknown names"):
        assert "dropped" in found["architect"].outcome
