"""`python -m flows.backup`: copy the store and all that is finished, while cycles go on."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from arc_core.errors import ArcError, StoreError
from arc_core.experiments.backup import back_up
from arc_core.experiments.memory import open_memory
from arc_core.experiments.runs import Runs
from arc_core.provenance.heads import Heads
from arc_core.settings import get_settings
from flows.arguments import parser_for, path
from flows.command_line import guarded
from flows.terminal import counted


def backup_command() -> NoReturn:
    """`python -m flows.backup`."""
    parser = parser_for("python -m flows.backup", "Copy the store, the finished runs and the report.")
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="made; must not be there. Default ARC_HOME/backups/TIME (UTC)"
    )
    given = parser.parse_args()
    sys.exit(guarded(lambda: _back_up(given.out)))


def _back_up(out: Path | None) -> None:
    settings = get_settings()
    home = settings.home.resolve()
    if not settings.has_store:
        raise StoreError(
            "there is no store to back up", where=home, cure="Check ARC_HOME, or run a cycle first."
        )
    folder = out or home / "backups" / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
    database, heads = open_memory(settings.store_url).database, Heads(settings.anchors_folder)
    made = back_up(database, home, folder.resolve(), Runs.of(settings), heads)
    print(
        f"backup: {made.folder}: the store, {counted(made.experiments, 'finished experiment')}, "
        f"{counted(made.files, 'file')}, {made.size_bytes / 1e6:.1f} MB"
    )
    if made.damaged:
        raise ArcError(
            f"the backup is made, but {counted(len(made.damaged), 'file')} of its results were missing or "
            f"changed before: {', '.join(made.damaged[:3])}. Look for them in an older backup."
        )


if __name__ == "__main__":
    backup_command()
