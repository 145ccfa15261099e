"""Log records of transformers, which quote a checkpoint's files, made fit for a terminal."""

import logging

from transformers.utils.logging import get_logger

from datamodules.printable import printable


class Printable(logging.Filter):
    """Changes every record to one line without anything that a terminal would obey; none is dropped."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), ()
        return True


FILTER = Printable()


def make_printable() -> None:
    """Filter what transformers writes to the terminal; a second call changes nothing."""
    get_logger()  # it gives its logger a handler when first asked
    for handler in logging.getLogger("transformers").handlers:
        handler.addFilter(FILTER)
