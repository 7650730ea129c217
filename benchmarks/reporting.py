"""How every benchmark ends: a small table, one line of JSON, exit 1 when the target is missed."""

import json
import sys
from collections.abc import Sequence
from typing import Literal, NoReturn

from rich.console import Console
from rich.table import Table


def finish(
    name: str,
    rows: Sequence[tuple[str, str]],
    *,
    value: float,
    target: float,
    better: Literal["higher", "lower"],
) -> NoReturn:
    """Print the rows and the verdict on `value`, then exit."""
    table = Table(title=name, show_header=False)
    for row in rows:
        table.add_row(*row)
    Console(width=100).print(table)
    ok = value >= target if better == "higher" else value <= target
    print(json.dumps({"name": name, "value": round(value, 3), "target": target, "better": better, "ok": ok}))
    sys.exit(0 if ok else 1)
