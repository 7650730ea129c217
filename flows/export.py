"""What `python -m flows.dossier` does to export: the template for a person, and the dossier itself."""

import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

from rich.table import Table

from arc_core.errors import StoreError
from arc_core.experiments.memory import Memory, open_memory
from arc_core.experiments.runs import Runs
from arc_core.settings import get_settings
from flows.arguments import path, words
from flows.terminal import Terminal
from tasks.champion import Champion, any_finished, champion_of, no_champion

ACTS = ("export", "template")
MOST = 6
"""Files of a folder that are named."""


def add_export(acts: "_SubParsersAction[ArgumentParser]") -> None:
    act = acts.add_parser("export", help="write the dossier: every document of an experiment and its study")
    act.add_argument("out", type=path, metavar="OUT", help="made; must be empty if it is there")
    which = act.add_mutually_exclusive_group()
    which.add_argument("--champion", action="store_true", help="of the study; the default")
    which.add_argument(
        "--experiment", type=words, metavar="ID", help="any other that has finished, but a repeat"
    )
    act.add_argument(
        "--study", type=words, metavar="ID", help="whose champion; default: the study that ran last"
    )
    act.add_argument(
        "--intended-use",
        type=path,
        metavar="FILE",
        help="what only a person can say; default ARC_HOME/intended_use.yaml, where it is there",
    )
    acts.add_parser("template", help="print intended_use.yaml with every field, and what it asks")


def do_export(given: Namespace) -> None:
    if given.act == "template":
        from arc_core.dossier.intended_use import template

        sys.stdout.write(template())
        return
    _export(given)


def _export(given: Namespace) -> None:
    """The dossier, and what lies in it told on the terminal."""
    from arc_core.bundle.write import check_new
    from arc_core.dossier.documents.gap_report import gaps_of
    from arc_core.dossier.export import export
    from arc_core.dossier.facts import gather
    from arc_core.dossier.intended_use import FILE, IntendedUse, declare, read_intended_use

    out, settings = given.out.resolve(), get_settings()
    check_new(out)
    home = settings.home.resolve()
    if not settings.has_store:
        raise no_champion(home)
    memory, terminal = open_memory(settings.store_url), Terminal()
    chosen = _chosen(memory, given)
    source = given.intended_use or (home / FILE if (home / FILE).exists() else None)
    use = IntendedUse() if source is None else read_intended_use(source)
    if source is not None:
        declare(memory.ledger, use)
    with terminal.progress("the dossier is written"):
        facts = gather(memory, Runs.of(settings), home, chosen.experiment, use)
        files = export(out, facts, memory, settings)
    terminal.show(_told(chosen, files, out))
    terminal.say(f"{len(gaps_of(facts))} gaps: read {out / 'gap_report.md'} first.")


def _chosen(memory: Memory, given: Namespace) -> Champion:
    if not given.experiment:
        return champion_of(memory, given.study)
    chosen = any_finished(memory, given.experiment)
    _need_an_idea(memory, chosen)
    if given.study and chosen.study.id != given.study:
        raise StoreError(
            "the experiment is of another study",
            where=given.experiment,
            got=given.study,
            expected=chosen.study.id,
            cure="Leave out --study.",
        )
    return chosen


def _need_an_idea(memory: Memory, chosen: Champion) -> None:
    """A repeat has no hypothesis and no verdict: half of the documents would have nothing to say of it."""
    if (original := chosen.experiment.repeat_of) is not None:
        raise StoreError(
            f"it is a repeat of {original}, trained again with another seed, and has no dossier of its own",
            where=memory.database,
            got=chosen.experiment.id,
            expected=original,
            cure=f"Export the experiment that it repeats: --experiment {original}.",
        )


def _told(chosen: Champion, files: tuple[str, ...], out: Path) -> Table:
    """How many files lie where."""
    mark = "SIMULATED · " if chosen.study.simulated else ""
    table = Table(title=f"{mark}Dossier of {chosen.experiment.id}, {chosen.study.id}", title_justify="left")
    table.add_column("in")
    table.add_column("files", justify="right")
    table.add_column("what")
    folders: dict[str, list[str]] = {}
    for name in files:
        folder, _, leaf = name.rpartition("/")
        folders.setdefault(folder, []).append(leaf)
    for folder, names in sorted(folders.items()):
        shown = ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
        table.add_row(folder or out.name, str(len(names)), shown)
    return table
