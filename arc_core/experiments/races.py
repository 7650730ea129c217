"""Trainings that were stopped early: why, as the ledger has it."""

from arc_core.errors import StoreError
from arc_core.experiments.database import Database
from arc_core.experiments.leases import need_held
from arc_core.experiments.ledger import Ledger
from arc_core.experiments.result import Race
from arc_core.experiments.rows import end


class Races:
    """Those of a store. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, experiment_id: str, race: Race, lease_id: int | None = None) -> None:
        """The experiment was stopped early, for good. LeaseLost, and nothing kept, without its lease."""
        with self._database.write() as db:
            need_held(db, lease_id)
            end(db, experiment_id, "pruned", race.reason, race)

    def of(self, experiment_id: str) -> Race:
        """Why a pruned experiment was stopped."""
        for entry in Ledger(self._database).entries(kind="run.pruned", subject=experiment_id):
            return Race.model_validate(entry.event.facts)
        raise StoreError(
            "no event tells why it was stopped early",
            where=experiment_id,
            cure="Check the record: python -m flows.dossier verify.",
        )
