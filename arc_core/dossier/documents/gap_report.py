"""What is missing: the first page that a reviewer should read."""

from arc_core.dossier.document import Document, Section, Table, fields, text
from arc_core.dossier.facts import Facts
from arc_core.dossier.guidance import AI_DRAFT, CLAIM
from arc_core.dossier.intended_use import FILE, NOT_PROVIDED, questions
from arc_core.evaluation.subgroups import FEW_PATIENTS
from arc_core.record import Record

NOT_DEMONSTRABLE = "patient-level disjointness not demonstrable"


class Gap(Record):
    """Something that a reviewer will look for and not find. `where`: who or what fills it."""

    field: str
    what: str
    where: str
    guidance_version: str


def gaps_of(facts: Facts) -> tuple[Gap, ...]:
    """What the record itself lacks, then every field for a person that is empty."""
    return (*_of_record(facts), *_of_person(facts))


def _of_person(facts: Facts) -> tuple[Gap, ...]:
    return tuple(
        Gap(
            field=question.path,
            what=question.words,
            where=FILE,
            guidance_version=question.guidance_version,
        )
        for question in questions()
        if facts.use.answer(question.path) == NOT_PROVIDED
    )


def _of_record(facts: Facts) -> tuple[Gap, ...]:
    found = []

    def gap(field: str, what: str, where: str, guidance: str = AI_DRAFT) -> None:
        found.append(Gap(field=field, what=what, where=where, guidance_version=guidance))

    if facts.study.simulated:
        gap("data", "simulated images: no figure says anything of patients", "a cycle with --data DIR")
    if not facts.dataset.has_patient_ids:
        gap("patient ids", f"without them, {NOT_DEMONSTRABLE}", "patient_id in labels.csv", CLAIM)
    if any(case.site is None for case in facts.dataset.cases):
        gap("sites", "no site is recorded for some images: no figures by site", "site in labels.csv")
    if any(case.camera is None for case in facts.dataset.cases):
        gap("cameras", "no camera is recorded for some images: no figures by camera", "camera in labels.csv")
    for column, field in (("sex", "sex"), ("age", "age_group")):
        if any(getattr(case, field) is None for case in facts.dataset.cases):
            gap(column, f"not recorded for some images: no figures by {column}", f"{column} in labels.csv")
    if facts.split.leakage is None:
        gap("near-duplicates", "were not looked for when the split was frozen", "a new study", CLAIM)
    patients, few = len({case.patient_id for case in facts.dataset.cases}), "tell little of a model"
    if patients < FEW_PATIENTS:
        gap(
            "size of the data",
            f"they have {patients} patients: fewer than {FEW_PATIENTS} {few}",
            "more patients",
        )
    sealed = facts.split.sealed
    if sealed is None:
        gap("test part", "none was set apart: all figures are out-of-fold, none of a test part", "data.test")
    elif sealed.trained_before:
        before = ", ".join(sealed.trained_before)
        gap("test part", f"it was not unseen: {before} had trained on images of it", "images never used")
    if sealed is not None and sealed.patients < FEW_PATIENTS:
        words = f"it has {sealed.patients} patients: fewer than {FEW_PATIENTS} {few}"
        gap("size of the test part", words, "more patients in a test part")
    if sealed is not None and facts.opened is None:
        gap(
            "internal testing",
            "no opening of the test part gave figures of this model",
            "flows.dossier open-test",
        )
    if facts.plan is None:
        gap("analysis plan", "none is locked", "flows.dossier lock-plan")
    if facts.lock is None:
        gap("threshold", "none is locked for this model", "flows.dossier lock-threshold")
    if not facts.has_weights:
        gap("weights", "the networks' files are no longer there: the folder model is left out", "a backup")
    return tuple(found)


def gaps_in_words(count: int) -> str:
    return f"{count} gap" if count == 1 else f"{count} gaps"


def gap_report(facts: Facts) -> Document:
    record, person = _of_record(facts), _of_person(facts)
    asked = sum(1 for _ in questions())
    return Document(
        name="gap_report",
        title="Gap report",
        follows="all guidance that its tables name; read it first",
        sections=(
            Section(
                title="In short",
                blocks=(
                    text(
                        f"{len(person)} of {asked} fields for a person are {NOT_PROVIDED}, and the record "
                        f"itself has {gaps_in_words(len(record))}. Nothing in this dossier fills them in."
                    ),
                    fields(
                        (
                            ("gaps of the record", str(len(record))),
                            (f"fields {NOT_PROVIDED}", f"{len(person)} of {asked}"),
                            ("openings of the test part", str(len(facts.openings))),
                        )
                    ),
                ),
            ),
            Section(title="Gaps of the record", blocks=(_table(record),)),
            Section(title=f"Fields {NOT_PROVIDED}", blocks=(_table(person),)),
        ),
    )


def _table(gaps: tuple[Gap, ...]) -> Table:
    return Table(
        head=("field", "what is missing", "filled from", "guidance_version"),
        rows=tuple((gap.field, gap.what, gap.where, gap.guidance_version) for gap in gaps)
        or (("none", "", "", ""),),
        widths=(0.25, 0.35, 0.17, 0.23),
    )
