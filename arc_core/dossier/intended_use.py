"""What only a person can say of a device and its data: `intended_use.yaml`, read, checked and declared.

Nothing here is filled in by ARC or by a model. What a person leaves empty is printed as NOT PROVIDED, and the
gap report lists it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from arc_core.dossier.guidance import AI_DRAFT, ISO14971, PART11, PCCP, QMSR, TRIPOD
from arc_core.errors import ConfigError
from arc_core.experiments.events import event
from arc_core.experiments.ledger import Ledger
from arc_core.provenance.canonical import canonical_json, sha256_of
from arc_core.provenance.ledger import Actor
from arc_core.provenance.origin import arc
from arc_core.record import Record

NOT_PROVIDED = "NOT PROVIDED"
FILE = "intended_use.yaml"


Answer = Annotated[str | None, AfterValidator(lambda text: (text and text.strip()) or None)]


def _ask(question: str, guidance: str = AI_DRAFT) -> Any:
    return Field(None, description=question, json_schema_extra={"guidance_version": guidance})


class Device(Record):
    """What it is for."""

    name: Answer = _ask("Name of the device or of the software function")
    intended_use: Answer = _ask("Its intended use, in one or two sentences")
    indications: Answer = _ask("Disease or condition, and what it detects, measures or predicts of it")
    intended_users: Answer = _ask("Who uses it, with which training")
    intended_population: Answer = _ask("For which patients: age, condition, setting")
    use_environment: Answer = _ask("Where it is used: clinic, screening programme, with which cameras")
    role_in_care: Answer = _ask("What is done on its output, and who decides: triage, second reader, alone")
    not_intended_for: Answer = _ask("What it must not be used for; contraindications")
    inputs: Answer = _ask("Which photographs it accepts: field of view, dilation, quality")
    clinical_benefit: Answer = _ask("What a patient gains from it")


class Data(Record):
    """Where the images come from."""

    sites: Answer = _ask("Hospitals or sites, with their countries")
    collection_dates: Answer = _ask("First and last day of acquisition")
    design: Answer = _ask("Retrospective or prospective; consecutive, random or convenience sample", TRIPOD)
    inclusion: Answer = _ask("Inclusion and exclusion criteria")
    cameras: Answer = _ask("Makers and models of the cameras, field of view, dilation")
    demographics: Answer = _ask("Age, sex, ethnicity of the patients, beside the population's")
    disease_severity: Answer = _ask("Stages of disease among those who have it, other diseases of the eye")
    size_rationale: Answer = _ask("Why this many patients are enough", TRIPOD)
    cleaning: Answer = _ask("What was removed or changed before ARC saw the images, and why")
    missing: Answer = _ask("What was missing, and how it was dealt with", TRIPOD)
    deidentification: Answer = _ask("How images and their metadata were de-identified")
    ethics: Answer = _ask("Ethics committee and number; consent or its waiver", TRIPOD)
    licence: Answer = _ask("Licence or agreement under which the data are used")
    limits: Answer = _ask("Known limits: who and what is missing from them")
    independence: Answer = _ask("How development and test data were kept apart, outside of ARC")


class ReferenceStandard(Record):
    """What the model is measured against."""

    definition: Answer = _ask("What counts as glaucoma, as disc and as cup")
    rationale: Answer = _ask("Why this reference standard, and what others there are")
    graders: Answer = _ask("How many graders, their qualifications and training")
    blinding: Answer = _ask("What the graders did not see: the model's output, each other, clinical data")
    adjudication: Answer = _ask("How disagreement was settled, and masks were fused")
    agreement: Answer = _ask("Agreement between graders and within one, with its measure")
    tools: Answer = _ask("Software and protocol of the annotation")
    interval: Answer = _ask("Time between photograph and reference standard")


class Validation(Record):
    """What the figures are held against."""

    acceptance: Answer = _ask("Least acceptable performance, with its clinical reason, set beforehand")
    external_testing: Answer = _ask("External testing: on which data, by whom, with which result")
    human_ai_team: Answer = _ask("How users perform with it: human factors, usability")
    clinical_validity: Answer = _ask("Evidence of clinical validity")
    known_inequalities: Answer = _ask("Known inequalities in care between groups of patients", TRIPOD)


class Lifecycle(Record):
    """What happens after development."""

    planned_modifications: Answer = _ask("Which changes are planned, and their bounds", PCCP)
    retraining: Answer = _ask("When and on which data it is trained again", PCCP)
    update_procedure: Answer = _ask("How an update reaches users, and how it is taken back", PCCP)
    labelling: Answer = _ask("What users are told, of the device and of each change", PCCP)
    monitoring: Answer = _ask("How performance is watched in use")
    cybersecurity: Answer = _ask("Threats that were considered, and what is done against them")
    risk_management: Answer = _ask("Risk management file: severity, probability, controls", ISO14971)


class Organisation(Record):
    """Who answers for it."""

    manufacturer: Answer = _ask("Manufacturer or sponsor")
    responsible: Answer = _ask("Person who answers for this record")
    quality_system: Answer = _ask("Quality system, and where its design and development file lies", QMSR)
    system_validation: Answer = _ask("Validation of the computer system that keeps the record", PART11)
    retention: Answer = _ask("How long records are kept, where, and who may read them", PART11)
    access_control: Answer = _ask("Who has accounts on the system, and how they are authorised", PART11)
    training: Answer = _ask("Education and training of those who operate it", PART11)
    funding: Answer = _ask("Funding, and the funder's role", TRIPOD)
    conflicts: Answer = _ask("Conflicts of interest", TRIPOD)
    protocol: Answer = _ask("Where the protocol can be read; registration and its number", TRIPOD)
    data_sharing: Answer = _ask("Whether and how data are shared", TRIPOD)
    code_sharing: Answer = _ask("Whether and how code and weights are shared", TRIPOD)
    public_involvement: Answer = _ask("How patients and the public were involved", TRIPOD)


class IntendedUse(Record):
    """`intended_use.yaml`: every field may stay empty."""

    declared_by: Answer = _ask("The person who declares this; stands in the ledger")
    device: Device = Device()
    data: Data = Data()
    reference_standard: ReferenceStandard = ReferenceStandard()
    validation: Validation = Validation()
    lifecycle: Lifecycle = Lifecycle()
    organisation: Organisation = Organisation()

    def answer(self, path: str) -> str:
        """What a person says at `device.name`, or NOT PROVIDED."""
        section, _, name = path.partition(".")
        found = getattr(self, section)
        return (getattr(found, name) if name else found) or NOT_PROVIDED

    @property
    def sha256(self) -> str:
        return sha256_of(self.model_dump(mode="json"))


class Question(Record):
    """A field for a person: where it stands in the file, what it asks, and which guidance wants it."""

    path: str
    words: str
    guidance_version: str


def questions() -> Iterator[Question]:
    """Every field of `IntendedUse`, in the order of the file."""
    for name, field in IntendedUse.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Record):
            yield from (_question(f"{name}.{inner}", about) for inner, about in kind.model_fields.items())
        else:
            yield _question(name, field)


def _question(path: str, field: Any) -> Question:
    guidance = field.json_schema_extra["guidance_version"]
    return Question(path=path, words=field.description, guidance_version=guidance)


def template() -> str:
    """The file with every field empty, and what it asks as a comment."""
    lines = [
        "# What only a person can say of the device and its data. ARC fills in none of it: what stays empty",
        f"# is printed as {NOT_PROVIDED} and listed in the dossier's gap report.",
        f"# Lies at ARC_HOME/{FILE}, or where --intended-use says.",
        "# Longer texts: a | after the colon, and the text indented below.",
    ]
    section = ""
    for question in questions():
        head, _, name = question.path.partition(".")
        if name and head != section:
            section = head
            lines += [
                "",
                f"{head}:  # {(IntendedUse.model_fields[head].annotation.__doc__ or '').rstrip('.')}",
            ]
        indent = "  " if name else ""
        lines += [f"{indent}# {question.words} ({question.guidance_version})", f"{indent}{name or head}:"]
    return "\n".join(lines) + "\n"


def read_intended_use(path: Path) -> IntendedUse:
    """ConfigError where the file can't be read, is no YAML, or has a field that is not asked for."""
    import yaml

    cure = "`python -m flows.dossier template` prints the file with every field and what it asks."
    try:
        # Every value as the text that a person wrote: no date, number or yes is made of it.
        tree = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506  # builds text alone
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"it can't be read: {error}", where=path, cure=cure) from error
    except yaml.YAMLError as error:
        where = f"{path}, line {mark.line + 1}" if (mark := getattr(error, "problem_mark", None)) else path
        raise ConfigError(
            f"it is no YAML: {getattr(error, 'problem', error)}", where=where, cure=cure
        ) from error
    if tree and not isinstance(tree, dict):
        raise ConfigError("it holds no fields", where=path, got=type(tree).__name__, cure=cure)
    given = {name: value for name, value in (tree or {}).items() if value}  # a section may be left empty
    try:
        return IntendedUse.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        unknown = first["type"] == "extra_forbidden"
        raise ConfigError(
            "no such field" if unknown else first["msg"],
            where=f"{path}, {'.'.join(map(str, first['loc']))}",
            got=None if unknown else repr(first["input"]),
            expected=None if unknown else "text",
            cure=cure,
        ) from None


def declare(ledger: Ledger, use: IntendedUse) -> None:
    """Tell the ledger what was declared, unless it was the last thing that was."""
    said = list(ledger.entries(kind="intended_use.declared"))
    if said and said[-1].event.outputs == {"intended_use": use.sha256}:
        return
    actor = Actor(name=use.declared_by) if use.declared_by else arc()
    given = [question.path for question in questions() if use.answer(question.path) != NOT_PROVIDED]
    facts = {"given": given, "fields": sum(1 for _ in questions())}
    ledger.append(
        event(
            "intended_use.declared",
            "intended use",
            actor,
            outputs={"intended_use": use.sha256},
            facts=facts,
        )
    )


def json_of(use: IntendedUse) -> bytes:
    """As it stands in the dossier; SHA-256 of this without its end of line is the ledger's."""
    return canonical_json(use.model_dump(mode="json")) + b"\n"
