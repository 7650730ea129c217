"""Opening a sealed test part: once plan and threshold are locked, each time counted in the ledger.

First the split is frozen, then the analysis plan is locked, then the champion's threshold, on the cases that
it was tuned on; only then is the test part opened and measured.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arc_core.data.groupings import GROUPINGS, groups_of
from arc_core.data.manifest import Dataset, ImageCase
from arc_core.data.reader import decode_image, decode_mask, read_bytes
from arc_core.data.sealed import Sealed, openings_of, reopened
from arc_core.data.splits import hold_back
from arc_core.data.study import split_of
from arc_core.errors import DatasetError, StoreError
from arc_core.evaluation.evaluation import VERSION, Evaluation, evaluation_of, metrics_of
from arc_core.evaluation.threshold import RULE, choose_threshold
from arc_core.experiments.events import digest, event
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import OF_TASK, Estimate
from arc_core.experiments.result import Case
from arc_core.experiments.study import Experiment, Study
from arc_core.experiments.verification import EVALUATIONS
from arc_core.gate.bootstrap import RESAMPLES
from arc_core.provenance.canonical import Json, canonical_json, sha256_of_file
from arc_core.provenance.files import write_atomically
from arc_core.provenance.ledger import Actor, Entry, Event
from arc_core.record import Record
from arc_core.training.evaluator import segmented
from arc_core.training.presence import need_there
from arc_core.training.reading import Prediction

Predict = Callable[[Any], Prediction]


class Opened(Record):
    """The test part, measured. `number`: how often it has been opened, this time included.

    `metrics`: those of the plan, where the cases define them; the rest is in the evaluation.
    """

    study_id: str
    experiment_id: str
    number: int
    threshold: float | None
    metrics: dict[str, Estimate]
    evaluation: Evaluation


def sealed_of(study: Study) -> Sealed:
    """StoreError where the study has no test part."""
    sealed = split_of(study).sealed
    if sealed is None:
        raise StoreError(
            "the study has no test part",
            where=study.id,
            cure="Set data.test, a share such as 0.2 or a folder, before the study's first cycle.",
        )
    return sealed


def lock_plan(memory: Memory, study: Study, by: str, reason: str, document: Path | None) -> Event:
    """Lock how the test part will be analysed; `document` is a person's own plan, kept by its hash.

    Gives what the ledger now says: the plan is its facts, `outputs` has the hashes of it and of `document`.
    """
    plan = _plan_of(study)
    outputs = {"plan": digest(plan)} | ({} if document is None else {document.name: sha256_of_file(document)})
    locked = event("sap.locked", study.id, Actor(name=by), reason=reason, outputs=outputs, facts=plan)
    return _lock(memory, study, locked, "the plan")


def _lock(memory: Memory, study: Study, locked: Event, what: str) -> Event:
    """Append it; what is locked once the test part has been opened is a deviation too."""
    told = [locked]
    if (opened := len(openings_of(memory.ledger, sealed_of(study)))) > 0:
        known = any(memory.ledger.entries(kind=locked.kind, subject=locked.subject))
        why = (
            f"{what} is locked {'anew ' if known else ''}after the test part was opened "
            f"{'once' if opened == 1 else f'{opened} times'}"
        )
        told.insert(0, event("deviation.recorded", locked.subject, locked.actor, reason=why))
    memory.ledger.append(*told)
    return locked


def _plan_of(study: Study) -> dict[str, Json]:
    return {
        "task": study.task,
        "primary metric": study.metric,
        "metrics": list(OF_TASK[study.task]),
        "subgroups": list(GROUPINGS[study.task]),
        "intervals": f"95 %, percentile bootstrap by patient, {RESAMPLES} resamples",
        "threshold": RULE,
        "evaluation": VERSION,
        "test part": sealed_of(study).sha256,
    }


def lock_threshold(
    memory: Memory, study: Study, champion: Experiment, cases: tuple[Case, ...], by: str, reason: str
) -> float | None:
    """Lock the champion's threshold, chosen on its out-of-fold cases; None where they have no labels.

    StoreError before the plan is locked.
    """
    plan = _need(memory, "sap.locked", study.id, "the analysis plan", "lock-plan")
    scored = [(case.label, case.probability) for case in cases]
    labels = [label for label, _ in scored if label is not None]
    scores = [score for _, score in scored if score is not None]
    whole = len(labels) == len(scores) == len(cases) and any(labels)
    threshold = choose_threshold(labels, scores) if whole else None
    facts = {"threshold": threshold, "rule": RULE, "plan": plan.hash, "images": len(cases)}
    tuned = {"cases": digest([case.model_dump(mode="json") for case in cases])}
    locked = event("threshold.locked", champion.id, Actor(name=by), reason=reason, inputs=tuned, facts=facts)
    _lock(memory, study, locked, f"the threshold of {champion.id}")
    return threshold


def open_test(
    memory: Memory,
    study: Study,
    champion: Experiment,
    predict: Predict,
    *,
    by: str,
    reason: str,
    home: Path,
    on_counted: Callable[[int], None] = lambda number: None,
) -> Opened:
    """Measure the champion on the test part. It is counted before anything is read, and then it counts.

    StoreError where plan and threshold are not locked, in this order; DatasetError where it is not there.
    """
    sealed = sealed_of(study)
    plan = _need(memory, "sap.locked", study.id, "the analysis plan", "lock-plan")
    lock = _need(memory, "threshold.locked", champion.id, f"the threshold of {champion.id}", "lock-threshold")
    if lock.event.facts["plan"] != plan.hash:
        raise StoreError(
            f"the threshold of {champion.id} was locked under another plan",
            where=study.id,
            cure="Lock it anew: python -m flows.dossier lock-threshold --by NAME.",
        )
    if plan.event.facts != _plan_of(study):
        raise StoreError(
            "the locked plan is not what this ARC would do: it was locked with another version",
            where=study.id,
            cure="Open the test part with that version, or lock plan and threshold anew.",
        )
    need_there(study, sealed)
    threshold = lock.event.facts["threshold"]
    number = memory.ledger.append_counted(
        "testset.opened",
        lambda opened: opened.inputs.get("test") == sealed.sha256,
        lambda number: event(
            "testset.opened",
            study.id,
            Actor(name=by),
            reason=reason,
            inputs={"test": sealed.sha256},
            facts={"number": number, "experiment": champion.id, "plan": plan.hash, "threshold": lock.hash},
        ),
    )
    on_counted(number)
    test = reopened(sealed, study.task, hold_back)
    cases = tuple(_measured(test, case, predict) for case in test.cases)
    groups = groups_of(test, study.task)
    evaluation = evaluation_of(cases, study.task, threshold=threshold, groups=groups)
    opened = Opened(
        study_id=study.id,
        experiment_id=champion.id,
        number=number,
        threshold=threshold,
        metrics=metrics_of(cases, study.task),
        evaluation=evaluation,
    )
    _keep(memory, opened, cases, home)
    return opened


def file_of(opened: Opened) -> str:
    """Where its figures and cases lie, under the home."""
    return f"{EVALUATIONS}/{opened.study_id}-test-{opened.number}.json"


def _measured(test: Dataset, case: ImageCase, predict: Predict) -> Case:
    path = test.image_path(case)
    said = predict(decode_image(_read(path, case.sha256), path))
    if said.mask is None:
        fields = {name: getattr(case, name) for name in ("image_id", "patient_id", "label")}
        return Case(**fields, fold=0, probability=said.probability)
    reference_path = test.mask_path(case)
    assert reference_path is not None, "read_dataset lets no case of a segmentation through without it"
    reference = decode_mask(_read(reference_path, case.mask_sha256), reference_path)
    found = segmented(case, 0, said.mask, reference)
    return found.model_copy(update={"probability": said.probability})


def _read(path: Path, sha256: str | None) -> bytes:
    content = read_bytes(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DatasetError("it has changed since it was sealed", where=path, cure="Restore it.")
    return content


def _keep(memory: Memory, opened: Opened, cases: tuple[Case, ...], home: Path) -> None:
    """Figures and cases as a file, and the ledger's word of them."""
    path = home / file_of(opened)
    path.parent.mkdir(parents=True, exist_ok=True)
    tree: dict[str, Json] = {
        "opened": opened.model_dump(mode="json"),
        "cases": [case.model_dump(mode="json") for case in cases],
    }
    write_atomically(path, canonical_json(tree) + b"\n")
    outputs = {file_of(opened): sha256_of_file(path)}
    facts = {"experiment": opened.experiment_id, "opening": opened.number, "threshold": opened.threshold}
    memory.ledger.append(event("eval.completed", opened.study_id, outputs=outputs, facts=facts))


def _need(memory: Memory, kind: str, subject: str, what: str, command: str) -> Entry:
    """The last event of that kind. StoreError where there is none."""
    found = list(memory.ledger.entries(kind=kind, subject=subject))
    if not found:
        raise StoreError(
            f"{what} is not locked",
            where=subject,
            cure=f"Lock it first: python -m flows.dossier {command} --by NAME.",
        )
    return found[-1]
