"""The series of what the GPUs did during a cycle."""

from collections.abc import Collection, Sequence

from sqlalchemy import Text, case, cast, delete, func, insert, select

from arc_core.experiments.database import Database
from arc_core.experiments.sample import GpuTotal, Sample, Watch
from arc_core.experiments.tables import gpu_samples, gpu_watches


class Samples:
    """The tables `gpu_samples` and `gpu_watches` of a store. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, cycle_id: int, samples: Sequence[Sample]) -> None:
        """All of them or none."""
        if samples:
            rows = [{"cycle_id": cycle_id} | sample.model_dump() for sample in samples]
            with self._database.write() as db:
                db.execute(insert(gpu_samples), rows)

    def of_cycle(self, cycle_id: int) -> tuple[Sample, ...]:
        """By time, then by GPU; times are in UTC."""
        columns = [gpu_samples.c[name] for name in Sample.model_fields]
        query = select(*columns).where(gpu_samples.c.cycle_id == cycle_id)
        with self._database.read() as db:
            rows = db.execute(query.order_by(gpu_samples.c.at, gpu_samples.c.gpu_index)).all()
        return tuple(Sample.model_validate(dict(row._mapping)) for row in rows)

    def totals(self, cycle_ids: Collection[int]) -> tuple[GpuTotal, ...]:
        """What each GPU did in each of these cycles, by cycle, then by GPU; fast at any number."""
        on, used = cast(gpu_samples.c.jobs, Text) != "[]", gpu_samples.c.utilisation_percent
        of = (gpu_samples.c.cycle_id, gpu_samples.c.gpu_index)
        query = select(
            *of,
            func.avg(case((on, 1.0), else_=0.0)).label("job_share"),
            func.avg(case((on, used))).label("training_percent"),
            func.avg(used).label("percent"),
            func.max(gpu_samples.c.memory_used_mib).label("peak_memory_mib"),
            func.max(case((gpu_samples.c.simulated, 1), else_=0)).label("simulated"),
        )
        with self._database.read() as db:
            rows = db.execute(query.where(gpu_samples.c.cycle_id.in_(cycle_ids)).group_by(*of).order_by(*of))
            return tuple(GpuTotal.model_validate(dict(row._mapping)) for row in rows)

    def keep_watch(self, cycle_id: int, watch: Watch) -> None:
        """What the watch came to so far; the newest counts."""
        body = watch.model_dump(mode="json")
        same = (gpu_watches.c.cycle_id == cycle_id) & (gpu_watches.c.started == body["started"])
        row = {"cycle_id": cycle_id, "started": body["started"], "position": 0, "body": body}
        with self._database.write() as db:
            db.execute(delete(gpu_watches).where(same))
            db.execute(insert(gpu_watches).values(row))

    def watches(self, cycle_id: int) -> tuple[Watch, ...]:
        """In the order they began."""
        query = select(gpu_watches.c.body).where(gpu_watches.c.cycle_id == cycle_id)
        with self._database.read() as db:
            return tuple(map(Watch.model_validate, db.scalars(query.order_by(gpu_watches.c.started))))
