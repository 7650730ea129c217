"""Every exception ARC raises on purpose.

ArcError                    exit 1
├── BadInput                exit 2: the user can mend it, and the message says how
│   ├── SettingsError       an ARC_… environment variable
│   ├── ConfigError         a Hydra override or config file
│   ├── SpecError           an experiment that breaks a safety limit
│   ├── DatasetError        a file of the dataset
│   ├── StoreError          the database or a file of the home: out of reach, full, closed, of a newer ARC
│   └── LeaseDenied         a job that no GPU it may have could ever hold
├── ExperimentFailed        one experiment ended without a result; the cycle goes on
├── OutOfTime               one experiment was stopped by the cycle's deadline; it can be resumed
├── NoRoom                  no place or GPU is free for one job now; it waits for its turn
├── LeaseLost               one job's lease has run out or was taken; the job stops
├── CycleFailed             a cycle of a loop failed: the loop waits and tries again, or has stopped
├── Unfounded               a number of the dossier that no evaluation in the ledger bears out
├── Unverified              the record is not what ARC wrote: the text names the first thing that is wrong
└── CycleBusy               another process runs a cycle in the same ARC home
"""

from datetime import datetime


def visible(text: str) -> str:
    """The text with its control characters written out, as `\\x1b`: shown, they do nothing to a terminal.

    Line breaks stay.
    """
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


class ArcError(Exception):
    """Root of the tree. Its text shows the control characters that it quotes."""

    exit_code = 1

    def __str__(self) -> str:
        return visible(super().__str__())


class BadInput(ArcError):
    """Something the user gave is wrong: says what, where, got, expected, and the cure."""

    exit_code = 2

    def __init__(
        self, what: str, *, where: object = None, got: object = None, expected: str | None = None, cure: str
    ) -> None:
        self.what, self.where, self.got, self.expected, self.cure = what, where, got, expected, cure
        parts = [f"{_line(where)}: {what}" if where is not None else what]
        if got is not None:
            parts.append(f"got {_line(got) if isinstance(got, str) else repr(got)}")
        if expected is not None:
            parts.append(f"expected {expected}")
        super().__init__("; ".join(parts) + f". {cure}")

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        # Keyword-only arguments are lost by the default reduction, and Prefect pickles exceptions.
        return _rebuild, (type(self), self.what, self.where, self.got, self.expected, self.cure)


def _line(given: object) -> str:
    """No line break of what was given may begin a line of its own."""
    return str(given).replace("\n", r"\n")


def _rebuild(
    kind: type[BadInput], what: str, where: object, got: object, expected: str | None, cure: str
) -> BadInput:
    return kind(what, where=where, got=got, expected=expected, cure=cure)


class SettingsError(BadInput):
    pass


class ConfigError(BadInput):
    pass


class SpecError(BadInput):
    pass


class DatasetError(BadInput):
    pass


class StoreError(BadInput):
    pass


class LeaseDenied(BadInput):
    pass


class ExperimentFailed(ArcError):
    """An experiment ended without a result; the text is the recorded reason."""


class OutOfTime(ArcError):
    """An experiment was stopped by the deadline; what its folds had finished is kept."""


class NoRoom(ArcError):
    """The places or the GPUs are taken; the job would fit on what is free later."""


class LeaseLost(ArcError):
    """What a job held may be another's by now: it must stop, and record nothing as its own."""


class CycleFailed(ArcError):
    """A cycle of a loop failed; the text says what the loop does next. `until`: when it tries again."""

    def __init__(self, message: str, until: datetime | None = None) -> None:
        super().__init__(message, until)
        self.until = until

    def __str__(self) -> str:
        return visible(str(self.args[0]))


class Unverified(ArcError):
    """Something in the record was changed, taken out or put in since it was written."""


class Unfounded(ArcError):
    """A number would be printed that no evaluation in the ledger bears out; nothing is exported."""


class CycleBusy(ArcError):
    """The ARC home is in use by another cycle."""
