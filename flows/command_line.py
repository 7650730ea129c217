"""The command lines: arguments in, tables out; exit 0 done, 1 failed, 2 bad input."""

import errno
import io
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import psutil
from prefect.settings import get_current_settings

from arc_core.config import ArcConfig, load_config
from arc_core.data.source import open_dataset
from arc_core.errors import ArcError, ConfigError, DatasetError, SettingsError, StoreError, visible
from arc_core.experiments.home import only_cycle_in
from arc_core.experiments.memory import open_memory
from arc_core.experiments.runs import Runs
from arc_core.logs import log_to_file, redaction
from arc_core.provenance.files import explained, is_of_the_disk
from arc_core.provenance.heads import Heads
from arc_core.report.summary import CycleSummary
from arc_core.settings import get_settings
from arc_core.training.prediction import Predicted, check_out, images_in
from flows import signals
from flows.arguments import count, minutes, parser_for, path, words
from flows.leftover import own_servers
from flows.loop import is_unreachable, run_loop
from flows.temporary_server import log_to_arc, on_a_kept_server
from flows.terminal import Terminal, counted
from tasks.champion import Champion, no_champion
from tasks.pause import need_server


def cycle_command(arc: Callable[..., CycleSummary]) -> NoReturn:
    """`python -m flows.cycle`."""
    parser = parser_for("python -m flows.cycle", "Run research cycles on this machine.")
    parser.add_argument("--dry-run", action="store_true", help="plan a cycle; train and record nothing")
    parser.add_argument(
        "--max-cycles", type=count, default=1, metavar="N", help="0: until stopped; default 1"
    )
    parser.add_argument("--max-minutes", type=minutes, metavar="M", help="end by then with what there is")
    parser.add_argument("--data", metavar="DIR", help="folder with images/, masks/, labels.csv")
    parser.add_argument("--task", choices=["segmentation", "classification"])
    parser.add_argument("overrides", nargs="*", metavar="HYDRA_OVERRIDE", help="such as spec.epochs=30")
    given = parser.parse_intermixed_args()
    sys.exit(guarded(lambda: _cycles(arc, given.__dict__), signals.CYCLE))


def _cycles(arc: Callable[..., CycleSummary], given: dict[str, object]) -> None:
    config = _check_input(given)
    own_servers()
    log_to_arc()
    if given["dry_run"] or config.board.autonomy == "off":
        return _once(arc, given)
    with only_cycle_in(get_settings().home.resolve()):
        return run_loop(on_a_kept_server(arc), given)


def _once(arc: Callable[..., CycleSummary], given: dict[str, object]) -> None:
    """What trains nothing and begins no loop."""
    terminal, called = Terminal(), time.time()
    with terminal.progress("the board meets"):
        summary = arc(**given)
    if summary.mode == "off":
        return terminal.say(summary.note)
    return terminal.show_plan(summary, begun_s=called - _process_start(), flow_s=time.time() - called)


def predict_command(predict: Callable[..., tuple[Champion, Predicted]]) -> NoReturn:
    """`python -m flows.predict`."""
    parser = parser_for("python -m flows.predict", "Let the champion predict a folder of photographs.")
    parser.add_argument("images", type=path, metavar="IMAGES_DIR")
    parser.add_argument("--out", type=path, required=True, metavar="DIR", help="made if it is not there")
    parser.add_argument(
        "--study", type=words, metavar="ID", help="whose champion; default: the study that ran last"
    )
    given = parser.parse_args()
    sys.exit(guarded(lambda: _predict(predict, given.images, given.out, given.study)))


def _predict(
    predict: Callable[..., tuple[Champion, Predicted]], images: Path, out: Path, study: str | None
) -> None:
    images_in(images)
    check_out(images, out)
    if not get_settings().has_store:
        raise no_champion(get_settings().home.resolve())
    own_servers()
    log_to_arc()
    terminal = Terminal()
    with terminal.progress("the champion predicts"):
        champion, predicted = predict(images, out, study)
    terminal.show_predictions(champion.words, predicted, out)
    if predicted.unreadable:
        raise DatasetError(
            f"{counted(len(predicted.unreadable), 'image')} could not be read",
            where=images,
            got=" | ".join(reason.removesuffix(".") for reason in predicted.unreadable.values()),
            cure="All others are predicted; mend these and run the command again.",
        )


def _check_input(given: dict[str, object]) -> ArcConfig:
    """Bad input is told at once, before a server is started."""
    task, data, overrides = given["task"], given["data"], given["overrides"]
    config = load_config(overrides, task=task, data=data)  # type: ignore[arg-type]
    if config.board.autonomy == "off":
        return config
    if not given["dry_run"]:
        need_server(config.board)
    settings = get_settings()
    _make(settings.home, "ARC_HOME")
    if (prefect := get_current_settings()).api.url is None:  # a server of our own keeps its database there
        _make(prefect.home, "PREFECT_HOME", writable=True)
    if config.data.path is not None:
        _check_data(config, settings.home)
    if settings.has_store:
        open_memory(settings.store_url)
    if not given["dry_run"]:
        Runs.of(settings).check()
        Heads(settings.anchors_folder).check()
    return config


def _check_data(config: ArcConfig, home: Path) -> None:
    """What of it would not be read is said, and ends nothing."""
    remark = open_dataset(config.data, config.task, home).remark
    if remark:
        Terminal().warn(remark)


def _make(folder: Path, variable: str, *, writable: bool = False) -> None:
    """`writable`: before anything begins; the store's own errors say more of a home that is not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if writable and not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "nothing may be written there")
    except OSError as error:
        raise SettingsError(
            f"the folder can't be used: {error.strerror}",
            where=variable,
            got=str(folder),
            cure="Choose a folder that you may write.",
        ) from None


def guarded(command: Callable[[], None], stops: signals.Manner = signals.PLAIN) -> int:
    """The exit code; an error that ARC foresaw is one line, any other is shown whole.

    After a signal to stop, whatever it brought about, the code is that of `stops`.
    """
    signals.heed(stops)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character gets a question mark
    try:
        # The terminal has ARC's tables; Prefect's UI has the states.
        log_to_file(get_settings(), quiet="PREFECT_LOGGING_LEVEL" not in os.environ)
        command()
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001  # the last resort: shown whole, never exit 0
        if signals.is_stopped():
            print(signals.STOPPED, file=sys.stderr)
            return stops.exit_code
        if isinstance(error, OSError) and is_of_the_disk(error):
            error = explained(error)
        elif isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):
            error = StoreError("a link leads to itself", got=str(error), cure="Name the folder itself.")
        elif not isinstance(error, ArcError) and is_unreachable(error):
            error = _unreachable()
        words, code = traceback.format_exc().rstrip(), 1
        if isinstance(error, ArcError):
            words, code = f"{type(error).__name__}: {error}", error.exit_code
        print(visible(redaction()(words)), file=sys.stderr)
        return code
    return 0


def _unreachable() -> ConfigError:
    return ConfigError(
        "no Prefect server answers there",
        where="PREFECT_API_URL",
        got=os.environ.get("PREFECT_API_URL", "a temporary server"),
        cure="Start it (`make up`), mend the address, or unset the variable for a temporary server.",
    )


def _process_start() -> float:
    return psutil.Process().create_time()
