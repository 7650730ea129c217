"""Who trains what, and where: the leases of a store, and the line of those who wait for one.

Every process on the store obeys the same rows, so its limits hold over all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, insert, select, update

from arc_core.errors import ArcError, LeaseLost
from arc_core.experiments import tables as t
from arc_core.experiments.board import ENDED
from arc_core.experiments.database import Database
from arc_core.experiments.events import of_start
from arc_core.experiments.holder import Holder
from arc_core.experiments.lease import Held, Lease, OnGpus, Purpose, Request
from arc_core.experiments.ledger import append
from arc_core.experiments.tables import leases

Choose = Callable[[Sequence[Lease]], tuple[int, ...]]
"""From the leases that are held to the GPUs to take (none: the CPU); NoRoom when there are none now."""

LIVE = leases.c.released.is_(None)
WAITING = LIVE & leases.c.granted.is_(None)
HELD = LIVE & leases.c.granted.is_not(None)
NOTHING: OnGpus = {}
FIRST = (leases.c.priority.desc(), leases.c.id)  # ids, not times: a clock may be set back


class Leases:
    """The table `leases` of a store. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, request: Request, holder: Holder, on_gpus: OnGpus) -> Lease | None:
        """Join the line; None when the experiment has ended, or another has or waits for its lease."""
        with self._database.write(alone=True) as db:
            now = self._database.clock(db)
            _sweep(db, now, on_gpus, HELD)
            if request.experiment_id is not None:
                _sweep(db, now, on_gpus, WAITING & (leases.c.experiment_id == request.experiment_id))
                if not _may_train(db, request.experiment_id):
                    return None
            row = {
                "experiment_id": request.experiment_id,
                "purpose": request.purpose,
                "priority": request.priority,
                "request": request.model_dump(mode="json"),
                "holder": holder.model_dump(mode="json"),
                "asked": now,
            }
            made = insert(leases).values(row | _alive(now, request)).returning(leases)
            return _lease(db.execute(made).one())

    def is_next(self, lease: Lease, places: int) -> bool:
        """Whether `take` may succeed: it is first in line, and fewer than `places` are held.

        Cheap, to be asked often: one read of one row for those who are not first, and no write lock.
        """
        held = select(leases).where(HELD, leases.c.purpose == lease.request.purpose)
        with self._database.read() as db:
            first = db.execute(_first(lease.request.purpose)).first()
            now = self._database.clock(db)
            if first is None or first.id != lease.id:
                return first is None or _lease(first).is_over(now, NOTHING)  # `take` says what became of it
            taken = [_lease(row) for row in db.execute(held)]
        return len(taken) < places or any(each.is_over(now, NOTHING) for each in taken)

    def take(self, lease: Lease, choose: Choose, on_gpus: OnGpus) -> Lease | None:
        """Hold the lease, if it is first in line and `choose` finds room: its GPUs are then taken.

        No other lease is granted meanwhile. None when others come first; what `choose` raises leaves it
        in line; LeaseLost when it isn't there any more.
        """
        refused: ArcError | None = None
        with self._database.write(alone=True) as db:
            now = self._database.clock(db)
            _sweep(db, now, on_gpus, HELD)
            need_held(db, lease.id)
            while (first := db.execute(_first(lease.request.purpose)).one()).id != lease.id:
                if not _lease(first).is_over(now, NOTHING):
                    return None
                _set(db, first.id, {"released": now})
            try:
                gpu_ids = choose(tuple(_where(db, HELD)))
            except ArcError as error:
                refused = error  # but what was found dead has gone
            else:
                _grant(db, lease, gpu_ids, now)
        if refused is not None:
            raise refused
        return self.get(lease.id)

    def beat(self, lease: Lease) -> bool:
        """Say that its job lives; False: it is no longer held, nor in line."""
        with self._database.write() as db:
            state = _alive(self._database.clock(db), lease.request)
            return _set(db, lease.id, state)

    def used_by(self, lease: Lease, workers: Sequence[Holder]) -> None:
        """Record the processes that use its GPUs: should its holder die, they must end before it is free."""
        with self._database.write() as db:
            _set(db, lease.id, {"workers": [worker.model_dump(mode="json") for worker in workers]})

    def leave_behind(self, lease: Lease, reason: str) -> None:
        """Its job has ended, but what it held is not free; it is, once nothing of its workers runs."""
        with self._database.write() as db:
            _set(db, lease.id, {"left_behind": reason})

    def free(self, lease: Lease) -> None:
        """Give it back, or leave the line."""
        with self._database.write() as db:
            _set(db, lease.id, {"released": self._database.clock(db)})

    def get(self, lease_id: int) -> Lease:
        (lease,) = self._read(leases.c.id == lease_id)
        return lease

    def live(self, on_gpus: OnGpus = NOTHING) -> tuple[Lease, ...]:
        """What is held, or waited for, now: in the order of the line, without those whose job is dead.

        `on_gpus`, what the driver sees, tells of what a dead job has left there.
        """
        with self._database.read() as db:
            now = self._database.clock(db)
            return tuple(lease for lease in _where(db, LIVE) if not lease.is_over(now, on_gpus))

    def held(self) -> tuple[Lease, ...]:
        """Those of `live` that are granted."""
        return tuple(lease for lease in self.live() if lease.granted is not None)

    def of_cycle(self, cycle_id: int) -> tuple[Lease, ...]:
        """Of the experiments that the cycle approved, those that have been given back too; as asked for."""
        return self._read(_of_experiments(t.experiments.c.cycle_id == cycle_id))

    def of_study(self, study_id: str) -> tuple[Lease, ...]:
        """Of all its experiments, those that have been given back too; as asked for."""
        return self._read(_of_experiments(t.experiments.c.study_id == study_id))

    def gpu_hours(self, since: datetime) -> float:
        """GPUs × hours that trainings have held since then."""
        training = leases.c.purpose == "training"
        lasted = LIVE | (leases.c.released >= since)
        return sum(held.gpus * held.hours for held in self._held(training & lasted, since))

    def held_in(self, study_id: str) -> tuple[Held, ...]:
        """How long all its experiments' leases were held, as asked for; up to now where one still is."""
        return self._held(_of_experiments(t.experiments.c.study_id == study_id))

    def _held(self, condition: ColumnElement[bool], since: datetime | None = None) -> tuple[Held, ...]:
        query = select(leases.c.granted, leases.c.released, leases.c.gpu_ids).order_by(leases.c.id)
        with self._database.read() as db:
            now = self._database.clock(db)
            rows = db.execute(query.where(condition, leases.c.granted.is_not(None)))
            return tuple(
                Held(_hours(max(granted, since or granted), released or now), len(gpu_ids))
                for granted, released, gpu_ids in rows
            )

    def _read(self, condition: ColumnElement[bool]) -> tuple[Lease, ...]:
        with self._database.read() as db:
            rows = db.execute(select(leases).where(condition).order_by(leases.c.id))
            return tuple(_lease(row) for row in rows)


