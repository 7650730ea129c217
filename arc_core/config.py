"""Hydra's groups composed into one frozen, typed configuration: the science of a study."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from arc_core.agents.board import BoardConfig
from arc_core.data.source import DataConfig
from arc_core.errors import ConfigError
from arc_core.experiments.loop import LoopConfig
from arc_core.experiments.metric import OF_TASK, PRIMARY, Task
from arc_core.experiments.objectives import Objective, check_objectives
from arc_core.experiments.space import Choice, SearchSpace
from arc_core.experiments.spec import ExperimentSpec
from arc_core.gate.verdict import GateConfig
from arc_core.llm.roles import LlmConfig, RoleModel
from arc_core.record import Record
from arc_core.settings import Settings, get_settings
from arc_core.training.launch import LaunchConfig
from arc_core.training.plan import CRITICAL, check_size, check_spec, largest_divisor

CONFIGS = Path(__file__).parent.parent / "configs"


class ArcConfig(Record):
    """One study: what it measures, on which data, from which baseline, within which space."""

    task: Task
    metric: str
    objectives: dict[str, Objective]
    spec: ExperimentSpec
    space: SearchSpace
    data: DataConfig
    board: BoardConfig
    llm: LlmConfig
    gate: GateConfig
    launch: LaunchConfig
    loop: LoopConfig

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

    `task` and `data` are the command line's shorthand for `task=…` and `data=folder data.path=…`.
    """
    settings = settings or get_settings()
    shorthand = [f"task={task}"] if task else []
    # The path itself is set below: Hydra's grammar would trip over spaces and brackets in it.
    shorthand += ["data=folder", "data.path=."] if data is not None else []
    tree = _compose(shorthand, overrides)
    _complete(tree, settings)
    if data is not None:
        tree["data"]["path"] = _absolute(data)
    try:
        config = ArcConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            first["msg"].removeprefix("Value error, "),
            where=".".join(map(str, first["loc"])),
            got=_got(first),
            cure=_cure(first["loc"]),
        ) from None
    _check(config, settings)
    return _with_fewest_epochs(config, settings.min_epochs)


def _got(fault: ErrorDetails) -> str | None:
    """The value; not where there is none, nor a whole section, nor what may hold a password."""
    whole = fault["type"] == "missing" or isinstance(fault["input"], dict)
    return None if whole or fault["loc"][-1:] == ("base_url",) else repr(fault["input"])


def _cure(place: tuple[int | str, ...]) -> str:
    variables = " A role's model is also set by ARC_ROLES__<ROLE>__<KEY>; keys are "
    of_role = f"{variables}{', '.join(RoleModel.model_fields)}." if place[0] == "llm" else ""
    return f"docs/experiments.md lists every key with its range.{of_role}"


