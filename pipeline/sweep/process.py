"""One trial is one process, forked from this one, which has imported everything that a run needs.

A trial that crashes takes nothing else along. No GPU is touched before the fork: CUDA could not be used after it.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from pipeline.stop import SIGNALS, Stop


def warm(words: str) -> None:
    """Import and load what every trial would; words: its word backend."""
    import pipeline.evaluation
    import run_eval
    from metrics.text import meteor
    from metrics.words import tagger

    _ = pipeline.evaluation, run_eval
    tagger(words)
    meteor("a", ["a"])


def start(command: Sequence[str], inside: bool, log: Path, lock: int, stop: Stop) -> BaseProcess:
    """Start `command`; inside: its first word is `run_eval.py`, carried out without a new interpreter.

    log: gets what it says. lock: a file descriptor that stays open as long as the trial lives.
    """
    process = multiprocessing.get_context("fork").Process(target=_trial, args=(command, inside, log, lock, stop))
    process.start()
    return process


def _trial(command: Sequence[str], inside: bool, log: Path, lock: int, stop: Stop) -> None:
    os.setpgid(0, 0)  # Ctrl-C on a terminal is for the sweep alone, which stops its trial after the batch in hand
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if stop.received is not None:  # it came after the fork, when the handler here was still that of the sweep
        sys.exit(128 + stop.received)
    log.unlink(missing_ok=True)  # it may be a link or a pipe
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if not inside:
        os.set_inheritable(lock, True)
        os.execvp(command[0], list(command))
    threading.Thread(target=_follow, daemon=True).start()
    import run_eval

    sys.argv = list(command)
    sys.exit(run_eval.main(sys.argv[1:]))


def _follow() -> None:
    """End at once with the sweep, which goes on with this trial when it is started again: rows are whole or dropped."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
