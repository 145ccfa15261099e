"""Whose fault an error is, and what is said of it."""

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from datamodules.faults import OF_THE_DATA
from pipeline.explainers.base import Explainer
from pipeline.remembered import NotLoadedError
from pipeline.stop import Stopped

LONGEST = 8000
"""Characters of a reason that a row keeps."""


def of_the_machine(error: Exception) -> bool:
    """Return whether the run must end, as no sample or explainer is at fault: any OSError, any fault of an accelerator
    but memory, a model that cannot be loaded."""
    accelerator = isinstance(error, torch.AcceleratorError) and not out_of_memory(error)
    return accelerator or isinstance(error, OSError | NotLoadedError)


def of_an_explainer(error: Exception) -> bool:
    """Return whether an OSError inside an explainer is its own fault, such as a file that it looks for in vain."""
    return isinstance(error, OSError) and error.errno in OF_THE_DATA


def out_of_memory(error: Exception) -> bool:
    """Return whether a smaller batch may do what this one did not."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    told = any(text in str(error) for text in ("out of memory", "can't allocate memory", "ALLOC_FAILED"))
    return isinstance(error, RuntimeError) and told


def reason(error: Exception) -> str:
    """Return the kind of an error, the notes on it and its message as one text, of which the end may be cut off."""
    try:
        told = ": ".join([type(error).__name__, *map(str, getattr(error, "__notes__", ())), str(error)])
    except Exception:  # of an error's own __str__
        told = f"{type(error).__name__}: its message cannot be read"
    return told if len(told) <= LONGEST else told[: LONGEST - 1] + "…"


class EndedError(RuntimeError):
    """Raised in the place of what would end the process: `sys.exit` in an explainer, a panic inside a library."""


@contextmanager
def contained() -> Iterator[None]:
    """Raise EndedError for what is raised inside to end the process; a signal, and Ctrl-C, pass as they are."""
    try:
        yield
    except (Exception, KeyboardInterrupt, GeneratorExit, Stopped):
        raise
    except BaseException as error:
        raise EndedError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__) from error


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Note on an error inside that it is one of the explainer `name`, with file and line of the innermost method of an
    explainer."""
    try:
        with contained():
            yield
    except Exception as error:
        frames = traceback.walk_tb(error.__traceback__)
        own = [(frame, line) for frame, line in frames if isinstance(frame.f_locals.get("self"), Explainer)]
        place = "".join(f" ({Path(frame.f_code.co_filename).name}:{line})" for frame, line in own[-1:])
        error.add_note(name + place)
        raise


def release() -> None:
    """Give back the memory that failed work took."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
