"""How whatever a stranger's files cause becomes one line that says what is wrong with which checkpoint."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import torch

OF_THE_FILES = (
    None,  # raised by transformers, not by the system
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.EFBIG),
    *(errno.ENXIO, errno.ESPIPE, errno.ENODEV),
)
"""Numbers of an OSError that the files themselves can cause; others are the machine's fault."""
LONGEST = 500
"""Characters of a reason that are told."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names it and says why, or what to do about it."""


def describe(error: BaseException) -> str:
    """Return an error in at most `LONGEST` characters; one of another kind than ValueError and OSError is named."""
    said = str(error) or "no reason given"
    kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
    return (kind + said)[:LONGEST]


def of_the_machine(error: BaseException) -> bool:
    """Return whether an error is no checkpoint's fault: a signal, a disk that fails, an accelerator."""
    if isinstance(error, OSError):
        return error.errno not in OF_THE_FILES
    return isinstance(error, KeyboardInterrupt | SystemExit | torch.AcceleratorError)


@contextmanager
def blaming(part: str, *, told: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn whatever a checkpoint's files cause inside into a ValueError that begins with `part`.

    Errors of the machine pass, and those that say all: a CheckpointError, and of exactly the kinds `told`.
    """
    try:
        yield
    except CheckpointError:
        raise
    except BaseException as error:
        panic = type(error).__name__ == "PanicException"  # of the tokenizers library, outside of Exception
        if type(error) in told or of_the_machine(error) or not (isinstance(error, Exception) or panic):
            raise
        raise ValueError(f"{part}: {describe(error)}") from error
