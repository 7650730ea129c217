"""What a cycle came to: the rows people read in the terminal, the report and the UI."""

from collections.abc import Collection, Mapping

from pydantic import Field

from arc_core.data.leakage import Leakage
from arc_core.data.manifest import Dataset
from arc_core.data.sealed import Sealed, openings_of
from arc_core.data.splits import Split
from arc_core.data.study import dataset_of, split_of
from arc_core.experiments.board import Approval, Arm, Decision, Directive, Outcome, Proposal
from arc_core.experiments.loop import Course
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.overview import Caption
from arc_core.experiments.result import NoiseFloor
from arc_core.experiments.spec import ExperimentSpec, Value
from arc_core.experiments.study import Cycle, Study
from arc_core.gate.contrast import floor_of
from arc_core.record import Record

ARMS: dict[Arm, str] = {
    "board": "",
    "control": "control",
    "veto_control": "veto control",
    "person": "a person's edit",
}


class Row(Record):
    """One experiment, as a table shows it."""

    number: int
    experiment_id: str
    cycle: int
    hypothesis: str
    changes: str
    status: str
    metric: Estimate | None
    verdict: str
    reason: str
    seconds: float | None
    trained_on: str = ""
    deviations: tuple[str, ...] = ()
    arm: Arm = "board"


class PlannedRow(Record):
    """One approved experiment of a dry run: what would train, where, for how long."""

    experiment_id: str
    arm: Arm = "board"
    hypothesis: str
    changes: str
    device: str
    minutes: float
    memory_mib: float
    configuration: str = Field(description="of its training, in words; the log has the whole of it")


class CycleSummary(Record):
    """The outcome of one cycle. `planned` is filled by a dry run only."""

    study_id: str
    cycle: int
    metric: str
    simulated: bool
    cohort: str = Field(description="images and patients of the study, in words")
    held_back: str = Field("", description="that a test part is, and how often it was opened, in words")
    mode: str
    rows: tuple[Row, ...] = ()
    planned: tuple[PlannedRow, ...] = ()
    rejected: int = 0
    fell_back: dict[str, str] = Field({}, description="role → why its models gave no usable answer")
    models: tuple[str, ...] = Field((), description="of a dry run: which model would think for which role")
    note: str = Field("", description="why the cycle ran nothing, where somebody has said so")
    champion: Row | None = None
    noise_floor: NoiseFloor | None = None
    report: str | None = None
    loop: Course = Field(Course(goes="on"), description="what the loop does after this cycle")
    body_s: float = 0.0


def _why_unjudged(outcome: Outcome) -> str:
    waits_for = "further seeds, its own or those of one before it, or a lost file"
    return f"for {waits_for}; a later cycle gives its verdict." if outcome.status == "finished" else ""


def rows_of(memory: Memory, study: Study, ids: Collection[str] | None = None) -> tuple[Row, ...]:
    """The experiments of the study, or those among `ids`, in order of approval; fast at any number."""
    outcomes = memory.outcomes(study.id)
    first = outcomes[0].spec if outcomes else None  # the baseline, as it was configured then
    if ids is not None:
        outcomes = tuple(outcome for outcome in outcomes if outcome.experiment_id in ids)
    captions = memory.overview.captions(study.id, ids)

    def row(outcome: Outcome) -> Row:
        caption, result = captions[outcome.experiment_id], outcome.result
        return Row(
            number=caption.number,
            experiment_id=outcome.experiment_id,
            cycle=outcome.cycle,
            hypothesis=printable(caption.hypothesis),
            changes=changes_in_words(caption) if caption.changes else _anew(outcome.spec, first),
            status=outcome.status,
            metric=result.metrics.get(study.metric) if result else None,
            verdict=caption.verdict or ("waits" if outcome.status == "finished" else outcome.status),
            reason=printable(caption.reason if caption.verdict else outcome.reason or _why_unjudged(outcome)),
            seconds=result.total_s if result else None,
            trained_on=result.trained_on if result else "",
            deviations=result.deviations if result else (),
            arm=caption.arm,
        )

    return tuple(map(row, outcomes))


def summarise(memory: Memory, study: Study, cycle: Cycle, ids: tuple[str, ...]) -> CycleSummary:
    """The summary of a cycle that trained the experiments `ids`."""
    champion = memory.champion(study.id)
    rows = rows_of(memory, study, {*ids, *([champion.id] if champion else [])})
    directives = memory.kept(cycle.id, Directive)
    return CycleSummary(
        study_id=study.id,
        cycle=cycle.number,
        metric=study.metric,
        simulated=study.simulated,
        cohort=cohort_in_words(dataset_of(study)),
        held_back=held_back_in_words(memory, study),
        mode=directives[0].mode if directives else "",
        rows=tuple(row for row in rows if row.experiment_id in ids),
        rejected=sum(
            decision.outcome != "approve" and not decision.selected
            for decision in memory.kept(cycle.id, Decision)
        ),
        fell_back={
            call.role: call.reason
            for call in memory.calls.of_cycle(cycle.id)
            if call.outcome in ("offline", "over_budget")
        },
        note=_note(memory.approvals.of_cycle(cycle.id)),
        noise_floor=floor_of(tuple(memory.repeats.values(study.id, study.metric).values())),
        champion=next((row for row in rows if champion and row.experiment_id == champion.id), None),
    )


