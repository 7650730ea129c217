"""Which dossier this is: what stands on the title page of every document, and its version."""

from datetime import datetime

from arc_core.dossier.facts import Facts
from arc_core.record import Record


class Edition(Record):
    """`version`: number and hash of the ledger's last event, by which the same record is known again."""

    study_id: str
    experiment_id: str
    role: str
    data: str
    simulated: bool
    version: str
    at: datetime


def edition_of(facts: Facts) -> Edition:
    last = facts.history.last
    return Edition(
        study_id=facts.study.id,
        experiment_id=facts.experiment.id,
        role="champion" if facts.is_champion else "experiment",
        data=facts.dataset.name,
        simulated=facts.study.simulated,
        version=f"{last.number}-{last.hash[:12]}",
        at=last.at,
    )
