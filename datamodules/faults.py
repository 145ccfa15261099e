"""Whose fault an error is: that of the data, which quarantines samples, or that of the machine that reads them."""

import errno
from pathlib import Path

from datamodules.printable import printable

OF_THE_DATA = (
    None,  # raised by tarfile or Pillow, not by the system
    errno.EINVAL,  # a damaged header names a place that no file can have
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),  # there is no such file
)
"""Numbers of an OSError that a file itself can cause, by not being there or by its bytes."""


class MachineError(Exception):
    """Data that this machine cannot read now, such as over a stale mount; the message names the file and says why."""

    @property
    def line(self) -> str:
        """The message; torch hands on an error of a loader worker with a traceback before it."""
        return str(self).splitlines()[-1].removeprefix(f"{__name__}.{type(self).__name__}: ")


class Overlooked(UserWarning):
    """Data that is there and was not asked for."""


def excuse(error: Exception, path: str | Path) -> None:
    """Raise MachineError where reading `path` failed for want of a working system or of memory, not by its bytes."""
    if isinstance(error, MemoryError):
        raise MachineError(f"{printable(str(path))}: out of memory") from error
    if isinstance(error, OSError) and error.errno not in OF_THE_DATA:
        raise MachineError(f"{printable(str(path))}: {error.strerror}") from error
