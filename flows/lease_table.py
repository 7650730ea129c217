"""Who has a place to train, and who waits for one, as a table for people."""

from datetime import datetime

from rich.markup import escape
from rich.table import Table

from arc_core.experiments.lease import Lease
from arc_core.gpu.snapshot import Snapshot
from arc_core.report.summary import printable


def lease_table(snapshot: Snapshot) -> Table:
    """A row per lease: first those that are held, then the line, in its order."""
    table = Table(header_style="bold", pad_edge=False, title_justify="left", caption_justify="left")
    table.title = "[not italic][bold]Leases[/]"
    for name in ("lease", "job", "where", "minutes", "priority", "holder"):
        figure = name in ("lease", "minutes", "priority")
        table.add_column(name, justify="right" if figure else "left", overflow="fold")
    held = [lease for lease in snapshot.leases if lease.granted is not None]
    waiting = [lease for lease in snapshot.leases if lease.granted is None]
    for lease in held:
        gpus = ", ".join(f"GPU {index}" for index in lease.gpu_ids)
        where = (gpus or "CPU") + (
            f"\n[yellow]{escape(printable(lease.left_behind))}[/]" if lease.left_behind else ""
        )
        _add(table, lease, where, lease.granted, snapshot.at)
    for place, lease in enumerate(waiting, 1):
        _add(table, lease, f"[yellow]waits, number {place}[/]", lease.asked, snapshot.at)
    if not snapshot.leases:
        table.caption = "[not italic not dim]No job has a place or waits for one."
    return table


def _add(table: Table, lease: Lease, where: str, since: datetime | None, at: datetime) -> None:
    minutes = max(0.0, (at - since).total_seconds() / 60) if since is not None else 0.0
    name = escape(printable(lease.request.experiment_id or lease.request.purpose))
    holder = escape(printable(str(lease.holder)))
    table.add_row(str(lease.id), name, where, f"{minutes:.0f}", str(lease.request.priority), holder)
