"""Exit statuses of `run_eval.py` and of a sweep, and what is said of a machine that is at fault."""

from pathlib import Path

from datamodules.faults import MachineError

FAILED, WRONG, NOT_WHOLE, TOO_MANY_BAD, AT_FAULT = range(1, 6)
"""A trial failed; the command or the checkpoint; rows are missing; quarantined samples; the disk or the machine."""
STOPPED = 75
"""EX_TEMPFAIL of sysexits.h: nothing is wrong, try again."""


def at_fault(error: OSError | MachineError, place: str | Path = "") -> str:
    """The line that goes with `AT_FAULT`. place: what is meant where an OSError names no file."""
    what = error.line if isinstance(error, MachineError) else f"{error.filename or place}: {error.strerror or error}"
    return f"{what}; mend that, then the same command resumes"