def need_held(db: Connection, lease_id: int | None) -> None:
    """LeaseLost when the lease is given back, or was found dead; None is always fine."""
    if lease_id is not None and db.scalar(select(leases.c.id).where(LIVE, leases.c.id == lease_id)) is None:
        raise LeaseLost(
            f"lease {lease_id} has run out: its job was taken for dead. Look whether the host was "
            "suspended or the store out of reach; ARC_LEASE_S is how long that may last."
        )


def is_free(db: Connection, experiment_id: str, *, but: int | None = None) -> bool:
    """Whether no lease, except the one called `but`, is held or waited for to train the experiment."""
    query = select(func.count()).where(LIVE, leases.c.experiment_id == experiment_id)
    return db.scalar(query if but is None else query.where(leases.c.id != but)) == 0


def _may_train(db: Connection, experiment_id: str) -> bool:
    status = db.execute(
        select(t.experiments.c.status).where(t.experiments.c.id == experiment_id)
    ).scalar_one()
    return status not in ENDED and is_free(db, experiment_id)


def _grant(db: Connection, lease: Lease, gpu_ids: tuple[int, ...], now: datetime) -> None:
    _set(db, lease.id, {"granted": now, "gpu_ids": list(gpu_ids)} | _alive(now, lease.request))
    experiment = t.experiments.c.id == lease.request.experiment_id
    going = experiment & t.experiments.c.status.not_in(ENDED)
    if db.execute(update(t.experiments).where(going).values(status="running", started=now)).rowcount:
        append(db, of_start(db, str(lease.request.experiment_id), gpu_ids))


def _first(purpose: Purpose) -> Select[Any]:
    return select(leases).where(WAITING, leases.c.purpose == purpose).order_by(*FIRST).limit(1)


def _sweep(db: Connection, now: datetime, on_gpus: OnGpus, among: ColumnElement[bool]) -> None:
    """Give back what nobody will: the leases of the dead, and those that have run out."""
    for lease in _where(db, among):
        longest = now + timedelta(seconds=lease.request.length_s)
        if lease.is_over(now, on_gpus):
            _set(db, lease.id, {"released": now})
        elif lease.expires > longest:  # the store's clock was set back
            _set(db, lease.id, {"expires": longest})
        elif lease.holder.is_dead() and not lease.left_behind:
            pids = ", ".join(map(str, lease.remains(on_gpus)))
            _set(db, lease.id, {"left_behind": f"{lease.holder} died and left pid {pids}"})


def _set(db: Connection, lease_id: int, state: dict[str, Any]) -> bool:
    """Change a lease that is live; False when it isn't."""
    return db.execute(update(leases).where(LIVE, leases.c.id == lease_id).values(state)).rowcount == 1


def _alive(now: datetime, request: Request) -> dict[str, datetime]:
    return {"heartbeat": now, "expires": now + timedelta(seconds=request.length_s)}


def _hours(began: datetime, ended: datetime) -> float:
    return max((ended - began).total_seconds(), 0.0) / 3600


def _of_experiments(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return leases.c.experiment_id.in_(select(t.experiments.c.id).where(condition))


def _where(db: Connection, condition: ColumnElement[bool]) -> Iterator[Lease]:
    return map(_lease, db.execute(select(leases).where(condition).order_by(*FIRST)).all())


def _lease(row: Row[Any]) -> Lease:
    return Lease.model_validate({name: row._mapping[name] for name in Lease.model_fields})