def arm_in_words(arm: Arm) -> str:
    """Nothing for the board's own."""
    return ARMS[arm]


def _note(approvals: Mapping[str, Approval]) -> str:
    """Who turned down what the cycle would have run."""
    turned_down = next((each for each in approvals.values() if each.outcome == "reject"), None)
    if turned_down is None:
        return ""
    what = "the directive" if turned_down.stage == "directive" else "every experiment it was asked for"
    said = f" ({printable(turned_down.comment)})" if turned_down.comment else ""
    return f"{turned_down.who} rejected {what}{said}: nothing new ran."


def cohort_in_words(dataset: Dataset) -> str:
    """`48 images of 36 patients`; without patient ids no number of patients can be told."""
    images = f"{len(dataset.cases)} images"
    if not dataset.has_patient_ids:
        return f"{images}, patients unknown: each image counted as one"
    return f"{images} of {len({case.patient_id for case in dataset.cases})} patients"


def size_in_words(sealed: Sealed, dataset: Dataset) -> str:
    """`12 images of 9 patients`, of the test part of that dataset's study."""
    return f"{sealed.images} images" + (f" of {sealed.patients} patients" if dataset.has_patient_ids else "")


def held_back_in_words(memory: Memory, study: Study) -> str:
    """`12 images of 9 patients are held back, sealed; never opened`; nothing without a test part."""
    sealed = split_of(study).sealed
    if sealed is None:
        return ""
    times = len(openings_of(memory.ledger, sealed))
    often = f"opened {times} time{'' if times == 1 else 's'}" if times else "never opened"
    return f"{size_in_words(sealed, dataset_of(study))} are held back, sealed; {often}"


def split_in_words(split: Split, dataset: Dataset) -> str:
    """`4 folds by patient; no near-duplicates of different patients were found among its 48 images`."""
    unit = split.by if dataset.has_patient_ids or split.by != "patient" else "image"
    said = [f"{split.folds} folds by {unit}"]
    if not dataset.has_patient_ids:
        said.append("without patient ids, patient-level disjointness is not demonstrable")
    if (test := split.sealed) is not None:
        seen = (
            f", on images of which {', '.join(test.trained_before)} had trained"
            if test.trained_before
            else ""
        )
        said.append(f"a test part of {size_in_words(test, dataset)} is sealed{seen}")
    return "; ".join([*said, _leakage_in_words(split.leakage)])


def _leakage_in_words(leakage: Leakage | None) -> str:
    if leakage is None:
        return "near-duplicates were not looked for when it was frozen"
    if not leakage.pairs:
        return f"no near-duplicates of different patients were found among its {leakage.images} images"
    shown = ", ".join(f"{pair.one} and {pair.other}" for pair in leakage.pairs[:3])
    more = f" and {len(leakage.pairs) - 3} more pairs" if len(leakage.pairs) > 3 else ""
    return f"near-duplicates under two patients, each pair in one fold: {shown}{more}"


def changes_in_words(proposal: Proposal | Caption) -> str:
    """`optimiser.lr 0.003, loss.name dice`; the baseline changes nothing."""
    return in_words(proposal.changes) or "–"


def _anew(baseline: ExperimentSpec, first: ExperimentSpec | None) -> str:
    """What a baseline that was configured later has otherwise than the first one."""
    if first is None or baseline == first:
        return "–"
    other = {path: value for path, value in baseline.difference(first).items() if value is not None}
    return f"as configured: {in_words(other)}"


def in_words(changes: Mapping[str, Value]) -> str:
    """Paths with their new values, on one line."""
    return printable(", ".join(f"{path} {value}" for path, value in sorted(changes.items())))


def spec_in_words(spec: ExperimentSpec) -> str:
    """What was trained: network, image, loss, optimiser, length."""
    network, optimiser = spec.architecture, spec.optimiser
    return (
        f"{network.name} (width {network.width}, depth {network.depth}), {spec.image_size_px} px "
        f"{spec.normalisation}, loss {spec.loss.name}, {optimiser.name} lr {optimiser.lr:g} {spec.schedule}, "
        f"{spec.epochs} epochs in batches of {spec.batch_size}"
    )


def printable(text: str) -> str:
    """One line without control and direction characters, which could forge what a terminal shows."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split())
