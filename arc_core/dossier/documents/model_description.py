"""The model: enough that a competent practitioner could build an equivalent."""

from arc_core.agents import wording
from arc_core.dossier.document import Cell, Document, Section, Table, fields, text
from arc_core.dossier.facts import Facts
from arc_core.dossier.guidance import AI_DRAFT
from arc_core.experiments.spec import ExperimentSpec
from arc_core.training.cost import cost_key, table
from arc_core.training.fold import MODEL

OUTPUTS = {
    "segmentation": "for each pixel the probabilities of background, rim and cup; the most probable class "
    "is the mask, brought back to the frame of the photograph; from it the vertical cup-to-disc ratio "
    "(vCDR)",
    "classification": "one probability of glaucoma",
}
NORMALISATIONS = {
    "unit": "values stay in [0, 1]",
    "standardise": "each channel of each image has mean 0 and deviation 1",
    "contrast": "a smooth background (means over tiles of 1/8 of the side) is subtracted, then each "
    "channel of each image has mean 0 and deviation 1",
}
OPTIMISERS = {
    "sgd": "SGD with Nesterov's momentum of 0.9",
    "adam": "Adam (torch's defaults for β and ε)",
    "adamw": "AdamW (torch's defaults for β and ε)",
}


def model_description(facts: Facts) -> Document:
    spec = facts.experiment.outcome.spec
    return Document(
        name="model_description",
        title="Model description",
        follows=f"{AI_DRAFT}, model description",
        sections=(
            Section(title="In words", blocks=(fields(_words(facts, spec), width=0.24),)),
            Section(title="Every setting", blocks=(_settings(spec),)),
            Section(title="Training", blocks=(fields(_training(facts), width=0.3),)),
            Section(title="Program", blocks=(fields(_program(facts), width=0.3),)),
            Section(
                title="Weights",
                blocks=(
                    text("One network of each fold; the model is the mean of what they say."),
                    Table(
                        head=("file", "SHA-256"),
                        rows=tuple(
                            (name, sha256)
                            for name, sha256 in sorted(facts.result.files.items())
                            if name.endswith(f"/{MODEL}")
                        ),
                        widths=(0.25, 0.75),
                    ),
                ),
            ),
        ),
    )


def _words(facts: Facts, spec: ExperimentSpec) -> tuple[tuple[str, Cell], ...]:
    size, network = spec.image_size_px, spec.architecture
    cost = table().get(cost_key(spec.task, network))
    rows: list[tuple[str, Cell]] = [
        (
            "input",
            "a colour photograph of the fundus, 8-bit RGB, centred on a black square of its longer side "
            f"and resized to {size} × {size} px, as values in [0, 1]",
        ),
        ("normalisation", f"{spec.normalisation}: {NORMALISATIONS[spec.normalisation]}"),
        (
            "network",
            f"{network.name}, width {network.width}, depth {network.depth}, dropout {network.dropout:g}: "
            f"arc_core/training/networks/{spec.task}/{network.name}.py",
        ),
        ("parameters", f"{cost.parameters:,} per network" if cost else "not counted"),
        ("initialisation", f"random, drawn from the seed {spec.seed}; no pretrained weights"),
        ("output", OUTPUTS[spec.task]),
        (
            "ensemble",
            f"the mean of the probabilities of {facts.split.folds} networks, one trained without each fold",
        ),
        (
            "loss",
            f"{spec.loss.name}" + "".join(f", {name} {value:g}" for name, value in spec.loss.params.items()),
        ),
        (
            "optimiser",
            f"{OPTIMISERS[spec.optimiser.name]}, learning rate {spec.optimiser.lr:g}, schedule "
            f"{spec.schedule}",
        ),
        (
            "regularisation",
            f"weight decay {spec.optimiser.weight_decay:g}, dropout {network.dropout:g}, augmentation as "
            "listed below; no early stopping: the last epoch counts",
        ),
        ("length", f"{spec.epochs} epochs in batches of {spec.batch_size}, seed {spec.seed}"),
    ]
    if spec.task == "segmentation":
        rows.append(("probability of glaucoma", _vcdr(facts)))
    return tuple(rows)


def _vcdr(facts: Facts) -> str:
    model = facts.result.vcdr_model
    if model is None:
        return "none: the data have too few labels to fit one"
    given = facts.history.of("eval.completed", facts.experiment.id)[-1].hash[:8]
    return (
        f"σ({model.intercept:.4f} + {model.slope:.4f} · vCDR), a logistic regression on the out-of-fold vCDR "
        f"({given}); the figures score each case with one that was fitted on the other folds"
    )


def _settings(spec: ExperimentSpec) -> Table:
    return Table(
        head=("setting", "value", "in words"),
        rows=tuple((path, wording.show(value), wording.label(path)) for path, value in spec.flat().items()),
        widths=(0.4, 0.25, 0.35),
        caption="A setting that is 0, none or off changes nothing. docs/experiments.md of ARC has each "
        "with its range.",
    )


def _training(facts: Facts) -> tuple[tuple[str, Cell], ...]:
    started, result = facts.started, facts.result
    machine = started.facts["machine"]
    return (
        ("experiment", f"{facts.experiment.id}, number {facts.experiment.number} of {facts.study.id}"),
        ("started", f"{started.at:%Y-%m-%d %H:%M:%S} UTC, event {started.number}"),
        ("derived from", str(started.facts["parent"] or "the configured baseline")),
        (
            "changed",
            ", ".join(f"{path} {wording.show(value)}" for path, value in started.facts["changes"].items())
            or "nothing",
        ),
        ("data", f"SHA-256 {started.inputs['dataset']}"),
        ("split", f"SHA-256 {facts.split.sha256}"),
        ("trained on", result.trained_on),
        ("processor", f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']:g} GiB"),
        ("system", str(machine["system"])),
        (
            "libraries",
            ", ".join(
                f"{name} {machine[name]}" for name in ("python", "torch", "lightning", "monai", "numpy")
            ),
        ),
        ("images seen in training", f"{result.images:,}, over all folds and epochs"),
        ("carried out otherwise than asked", "; ".join(result.deviations) or "nothing"),
    )


def _program(facts: Facts) -> tuple[tuple[str, Cell], ...]:
    origin = facts.started.origin
    return (
        ("ARC's own files, SHA-256", origin.code or "not recorded"),
        (
            "git commit",
            (origin.commit or "no checkout") + (", with changed files" if origin.is_dirty else ""),
        ),
        ("requirements.lock, SHA-256", origin.lock or "not recorded"),
        ("installed distributions, SHA-256", origin.environment or "not recorded"),
    )
