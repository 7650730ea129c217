"""Which networks and losses exist: one file each, found by listing, so that torch stays unloaded."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal

from arc_core.errors import SpecError
from arc_core.experiments.metric import Task
from arc_core.experiments.spec import ExperimentSpec

Kind = Literal["networks", "losses"]


@cache
def names(kind: Kind, task: Task) -> frozenset[str]:
    """The names of the files in `arc_core/training/<kind>/<task>/`."""
    folder = Path(__file__).parent / kind / task
    return frozenset(file.stem for file in folder.glob("*.py") if file.stem != "__init__")


def networks(task: Task) -> frozenset[str]:
    return names("networks", task)


def losses(task: Task) -> frozenset[str]:
    return names("losses", task)


def load(kind: Kind, task: Task, name: str) -> ModuleType:
    """The module behind a name; only a name that is a file here is ever imported."""
    known = names(kind, task)
    if name not in known:
        raise SpecError(
            f"there is no such {task} {'network' if kind == 'networks' else 'loss'}",
            where="architecture.name" if kind == "networks" else "loss.name",
            got=name,
            expected=f"one of {', '.join(sorted(known))}",
            cure=f"Choose one of these, or add arc_core/training/{kind}/{task}/{name}.py.",
        )
    return import_module(f"arc_core.training.{kind}.{task}.{name}")


def loss_params(task: Task, name: str, params: Mapping[str, float]) -> dict[str, float]:
    """The loss's default parameters with `params` over them; SpecError for one that it does not have, or
    that makes it no loss."""
    defaults: dict[str, float] = load("losses", task, name).DEFAULTS
    for key, value in params.items():
        if key not in defaults:
            raise SpecError(
                f"the loss {name} has no such parameter",
                where=f"loss.params.{key}",
                expected=f"one of {', '.join(sorted(defaults))}" if defaults else "no parameter at all",
                cure=f"See arc_core/training/losses/{task}/{name}.py.",
            )
        if value < 0:
            raise SpecError(
                "no parameter of a loss is negative", where=f"loss.params.{key}", got=value, cure="Raise it."
            )
    complete = {**defaults, **params}
    weights = {key: value for key, value in complete.items() if key.endswith("_weight")}
    if weights and not any(weights.values()):
        raise SpecError(
            f"every part of the loss {name} has weight 0",
            where="loss.params",
            got=", ".join(weights),
            cure="Raise one of them.",
        )
    return complete


def check_loss(spec: ExperimentSpec) -> None:
    """SpecError where the loss does not take what the spec asks of it."""
    task, name = spec.task, spec.loss.name
    loss_params(task, name, spec.loss.params)
    if spec.class_weighting != "none" and not load("losses", task, name).WEIGHTED:
        able = [other for other in sorted(losses(task)) if load("losses", task, other).WEIGHTED]
        raise SpecError(
            f"the loss {name} takes no class weights",
            where="class_weighting",
            got=spec.class_weighting,
            expected="none",
            cure=f"Switch it off, or choose a loss that does: {', '.join(able)}.",
        )
