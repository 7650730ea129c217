"""`provenance.prov.json`: from what each model and figure of the study came, and who wanted it.

PROV-DM (W3C, 2013) as PROV-JSON, made from the ledger's events and nothing else. Entities are data, splits,
configurations, models, evaluations, verdicts, the locked plan and thresholds; activities are trainings,
measurements, openings of the test part and the export; agents are persons, ARC, its roles with their minds.
"""

from collections.abc import Callable
from typing import Any

from prov.constants import PROV_LABEL, PROV_ROLE, PROV_TYPE
from prov.model import ProvDocument

from arc_core.dossier.facts import Facts
from arc_core.dossier.history import Told
from arc_core.provenance.canonical import sha256_of

FILE = "provenance.prov.json"
NAMESPACE = "urn:arc-retina:"
ENDS = ("run.finished", "run.failed", "run.stopped", "run.withdrawn", "run.pruned")
Attributes = dict[Any, Any]
PERSON, SOFTWARE = "prov:Person", "prov:SoftwareAgent"


def lineage(facts: Facts) -> str:
    """Of the study, with every experiment that was started, whatever became of it."""
    told_of = _Lineage(facts)
    for told in facts.history.events:
        if told.subject in told_of.subjects and (tell := _TELLERS.get(told.kind)):
            tell(told_of, told)
    told_of.export(facts)
    return str(told_of.document.serialize(format="json", indent=1)) + "\n"


