"""Composing the board: its config, and which files may take a seat."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from arc_core.agents.board import WEIGHTS, BoardConfig, offline_board
from arc_core.errors import ConfigError
from tests.arc_core.agents.study import brief

ROOT = Path(__file__).parents[3]


def test_the_shipped_config_is_the_default() -> None:
    text = (ROOT / "configs" / "board" / "default.yaml").read_text()
    assert text.startswith("# @package board\n")
    assert BoardConfig(**yaml.safe_load(text)) == BoardConfig()


def test_every_seat_is_taken_by_its_role() -> None:
    board = offline_board(BoardConfig())
    assert [getattr(board, role).role for role in WEIGHTS] == list(WEIGHTS)


def test_the_proposers_are_the_configured_ones_in_order() -> None:
    board = offline_board(BoardConfig(proposers=("explorer", "architect")))
    made = board.propose(brief())
    assert [p.proposer for p in made] == ["explorer"] * 3 + ["architect"] * 3
    assert [p.name for p in made].count("baseline") == 1


@pytest.mark.parametrize("name", ["os", "../secrets", "nobody", "director", "mind", ""])
def test_only_a_file_of_the_package_that_takes_the_role_is_loaded(name: str) -> None:
    with pytest.raises(ConfigError, match=r"board\.minds\.critic.*arc_core/agents"):
        offline_board(BoardConfig(minds={"critic": name}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"weights": {**WEIGHTS, "critic": 0}}, "greater than 0"),
        ({"weights": {**WEIGHTS, "critic": float("nan")}}, "weights.critic"),
        ({"weights": {"critic": 1.0}}, "weights lack architect"),
        ({"proposers": ["supervisor"]}, "architect"),
        ({"proposers": ["architect", "architect"]}, "twice"),
        ({"strategy": "loudest"}, "strategy"),
        ({"experiments_per_cycle": 0}, "greater than or equal to 1"),
        ({"quorum": 3}, "Extra inputs"),
    ],
)
def test_a_bad_config_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        BoardConfig(**fields)


def test_a_first_cycle_needs_no_scientific_library() -> None:
    """A dry run must start fast: the whole board answers without numpy or optuna."""
    code = (
        "import sys\n"
        "from tests.arc_core.agents.study import run_study\n"
        "run_study(1)\n"
        "slow = {'numpy', 'optuna', 'scipy', 'sklearn', 'torch', 'litellm'}\n"
        "print(sorted(slow & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
