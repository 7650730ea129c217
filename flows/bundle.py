"""`python -m flows.bundle OUT`: the champion as a MONAI bundle, which predicts where ARC is not installed."""

import sys
from pathlib import Path
from typing import NoReturn

from arc_core.bundle.origin import Origin
from arc_core.bundle.write import check_new, write_bundle
from arc_core.experiments.memory import open_memory
from arc_core.settings import get_settings
from flows.arguments import parser_for, path, words
from flows.command_line import guarded
from flows.terminal import Terminal
from tasks.champion import any_finished, champion_of, networks_of, no_champion


def bundle_command() -> NoReturn:
    """`python -m flows.bundle`."""
    parser = parser_for("python -m flows.bundle", "Export the champion as a MONAI bundle.")
    parser.add_argument("out", type=path, metavar="OUT", help="made; must be empty if it is there")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--champion", action="store_true", help="of the study whose cycle began last; the default"
    )
    which.add_argument("--experiment", type=words, metavar="ID", help="any other that has finished")
    given = parser.parse_args()
    sys.exit(guarded(lambda: _bundle(given.out.resolve(), given.experiment)))


def _bundle(out: Path, experiment_id: str | None) -> None:
    check_new(out)
    settings = get_settings()
    if not settings.has_store:
        raise no_champion(settings.home.resolve())
    memory = open_memory(settings.store_url)
    chosen = any_finished(memory, experiment_id) if experiment_id else champion_of(memory)
    predictor, result = networks_of(memory, chosen.experiment.id)
    origin = Origin(experiment=chosen.experiment, study=chosen.study, result=result, words=chosen.words)
    write_bundle(out, origin, predictor.ensemble)
    Terminal().say(f"bundle: {out}: {chosen.words}")


if __name__ == "__main__":
    bundle_command()
