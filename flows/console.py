"""What the console of the server, the workers and their runs shows of the log."""

import copy
import logging

from prefect.logging.formatters import PrefectFormatter


class ConsoleFormatter(PrefectFormatter):
    """Prefect's, without the traceback of an error that ARC foresaw, whose message says it all."""

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, "foreseen", False):
            record = copy.copy(record)  # the file's handler gets the same record
            record.exc_text = None
        return super().format(record)
