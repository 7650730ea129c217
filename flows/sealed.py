"""What `python -m flows.dossier` does with a sealed test part: lock the plan, lock the threshold, open it."""

import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction

from arc_core.data.study import dataset_of
from arc_core.errors import StoreError
from arc_core.evaluation.few import TOLD
from arc_core.experiments.memory import Memory, open_memory
from arc_core.experiments.runs import Runs
from arc_core.experiments.verification import seal
from arc_core.gate.panel import read_cases
from arc_core.provenance.heads import Heads
from arc_core.provenance.ledger import Event
from arc_core.report.sealed import figures_of, tell_of_opening
from arc_core.report.summary import size_in_words
from arc_core.settings import get_settings
from arc_core.training.opening import Opened, file_of, lock_plan, lock_threshold, open_test, sealed_of
from flows.arguments import path, words
from flows.terminal import Terminal
from tasks.champion import Champion, champion_of, networks_of

COMMAND = "python -m flows.dossier"
ACTS = {
    "lock-plan": "lock how the sealed test part will be analysed",
    "lock-threshold": "lock the champion's threshold, on the cases it was tuned on",
    "open-test": "open the sealed test part and measure the champion on it; each opening is counted",
}


def add_acts(acts: "_SubParsersAction[ArgumentParser]") -> None:
    for name, help_ in ACTS.items():
        act = acts.add_parser(name, help=help_)
        act.add_argument("--by", required=True, metavar="NAME", type=words, help="the person who does it")
        act.add_argument(
            "--reason",
            required=name == "open-test",
            type=words,
            default=None,
            metavar="TEXT",
            help="why; stands in the ledger",
        )
        act.add_argument("--study", type=words, metavar="ID", help="default: the study that ran last")
        if name == "lock-plan":
            act.add_argument("--file", type=path, metavar="SAP", help="a plan of your own, kept by its hash")


def do(given: Namespace) -> None:
    """One of the acts, told on the terminal."""
    settings = get_settings()
    if not settings.has_store:
        raise StoreError("there is no store", where=settings.home, cure="Run a cycle first.")
    memory = open_memory(settings.store_url)
    champion = champion_of(memory, given.study)
    terminal = Terminal()
    said = _done(memory, champion, given, terminal)
    try:
        # Before a word is said: whoever reads it may close the pipe after the first line.
        seal(memory.ledger, settings)
        if given.act == "open-test":
            tell_of_opening(memory, champion.study, settings.home.resolve())
    finally:
        for line in said:  # also where no page could be written: it is done and counted
            terminal.say(line)


def _done(memory: Memory, champion: Champion, given: Namespace, terminal: Terminal) -> list[str]:
    """Does the act; what there is to say of it, line by line."""
    study = champion.study
    match given.act:
        case "lock-plan":
            if given.file is not None and not given.file.is_file():
                raise StoreError("there is no such file", where=given.file, cure="Name your analysis plan.")
            return _planned(lock_plan(memory, study, given.by, given.reason or "", given.file))
        case "lock-threshold":
            cases = read_cases(memory, Runs.of(get_settings()), champion.experiment.id)
            threshold = lock_threshold(
                memory, study, champion.experiment, cases, given.by, given.reason or ""
            )
            said = "none, as not every image has a label" if threshold is None else f"{threshold:.4f}"
            return [
                f"The threshold of {champion.experiment.id} is locked: {said}.",
                f"Next, and counted: {COMMAND} open-test --by NAME --reason TEXT",
            ]
        case _:
            return _told(_opened(memory, champion, given, terminal), champion)


def _opened(memory: Memory, champion: Champion, given: Namespace, terminal: Terminal) -> Opened:
    """Sealed as soon as it counts: what ends it from then on can't have it cut off the ledger unnoticed."""
    settings, counts = get_settings(), list[int]()

    def on_counted(number: int) -> None:
        counts.append(number)
        seal(memory.ledger, settings)

    predictor, _ = networks_of(memory, champion.experiment.id)
    Heads(settings.anchors_folder).check()
    try:
        with terminal.progress("the champion meets the test part"):
            return open_test(
                memory,
                champion.study,
                champion.experiment,
                predictor.predict,
                by=given.by,
                reason=given.reason,
                home=settings.home.resolve(),
                on_counted=on_counted,
            )
    except BaseException:  # a signal too
        for number in counts:
            print(
                f"This was opening {number} of the test part. It counts, though it failed:", file=sys.stderr
            )
        raise


def _planned(locked: Event) -> list[str]:
    """What is locked now, under which hashes, and what comes next."""
    own = {name: sha256 for name, sha256 in locked.outputs.items() if name != "plan"}
    return [
        f"The analysis plan of {locked.subject} is locked, by {locked.actor.name}:",
        *(
            f"{name}: {', '.join(value) if isinstance(value, list) else value}"
            for name, value in locked.facts.items()
        ),
        f"Its SHA-256: {locked.outputs['plan']}",
        *(f"SHA-256 of {name}: {sha256}" for name, sha256 in own.items()),
        f"Next: {COMMAND} lock-threshold --by NAME",
    ]


def _told(opened: Opened, champion: Champion) -> list[str]:
    """The figures that stand for the others; the file has them all."""
    found, mark = opened.evaluation, "SIMULATED · " if champion.study.simulated else ""
    figures = figures_of(opened.metrics, found, champion.study.task)
    times = "the first time" if opened.number == 1 else f"opening {opened.number}"
    size = size_in_words(sealed_of(champion.study), dataset_of(champion.study))
    return [
        f"{mark}The test part of {opened.study_id}, {times}: {size}, by champion {opened.experiment_id}.",
        *(f"{name}: {figure or 'not defined'}" for name, figure in figures.items()),
        f"In brackets: 95 % intervals. {TOLD}",
        f"All figures and cases: {get_settings().home.resolve() / file_of(opened)}",
    ]
