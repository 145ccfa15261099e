"""The command as its user typed it, which stands before every line that it says on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from datamodules.printable import printable

_NAMES = ["run_eval.py"]
"""The command at work, last; before it those that called it. Where none was called, a run is meant."""


def name() -> str:
    """Return the command at work, such as `seewhy sweep`."""
    return _NAMES[-1]


@contextmanager
def named(command: str) -> Iterator[None]:
    """Have `command` be the one at work inside."""
    _NAMES.append(command)
    try:
        yield
    finally:
        _NAMES.pop()


def line(message: object) -> str:
    """Return a message as one printable line that begins with the command at work and ends in a line break."""
    return f"{name()}: {printable(str(message).strip())}\n"


def tell(message: object) -> None:
    """Write a message to standard error as `line` makes it."""
    sys.stderr.write(line(message))
