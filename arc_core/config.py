"""Hydra's groups composed into one frozen, typed configuration: the science of a study."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from arc_core.agents.board import BoardConfig
from arc_core.data.source import DataConfig
from arc_core.errors import ConfigError, SpecError
from arc_core.experiments.limits import violations
from arc_core.experiments.metric import METRICS, Task
from arc_core.experiments.space import SearchSpace
from arc_core.experiments.spec import ExperimentSpec
from arc_core.gate.verdict import GateConfig
from arc_core.record import Record
from arc_core.settings import Settings, get_settings
from arc_core.training.plan import LaunchConfig

CONFIGS = Path(__file__).parent.parent / "configs"


class ArcConfig(Record):
    """One study: what it measures, on which data, from which baseline, within which space."""

    task: Task
    metric: str
    spec: ExperimentSpec
    space: SearchSpace
    data: DataConfig
    board: BoardConfig
    gate: GateConfig
    launch: LaunchConfig

    @property
    def losses(self) -> frozenset[str]:
        """The losses that exist for the task."""
        return frozenset(self.space.loss_params)


def load_config(
    overrides: Sequence[str] = (),
    *,
    task: str | None = None,
    data: str | None = None,
    settings: Settings | None = None,
) -> ArcConfig:
    """Compose the groups under `configs/`; ConfigError names the bad key or value and the cure.

    `task` and `data` are the command line's shorthand; an override of the same key wins.
    """
    shorthand = [f"task={task}"] if task else []
    shorthand += ["data=folder", f"data.path={Path(data).expanduser().resolve()}"] if data else []
    tree = _compose([*shorthand, *overrides])
    _complete(tree, settings or get_settings())
    try:
        config = ArcConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            first["msg"],
            where=".".join(map(str, first["loc"])),
            got=repr(first["input"]),
            cure="docs/experiments.md lists every key with its range.",
        ) from None
    _check(config)
    return config


def options(group: str) -> list[str]:
    """The options of a config group, such as `loss/segmentation`."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def _compose(overrides: Sequence[str]) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir  # 0.2 s that --help need not pay
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(CONFIGS)):
            composed = compose("arc", overrides=list(overrides))
        tree = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        text = " ".join(str(error).split())
        raise ConfigError(
            text,
            where="overrides " + " ".join(overrides) if overrides else "configs/arc.yaml",
            cure="An override is key=value, such as spec.epochs=30 or model=segmentation/segresnet; "
            "docs/experiments.md lists the keys, configs/ holds the groups.",
        ) from None
    if not isinstance(tree, dict):
        raise ConfigError("not a mapping", where=CONFIGS / "arc.yaml", cure="Restore the file.")
    return {str(key): value for key, value in tree.items()}


def _complete(tree: dict[str, Any], settings: Settings) -> None:
    """Fill what the config leaves to the settings, and what it leaves to the folders."""
    spec, space, task = tree["spec"], tree["space"], str(tree["task"])
    spec["task"] = task
    if spec.get("epochs") is None:
        spec["epochs"] = settings.default_epochs
    if spec.get("batch_size") is None:
        spec["batch_size"] = settings.base_batch_size
    axes = space["axes"]
    axes["architecture.name"] = {"kind": "choice", "choices": options(f"model/{task}")}
    axes["loss.name"] = {"kind": "choice", "choices": options(f"loss/{task}")}
    if "epochs" in axes:
        axes["epochs"]["choices"] = [n for n in axes["epochs"]["choices"] if n >= settings.min_epochs]
    space["loss_params"] = {
        name: yaml.safe_load((CONFIGS / "loss" / task / f"{name}.yaml").read_text())["params"]
        for name in options(f"loss/{task}")
    }


def _check(config: ArcConfig) -> None:
    if config.metric not in METRICS:
        raise ConfigError(
            "no such metric", where="metric", got=config.metric, cure=f"Choose one of {', '.join(METRICS)}."
        )
    names = options(f"model/{config.task}")
    if config.spec.architecture.name not in names:
        raise ConfigError(
            f"not a network for {config.task}",
            where="spec.architecture.name",
            got=config.spec.architecture.name,
            cure=f"Choose one of {', '.join(names)}, for example model={config.task}/{names[0]}.",
        )
    critical = [v for v in violations(config.spec, config.losses) if v.severity == "critical"]
    if critical:
        raise SpecError(
            "over a safety limit",
            where=f"spec.{critical[0].path}",
            got=critical[0].value,
            expected=critical[0].limit,
            cure="Change the override; the limits are in docs/experiments.md.",
        )
