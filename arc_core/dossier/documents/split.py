"""How the data were parted: the manifest, the leakage report and who opened the test part."""

from collections import defaultdict

from arc_core.dossier.document import Block, Document, Section, Table, fields, text
from arc_core.dossier.documents.gap_report import NOT_DEMONSTRABLE
from arc_core.dossier.facts import Facts, opening_subject
from arc_core.dossier.guidance import CLAIM

Sheet = tuple[tuple[str, ...], list[tuple[object, ...]]]
"""The head of a CSV file, and its rows."""


def leakage_report(facts: Facts) -> Document:
    return Document(
        name="leakage_report",
        title="Leakage report",
        follows=f"{CLAIM}, items 19–20",
        sections=(
            Section(title="How the data were parted", blocks=(_parted(facts), _folds(facts))),
            Section(title="Patients", blocks=(text(_patients(facts)),)),
            Section(title="Near-duplicates", blocks=tuple(_duplicates(facts))),
            Section(title="Test part", blocks=tuple(_sealed(facts))),
        ),
    )


def split_manifest(facts: Facts) -> Sheet:
    """Every image with its part; of a sealed test part the hashes alone."""
    head = ("image_id", "patient_id", "part", "label", "site", "camera", "image_sha256", "mask_sha256")
    ids = facts.dataset.has_patient_ids
    rows: list[tuple[object, ...]] = [
        (
            case.image_id,
            case.patient_id if ids else "",
            f"fold {facts.split.assignment[case.image_id]}",
            "" if case.label is None else case.label,
            case.site or "",
            case.camera or "",
            case.sha256,
            case.mask_sha256 or "",
        )
        for case in facts.dataset.cases
    ]
    if facts.split.sealed is not None:
        rows += [("", "", "test", "", "", "", sha256, "") for sha256 in facts.split.sealed.image_sha256]
    return head, rows


def access_log(facts: Facts) -> Sheet:
    """Every opening of the test part, in the ledger's own words."""
    head = (
        "opening",
        "at",
        "by",
        "reason",
        "experiment",
        "threshold",
        "event",
        "event_sha256",
        "plan_sha256",
        "threshold_sha256",
        "evaluation_sha256",
    )
    return head, [
        (
            each.number,
            each.told.at.isoformat(),
            each.told.who,
            each.told.reason,
            each.experiment_id,
            "" if each.threshold is None else each.threshold,
            each.told.number,
            each.told.hash,
            each.told.facts["plan"],
            each.told.facts["threshold"],
            facts.evaluations.of(opening_subject(facts.study.id, each.number)) or "",
        )
        for each in facts.openings
    ]


def _parted(facts: Facts) -> Table:
    split = facts.split
    frozen = facts.history.of("split.frozen", facts.study.id)
    return fields(
        (
            (
                "method",
                f"{split.folds} folds by {facts.unit}, stratified by label, drawn from seed {split.seed}",
            ),
            ("SHA-256 of the split", split.sha256),
            ("frozen", f"{frozen[0].at:%Y-%m-%d %H:%M} UTC, event {frozen[0].number}" if frozen else "–"),
            (
                "use",
                "each image is predicted by the one model that was not trained on its fold (out-of-fold)",
            ),
        )
    )


def _folds(facts: Facts) -> Table:
    members = defaultdict(list)
    for case in facts.dataset.cases:
        members[facts.split.assignment[case.image_id]].append(case)
    rows = [
        (
            f"fold {fold}",
            str(len(own)),
            str(len({case.patient_id for case in own})),
            str(sum(case.label == 1 for case in own)),
            str(sum(case.label == 0 for case in own)),
        )
        for fold, own in sorted(members.items())
    ]
    if (sealed := facts.split.sealed) is not None:
        rows.append(("test", str(sealed.images), str(sealed.patients), *_labels_of_test(facts)))
    return Table(
        head=("part", "images", "patients", "with glaucoma", "without"),
        rows=tuple(rows),
        widths=(0.2, 0.2, 0.2, 0.2, 0.2),
        numbers=(1, 2, 3, 4),
        caption=""
        if facts.dataset.has_patient_ids
        else "Without patient ids each image counts as a patient.",
    )


def _labels_of_test(facts: Facts) -> tuple[str, str]:
    """With glaucoma and without: not known to the study before an opening that measured something."""
    cases = next((each.cases for each in facts.openings if each.found), None)
    if cases is None:
        return ("sealed", "sealed") if not facts.openings else ("not measured", "not measured")
    return str(sum(case.label == 1 for case in cases)), str(sum(case.label == 0 for case in cases))


def _patients(facts: Facts) -> str:
    if not facts.dataset.has_patient_ids:
        return f"{NOT_DEMONSTRABLE}: the data name no patients, so two eyes of one may lie in two parts."
    parts = defaultdict(set)
    for case in facts.dataset.cases:
        parts[case.patient_id].add(facts.split.assignment[case.image_id])
    torn = sorted(patient for patient, own in parts.items() if len(own) > 1)
    if torn:
        return f"{len(torn)} patients lie in more than one fold, first {torn[0]}."
    return f"Each of {len(parts)} patients lies in one fold: read again from the frozen split for this page."


def _duplicates(facts: Facts) -> list[Block]:
    leakage = facts.split.leakage
    if leakage is None:
        return [text("They were not looked for when the split was frozen.")]
    found = [
        text(
            f"{leakage.images} images were compared, each with each of another patient: {leakage.method}. "
            f"Taken for the same where at most {leakage.max_bits} bits differ and the correlation is at "
            f"least {leakage.min_correlation:g}. Two in different parts would have ended the registration."
        )
    ]
    if not leakage.pairs:
        return [*found, text("None was found.")]
    rows = tuple(
        (pair.one, pair.other, str(pair.bits), f"{pair.correlation:.2f}", "yes" if pair.mirrored else "no")
        for pair in leakage.pairs
    )
    head = ("image", "image", "bits that differ", "correlation", "mirrored")
    return [*found, Table(head=head, rows=rows, widths=(0.3, 0.3, 0.14, 0.14, 0.12), numbers=(2, 3))]


def _sealed(facts: Facts) -> list[Block]:
    sealed = facts.split.sealed
    if sealed is None:
        return [text("None was set apart. All figures of this dossier are out-of-fold.")]
    drawn = (
        "a folder of its own"
        if sealed.share is None
        else f"{sealed.share:g} of the cases, seed {sealed.seed}"
    )
    rows = (
        ("drawn", f"{drawn}, by {sealed.by}"),
        ("images", str(sealed.images)),
        ("patients", str(sealed.patients) if facts.dataset.has_patient_ids else "not known"),
        ("SHA-256", sealed.sha256),
        ("openings", str(len(facts.openings))),
    )
    head = ("opening", "at (UTC)", "by", "experiment", "reason")
    log = tuple(
        (
            str(each.number),
            f"{each.told.at:%Y-%m-%d %H:%M}",
            each.told.who,
            each.experiment_id,
            each.told.reason,
        )
        for each in facts.openings
    )
    shown = [Table(head=head, rows=log, widths=(0.1, 0.18, 0.2, 0.2, 0.32))] if log else []
    return [fields(rows), *shown, text("testset_access_log.csv has each opening with its events' hashes.")]