class _Lineage:
    """The document, and what of earlier events later ones need."""

    def __init__(self, facts: Facts) -> None:
        self.document = ProvDocument()
        self.document.add_namespace("arc", NAMESPACE)
        self.study = facts.study.id
        ideas = {tried.id for tried in facts.tried}
        started = facts.history.of("run.started")
        repeats = {told.subject for told in started if told.facts.get("repeat_of") in ideas}
        self.subjects = {self.study, *ideas, *repeats}
        self.ends = {told.subject: told for told in facts.history.events if told.kind in ENDS}
        self.known: set[str] = set()
        self.made: dict[str, str] = {}
        """Hash of an event → the entity that it made."""

    def entity(self, kind: str, told: Told, **said: Any) -> str:
        """What an event tells of, by its subject or, where there may be several, by the event's number."""
        several = kind in ("evaluation", "plan", "threshold", "verdict")
        name = f"arc:{kind}-{told.subject}" + (f"-{told.number}" if several else "")
        about: Attributes = {PROV_TYPE: kind, "arc:event": told.number, "arc:event_sha256": told.hash}
        about |= {f"arc:{key}": value for key, value in said.items() if value not in (None, "")}
        self.document.entity(name, about)
        self.made[told.hash] = name
        return name

    def agent(self, name: str, mind: str = "", acts_for: str = "", kind: str = SOFTWARE) -> str:
        """A person's name may be anything, so that its hash is the id."""
        id_ = f"arc:agent-{sha256_of([kind, name, mind])[:12]}"
        if id_ not in self.known:
            self.known.add(id_)
            said = {PROV_TYPE: self.document.valid_qualified_name(kind), PROV_LABEL: name}
            self.document.agent(id_, said | ({"arc:mind": mind} if mind else {}))
        if acts_for and (id_ + acts_for) not in self.known:
            self.known.add(id_ + acts_for)
            self.document.actedOnBehalfOf(id_, self.agent(acts_for, kind=PERSON))
        return id_

    def by(self, told: Told, kind: str = SOFTWARE) -> str:
        return self.agent(told.actor.name, told.actor.mind, told.actor.acts_for, kind)

    def associate(self, activity: str, agent: str, role: str) -> None:
        self.document.wasAssociatedWith(activity, agent, other_attributes={PROV_ROLE: role})

    def data(self, told: Told) -> None:
        """The dataset, or the sealed test part."""
        for kind, sha256 in told.outputs.items():
            size = {name: told.facts.get(name) for name in ("images", "patients")}
            made = self.entity(kind, told, sha256=sha256, **size)
            self.document.wasAttributedTo(made, self.by(told))

    def split(self, told: Told) -> None:
        made = self.entity("split", told, sha256=told.outputs["split"], folds=told.facts.get("folds"))
        self.document.wasDerivedFrom(made, f"arc:dataset-{told.subject}")

    def run(self, told: Told) -> None:
        """A training, who wanted it, and from what its configuration was changed."""
        run = f"arc:run-{told.subject}"
        if run in self.known:  # stopped, and taken up again
            return
        self.known.add(run)
        end = self.ends.get(told.subject)
        said: Attributes = {PROV_TYPE: "training"}
        said |= {"arc:status": end.kind if end else "still running", "arc:seed": told.facts["seed"]}
        said |= {
            f"arc:{name}": getattr(told.origin, name) for name in ("code", "commit", "lock", "environment")
        }
        self.document.activity(run, told.at, end.at if end else None, said)
        spec = self.entity("configuration", told, sha256=told.inputs["spec"])
        for used in (spec, f"arc:dataset-{self.study}", f"arc:split-{self.study}"):
            self.document.used(run, used)
        if (parent := told.facts.get("parent") or told.facts.get("repeat_of")) is not None:
            self.document.wasDerivedFrom(spec, f"arc:configuration-{parent}")
        self.associate(run, self.by(told), "trained")
        if proposed := told.facts.get("proposed_by"):
            self.associate(run, self.agent(*proposed), "proposed")
        for reviewer, mind, stance in told.facts.get("reviewed_by", ()):
            self.associate(run, self.agent(reviewer, mind), f"reviewed: {stance}")
        for kind, name, _ in told.facts.get("approved_by", ()):
            person = kind == "person"
            self.associate(run, self.agent(name, kind=PERSON) if person else self.agent(kind), "approved")

    def evaluated(self, told: Told) -> None:
        """An experiment on its own cases, held out in turn, or on the opened test part."""
        opening = told.facts.get("opening")
        experiment = told.facts["experiment"] if opening else told.subject
        measuring = f"arc:measuring-{told.subject}-{told.number}"
        metrics = told.facts.get("metrics", {})
        said = {name: estimate["value"] for name, estimate in metrics.items()}
        evaluation = self.entity("evaluation", told, opening=opening, **said)
        self.document.activity(measuring, None, told.at, {PROV_TYPE: "measurement"})
        self.associate(measuring, self.by(told), "measured")
        model = f"arc:model-{experiment}"
        if not opening:
            networks = sha256_of({k: v for k, v in told.outputs.items() if k.startswith("fold-")})
            self.document.entity(model, {PROV_TYPE: "model", "arc:files_sha256": networks})
            self.document.wasGeneratedBy(model, f"arc:run-{experiment}")
        for used in (model, f"arc:{'test' if opening else 'dataset'}-{self.study}"):
            self.document.used(measuring, used)
        if opening:
            self.document.wasInformedBy(measuring, f"arc:opening-{self.study}-{opening}")
        self.document.wasGeneratedBy(evaluation, measuring, told.at)

    def verdict(self, told: Told) -> None:
        made = self.entity("verdict", told, outcome=told.facts["outcome"])
        self.document.wasAttributedTo(made, self.by(told))
        for name in (told.subject, told.facts.get("champion_id")):
            if name and (model := f"arc:model-{name}"):
                self.document.wasDerivedFrom(made, model)

    def locked(self, told: Told) -> None:
        """The analysis plan, or a threshold under it."""
        kind = "plan" if told.kind == "sap.locked" else "threshold"
        made = self.entity(kind, told, value=told.facts.get("threshold"), sha256=told.outputs.get("plan"))
        self.document.wasAttributedTo(made, self.by(told, PERSON))
        if kind == "threshold":
            self.document.wasDerivedFrom(made, self.made[told.facts["plan"]])

    def opened(self, told: Told) -> None:
        opening = f"arc:opening-{told.subject}-{told.facts['number']}"
        said: Attributes = {
            PROV_TYPE: "opening of the test part",
            "arc:event_sha256": told.hash,
            "arc:reason": told.reason,
        }
        self.document.activity(opening, told.at, told.at, said)
        self.associate(opening, self.by(told, PERSON), "opened")
        for used in (
            f"arc:test-{told.subject}",
            *(self.made[told.facts[name]] for name in ("plan", "threshold")),
        ):
            self.document.used(opening, used)

    def export(self, facts: Facts) -> None:
        """This dossier, of the moment of the ledger's last event."""
        last = facts.history.last
        export, dossier = f"arc:export-{last.number}", f"arc:dossier-{last.number}"
        self.document.activity(export, last.at, last.at, {PROV_TYPE: "export"})
        self.document.entity(dossier, {PROV_TYPE: "dossier", "arc:ledger_sha256": last.hash})
        self.associate(export, self.by(facts.started), "exported")
        self.document.used(export, f"arc:model-{facts.experiment.id}")
        self.document.wasGeneratedBy(dossier, export, last.at)


_TELLERS: dict[str, Callable[[_Lineage, Told], None]] = {
    "dataset.registered": _Lineage.data,
    "testset.registered": _Lineage.data,
    "split.frozen": _Lineage.split,
    "run.started": _Lineage.run,
    "eval.completed": _Lineage.evaluated,
    "verdict.given": _Lineage.verdict,
    "sap.locked": _Lineage.locked,
    "threshold.locked": _Lineage.locked,
    "testset.opened": _Lineage.opened,
}
