"""The complete, closed description of one experiment, and its canonical id."""

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from arc_core.errors import SpecError
from arc_core.experiments.metric import Task
from arc_core.provenance.canonical import sha256_of
from arc_core.record import Record

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
# −0.0 equals 0.0, so both must hash alike.
Real = Annotated[float, Field(allow_inf_nan=False), AfterValidator(lambda value: value + 0.0)]
Value = bool | int | float | str
LONGEST_SHOWN = 200


class Architecture(Record):
    """A network of `arc_core.training.networks`, by name."""

    name: Name
    width: int = Field(ge=4, le=128, description="channels of the first level")
    depth: int = Field(ge=2, le=6, description="levels of resolution, or the variant's size")
    dropout: Real = Field(0.0, ge=0, le=0.9)


class Loss(Record):
    """A loss of `arc_core.training.losses`, by name, with its parameters."""

    name: Name
    params: dict[Name, Real] = {}


class Augmentation(Record):
    """Random changes to a training image, each within its clinical limit; 0 switches one off.

    Hue, saturation, erasing, mixing and strong elastic changes have no field, so that no spec
    can ask for them.
    """

    flip: bool = Field(True, description="mirror left and right with probability 0.5")
    rotation_deg: Real = Field(0.0, ge=0, le=15)
    scale: Real = Field(0.0, ge=0, le=0.1, description="zoom between 1 − scale and 1 + scale")
    translation: Real = Field(0.0, ge=0, le=0.1, description="share of the image's side")
    brightness: Real = Field(0.0, ge=0, le=0.1)
    contrast: Real = Field(0.0, ge=0, le=0.1)
    gamma: Real = Field(0.0, ge=0, le=0.1, description="exponent between 1 − gamma and 1 + gamma")
    noise_sigma: Real = Field(0.0, ge=0, le=0.01)
    blur_kernel_px: Literal[0, 3] = 0


class Curriculum(Record):
    """Which share of the cases an epoch draws from, the easy ones first (Bengio et al., ICML 2009).

    Without a pacing the other fields mean nothing. `arc_core.training.curriculum` has the formulas.
    """

    pacing: Literal["none", "linear", "exponential", "step", "adaptive"] = "none"
    by: Literal["quality", "difficulty"] = Field(
        "quality",
        description="sharp pictures first, or cases whose reference shows clearly; that needs masks",
    )
    start_share: Real = Field(0.4, ge=0.1, le=1, description="of the cases, in the first epoch")
    full_by: Real = Field(0.5, ge=0.1, le=1, description="share of the epochs after which all cases are in")


class Auxiliary(Record):
    """What a network learns beside its task, of which the loss keeps a weight of at least 0.6."""

    vcdr_weight: Real = Field(0.0, ge=0, le=0.4, description="of the error in vertical cup-to-disc ratio")


class Optimiser(Record):
    name: Name
    lr: Real = Field(gt=0, le=1)
    weight_decay: Real = Field(0.0, ge=0, le=0.1)


class ExperimentSpec(Record):
    """Everything that decides an experiment's outcome on a given study."""

    task: Task
    architecture: Architecture
    image_size_px: int = Field(ge=32, le=2048, multiple_of=16)
    normalisation: Literal["unit", "standardise", "contrast"] = "standardise"
    loss: Loss
    class_weighting: Literal["none", "balanced", "effective_number"] = "none"
    auxiliary: Auxiliary = Auxiliary()
    augmentation: Augmentation = Augmentation()
    curriculum: Curriculum = Curriculum()
    optimiser: Optimiser
    schedule: Literal["constant", "cosine", "one_cycle"] = "one_cycle"
    gradient_clip: Real = Field(0.0, ge=0, description="largest norm of a step's gradient; 0: not clipped")
    epochs: int = Field(ge=1, le=1000)
    batch_size: int = Field(ge=1, le=1024)
    seed: int = Field(0, ge=0, lt=2**31)

    @property
    def id(self) -> str:
        """Equal trainings, equal id, whatever the order of keys.

        What is switched off is left out: it decides nothing, and specs from before it existed keep their id.
        """
        off = {
            "class_weighting": self.class_weighting == "none",
            "auxiliary": self.auxiliary.vcdr_weight == 0,
            "curriculum": self.curriculum.pacing == "none",
            "gradient_clip": self.gradient_clip == 0,
        }
        tree = self.model_dump(mode="json")
        return sha256_of({name: value for name, value in tree.items() if not off.get(name)})[:16]

    def flat(self) -> dict[str, Value]:
        """Dotted path → value, for every leaf."""
        values = iter(self.fixed())
        before = dict(zip(_BEFORE, values, strict=False))
        params = {f"loss.params.{name}": value for name, value in self.loss.params.items()}
        return before | params | dict(zip(_AFTER, values, strict=True))

    def fixed(self) -> tuple[Value, ...]:
        """The values that every spec has, always in one order: all but the parameters of its loss."""
        values: tuple[Value, ...] = _fixed_values(self)
        return values

    def changed(self, changes: Mapping[str, Value]) -> "ExperimentSpec":
        """A copy with the values at some dotted paths replaced; SpecError names a bad one."""
        tree = self.model_dump(mode="json")
        for path, value in changes.items():
            *parents, leaf = path.split(".")
            node: Any = tree
            for parent in parents:
                node = node.get(parent) if isinstance(node, dict) else None
            if not isinstance(node, dict):
                raise SpecError("no such field", where=path, cure=f"Fields are {', '.join(self.flat())}.")
            node[leaf] = value
        return parse_spec(tree)

    def difference(self, parent: "ExperimentSpec") -> dict[str, Value | None]:
        """The paths on which this spec differs from `parent`, with this spec's values."""
        mine, theirs = self.flat(), parent.flat()
        return {
            path: mine.get(path) for path in sorted({*mine, *theirs}) if mine.get(path) != theirs.get(path)
        }


def parse_spec(tree: object) -> ExperimentSpec:
    """A spec from untrusted data; SpecError names the first bad field."""
    try:
        return ExperimentSpec.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        raise SpecError(
            first["msg"],
            where="spec." + ".".join(map(str, first["loc"])),
            got=_shown(first["input"]),
            cure="docs/experiments.md lists every field with its range.",
        ) from None


def _shown(value: object) -> str:
    """At most a line of it: whoever wrote the spec may have put anything there."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        text = f"a {type(value).__name__} too long to be shown"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _paths(record: type[Record], prefix: str = "") -> Iterator[str]:
    for name, field in record.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Record):
            yield from _paths(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


# Read without a dump of the record: the board looks at every spec of a study.
_ALL = tuple(_paths(ExperimentSpec))
_BEFORE, _AFTER = _ALL[: _ALL.index("loss.params")], _ALL[_ALL.index("loss.params") + 1 :]
_fixed_values = attrgetter(*_BEFORE, *_AFTER)
