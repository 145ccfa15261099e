"""What a command cannot do: as an exception, and as the one line with which a program ends."""

from typing import NoReturn

from datamodules import program
from pipeline.status import WRONG


class UsageError(Exception):
    """The command cannot be carried out as written; the message names the option and the mend."""


def fail(message: object, status: int = WRONG) -> NoReturn:
    """Print one line to stderr and end the program."""
    program.tell(f"error: {str(message).strip()}")
    raise SystemExit(status)
