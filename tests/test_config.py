"""Hydra's groups: every option composes, what composes is frozen, and a slip is named."""

import pytest
import yaml
from pydantic import ValidationError

from arc_core.config import CONFIGS, ArcConfig, load_config, options
from arc_core.data.synthetic import SyntheticConfig
from arc_core.errors import BadInput, ConfigError, SpecError
from arc_core.experiments.limits import violations
from arc_core.settings import Settings, load_settings
from arc_core.training import catalogue

TASKS = ("segmentation", "classification")
SHARED_GROUPS = ("space", "optim", "augment", "board", "roles", "gate", "launch", "loop", "experiment")


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(_env_file=None)


def compose(settings, *overrides, **shorthand) -> ArcConfig:
    return load_config(overrides, settings=settings, **shorthand)


def choices() -> list[tuple[str, str]]:
    """(task, override) for every option of every group."""
    found = [
        (task, f"{group}={name}") for task in TASKS for group in SHARED_GROUPS for name in options(group)
    ]
    found += [
        (task, f"{group}={task}/{name}")
        for task in TASKS
        for group in ("model", "loss", "objectives")
        for name in options(f"{group}/{task}")
    ]
    return [*found, *((task, "data=synthetic") for task in TASKS)]


@pytest.mark.parametrize(("task", "override"), choices())
def test_every_option_composes(settings, task, override):
    config = compose(settings, override, task=task)
    assert config.task == config.spec.task == task
    assert config.spec.loss.name in config.losses
    assert not [v for v in violations(config.spec, config.losses) if v.severity in ("critical", "high")]


def test_every_group_is_tried():
    groups = {path.relative_to(CONFIGS).parts[0] for path in CONFIGS.glob("*/**/*.yaml")}
    assert groups == {*SHARED_GROUPS, "model", "loss", "objectives", "data", "task"}
    assert options("data") == ["folder", "synthetic"]
    assert options("task") == sorted(TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_networks_and_losses_are_those_of_the_code(settings, task):
    axes = compose(settings, task=task).space.axes
    assert set(axes["architecture.name"].choices) == set(catalogue.networks(task))
    assert set(axes["loss.name"].choices) == set(catalogue.losses(task))


@pytest.mark.parametrize("task", TASKS)
def test_the_losses_parameters_are_those_the_code_takes(settings, task):
    for name, params in compose(settings, task=task).space.loss_params.items():
        assert catalogue.loss_params(task, name, params) == params  # SpecError where one is unknown


def test_an_objective_is_added_bounded_and_taken_away(settings):
    composed = compose(settings, "objectives.cup_dice.constraint=0.7", "objectives.disc_dice={}")
    bounds = {name: objective.constraint for name, objective in composed.objectives.items()}
    assert bounds == {"mean_dice": None, "vcdr_mae": None, "cup_dice": 0.7, "disc_dice": None}
    assert set(compose(settings, "~objectives.vcdr_mae").objectives) == {"mean_dice"}
    assert compose(settings, task="classification").objectives["dri"].constraint == 0.6
    with pytest.raises(ConfigError, match="AUC is an objective of every classification"):
        compose(settings, "~objectives.auc", task="classification")


def test_a_folder_is_chosen_by_its_path(settings, tmp_path):
    assert compose(settings, data=str(tmp_path)).data.path == str(tmp_path)
    assert compose(settings).data.path is None
    with pytest.raises(ConfigError, match=r"data\.path"):
        compose(settings, "data=folder")


def test_the_synthetic_options_are_the_generators_defaults(settings):
    assert compose(settings).data.synthetic == SyntheticConfig()
    assert compose(settings, "data.synthetic.cases=12").data.synthetic.cases == 12


def test_what_is_composed_is_frozen(settings):
    config = compose(settings)
    with pytest.raises(ValidationError, match="frozen"):
        config.spec.epochs = 7


def test_the_settings_fill_what_the_config_leaves_open():
    settings = load_settings(_env_file=None, default_epochs=9, min_epochs=9, base_batch_size=32)
    spec = compose(settings, "experiment=open").spec
    assert (spec.epochs, spec.batch_size) == (9, 32)
    assert min(compose(settings).space.axes["epochs"].choices) >= 9


def test_an_override_wins_over_the_shorthand(settings):
    assert compose(settings, "task=classification", task="segmentation").task == "classification"


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("spec.epoch=3", "spec.epoch"),
        ("no_such_group=1", "no_such_group"),
        ("model=segmentation/vit", "segmentation/vit"),
        ("optim=lion", "lion"),
        ("+spec.colour=red", "spec.colour"),
        ("spec.image_size_px=100", "spec.image_size_px"),
        ("spec.image_size_px=big", "spec.image_size_px"),
        ("spec.augmentation.rotation_deg=40", "spec.augmentation.rotation_deg"),
        ("data.folds=1", "data.folds"),
        ("gate.alpha=2", "gate.alpha"),
        ("metric=accuracy", "accuracy"),
        ("objectives=segmentation/fairness", "segmentation/screening"),
        ("objectives=classification/relevance", "objectives.dri"),
        ("objectives.accuracy.constraint=0.5", "objectives.accuracy"),
        ("objectives.vcdr_mae.constraint=2", "objectives.vcdr_mae.constraint"),
        ("objectives.vcdr_mae.constrain=0.1", "objectives.vcdr_mae.constrain"),
        ("spec.architecture.name=resnet", "resnet"),
        ("spec.loss.name=hinge", "hinge"),
        ("spec.optimiser.lr=0.5", "spec.optimiser.lr"),
        ("spec.epochs=500", "spec.epochs"),
        ("board.strategy=dictator", "board.strategy"),
        ("launch.dispatcher=cloud", "launch.dispatcher"),
        ("spec.epochs", "spec.epochs"),
    ],
)
def test_a_slip_is_named_with_its_cure(settings, override, named):
    with pytest.raises(BadInput) as caught:
        compose(settings, override)
    assert isinstance(caught.value, ConfigError | SpecError)
    assert named in str(caught.value)
    assert caught.value.cure in str(caught.value)


def test_every_file_says_where_it_belongs():
    for path in CONFIGS.glob("*/**/*.yaml"):
        assert path.read_text().startswith("# @package "), path
        assert yaml.safe_load(path.read_text()), path


@pytest.mark.parametrize(
    "override",
    [
        "~spec",
        "~task",
        "=3",
        "spec=3",
        "space.axes=null",
        "space.axes.epochs=3",
        "+space.axes.foo={kind: choice, choices: [1]}",
        "+spec.loss.params.foo=1",
        "spec.architecture.width=128",
        "model=null",
        "~objectives",
        "objectives=null",
        "objectives.mean_dice=3",
        "objectives.mean_dice=null",
    ],
)
def test_a_broken_tree_is_bad_input_and_no_crash(override):
    with pytest.raises(BadInput):
        load_config([override])


@pytest.mark.parametrize("data", ["", "~nosuchuser/x", "x\0y"])
def test_a_path_that_is_none_is_bad_input(data):
    with pytest.raises(ConfigError, match="--data: not a path"):
        load_config(data=data)


def test_a_data_path_may_hold_what_hydra_would_trip_over(tmp_path):
    folder = tmp_path / "a b=[c],{d} é"
    assert load_config(data=str(folder)).data.path == str(folder)


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_every_value_of_a_spec_can_be_set(task):
    spec = load_config(task=task).spec
    everything = [f"spec.{path}={value}" for path, value in spec.flat().items() if path != "task"]
    assert load_config(everything, task=task).spec == spec