def options(group: str) -> list[str]:
    """The options of a config group, such as `loss/segmentation`."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def _compose(shorthand: Sequence[str], overrides: Sequence[str]) -> dict[str, Any]:
    try:
        return _composed([*shorthand, *map(_adding, overrides)])
    except Exception as error:  # noqa: BLE001  # Hydra has no common root for what bad input raises
        # Without Hydra's own advice: its search path tells a user nothing, and +key is refused here.
        words = " ".join(str(error).split()).split(" Config search path:")[0].split(" To append to your")[0]
        raise ConfigError(
            words.rstrip("."),
            where="overrides " + " ".join(overrides) if overrides else "configs/arc.yaml",
            cure=" ".join(filter(None, map(_hint, overrides)))
            or "An override is key=value, such as spec.epochs=30 or model=segmentation/segresnet; "
            "docs/experiments.md lists the keys, configs/ holds the groups.",
        ) from None


def _composed(overrides: list[str]) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir  # 0.2 s that --help need not pay
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    OmegaConf.clear_resolver("oc.env")  # what a variable of the machine holds is nobody's override to show
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(CONFIGS)):
        composed = compose("arc", overrides=overrides)
    tree = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    assert isinstance(tree, dict)
    return {str(key): value for key, value in tree.items()}


def _adding(override: str) -> str:
    """A role's own key, or a further objective, is not in the tree before it is set; what may be set there is
    checked afterwards."""
    return f"++{override}" if override.startswith(("llm.roles", "objectives.")) else override


def _hint(override: str) -> str:
    """What a wrong override was perhaps meant to be; nothing for a right one."""
    if "${oc.env:" in override:
        return "An override reads no variable of the machine; let the shell put it in: key=$HOME/eyes."
    key, _, value = override.lstrip("+~").partition("=")
    if key in {path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*") if path.is_dir()}:
        group = CONFIGS / key
        choices = sorted(path.relative_to(group).with_suffix("").as_posix() for path in group.rglob("*.yaml"))
        return "" if value in choices else f"The choices of {key} are {', '.join(choices)}."
    known = list(_keys(_composed([])))
    near = get_close_matches(key, known, n=1)
    return (
        f"Did you mean {near[0]}? docs/experiments.md lists every key." if near and key not in known else ""
    )


def _keys(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")


def _absolute(folder: str) -> str:
    try:
        if not folder:
            raise ValueError("it is empty")
        return str(Path(folder).expanduser().resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"not a path: {error}", where="--data", got=repr(folder), cure="Give the dataset's folder."
        ) from None


def _complete(tree: dict[str, Any], settings: Settings) -> None:
    """Fill what the config leaves to the settings, and what it leaves to the folders."""
    _need_sections(tree)
    _override_roles(tree["llm"], settings.roles)
    spec, space, task = tree["spec"], tree["space"], str(tree["task"])
    spec["task"] = task
    if spec.get("epochs") is None:
        spec["epochs"] = settings.default_epochs
    if spec.get("batch_size") is None:
        spec["batch_size"] = settings.base_batch_size
    axes = space["axes"]
    axes["architecture.name"] = {"kind": "choice", "choices": options(f"model/{task}")}
    axes["loss.name"] = {"kind": "choice", "choices": options(f"loss/{task}")}
    space["loss_params"] = {
        name: yaml.safe_load((CONFIGS / "loss" / task / f"{name}.yaml").read_text())["params"]
        for name in options(f"loss/{task}")
    }


def _override_roles(llm: dict[str, Any], roles: Mapping[str, Mapping[str, str]]) -> None:
    """The machine's word on where models are: ARC_ROLES__CRITIC__BASE_URL=… is llm.roles.critic.base_url.

    A tree that is no mapping there is left as it is: its check tells what is wrong with it.
    """
    for role, fields in roles.items():
        if role != "default" and llm.get("roles") is None:
            llm["roles"] = {}
        section = llm if role == "default" else llm["roles"]
        if isinstance(section, dict) and isinstance(section.get(role) or {}, dict):
            section[role] = {**(section.get(role) or {}), **fields}


def _need_sections(tree: dict[str, Any]) -> None:
    broken = [name for name in ("spec", "space", "data", "llm") if not isinstance(tree.get(name), dict)]
    if not broken and not isinstance(tree["space"].get("axes"), dict):
        broken = ["space.axes"]
    if broken:
        raise ConfigError(
            "not a section of keys", where=broken[0], cure="Set single keys in it, such as spec.epochs=30."
        )
    if tree.get("task") not in PRIMARY:
        raise ConfigError(
            "no such task", where="task", got=repr(tree.get("task")), cure=f"Choose {' or '.join(PRIMARY)}."
        )


def _check(config: ArcConfig, settings: Settings) -> None:
    metrics = OF_TASK[config.task]
    if config.metric not in metrics:
        raise ConfigError(
            f"no metric of {config.task}",
            where="metric",
            got=config.metric,
            cure=f"Choose one of {', '.join(metrics)}.",
        )
    check_objectives(config.objectives, config.task)
    known = config.spec.flat()
    for path in config.space.axes:
        if path not in known and not path.startswith("loss.params."):
            raise ConfigError(
                "no such field of a spec", where=f"space.axes.{path}", cure=f"Fields are {', '.join(known)}."
            )
    # The supervisor would send it back for revision, and nothing would ever be measured against it.
    check_spec(config.spec, refused=CRITICAL | {"high"})
    check_size(config.spec, largest_divisor(config.spec.batch_size, settings.batch_size_per_gpu))


def _with_fewest_epochs(config: ArcConfig, fewest: int) -> ArcConfig:
    """The board proposes no experiment shorter than ARC_MIN_EPOCHS."""
    axis = config.space.axes.get("epochs")
    if not isinstance(axis, Choice):
        return config
    kept = tuple(n for n in axis.choices if isinstance(n, int) and n >= fewest) or (config.spec.epochs,)
    axes = {**config.space.axes, "epochs": axis.model_copy(update={"choices": kept})}
    return config.model_copy(update={"space": config.space.model_copy(update={"axes": axes})})
