"""Whose fault an error is, and what is said of it."""

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pipeline.explainers.base import Explainer
from pipeline.remembered import NotLoadedError

LONGEST = 8000
"""So many characters of a reason are kept."""


def of_the_machine(error: Exception) -> bool:
    """Return whether the run must end, as no sample or explainer is at fault: any OSError, any fault of an accelerator
    but memory, a model that cannot be loaded."""
    accelerator = isinstance(error, torch.AcceleratorError) and not out_of_memory(error)
    return accelerator or isinstance(error, OSError | NotLoadedError)


def out_of_memory(error: Exception) -> bool:
    """Return whether a smaller batch may do what this one did not."""
    kinds = MemoryError | torch.OutOfMemoryError
    return isinstance(error, kinds) or any(text in str(error) for text in ("memory", "ALLOC_FAILED"))


def reason(error: Exception) -> str:
    """Return the kind of an error, the notes on it and its message as one text, of which the end may be cut off."""
    told = ": ".join([type(error).__name__, *getattr(error, "__notes__", ()), str(error)])
    return told if len(told) <= LONGEST else told[: LONGEST - 1] + "…"


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Note on an error inside that it is one of the explainer `name`, with file and line of the innermost method of an
    explainer."""
    try:
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
