"""The complete, closed description of one experiment, and its canonical id."""

from collections.abc import Mapping
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
    augmentation: Augmentation = Augmentation()
    optimiser: Optimiser
    schedule: Literal["constant", "cosine", "one_cycle"] = "one_cycle"
    epochs: int = Field(ge=1, le=1000)
    batch_size: int = Field(ge=1, le=1024)
    seed: int = Field(0, ge=0, lt=2**31)

    @property
    def id(self) -> str:
        """Equal specs, equal id, whatever the order of keys."""
        return sha256_of(self.model_dump(mode="json"))[:16]

    def flat(self) -> dict[str, Value]:
        """Dotted path → value, for every leaf."""
        return dict(_leaves(self.model_dump(mode="json")))

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
            got=repr(first["input"]),
            cure="docs/experiments.md lists every field with its range.",
        ) from None


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Value]]:
    leaves: list[tuple[str, Value]] = []
    for key, value in tree.items():
        path = f"{prefix}{key}"
        leaves += _leaves(value, f"{path}.") if isinstance(value, dict) else [(path, value)]
    return leaves
