"""Stopping on a signal: the batch in hand is finished and written, then the process leaves to be resumed."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from datamodules import program
from pipeline.status import STOPPED

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def at_once() -> None:
    """Until a `Stop` is entered, signals end this process with a line: nothing is in hand yet."""

    def leave(number: int, _: FrameType | None) -> None:
        os.write(2, program.line(stopped_by(number)).encode())
        os._exit(STOPPED)  # an exception might be lost in what is being imported

    for number in taken():
        signal.signal(number, leave)


def stopped_by(number: int) -> str:
    """What is said where a signal stopped a run or a sweep."""
    return f"stopped by {signal.Signals(number).name}; the same command resumes"


def taken() -> dict[signal.Signals, Any]:
    """The signals to be heard, and their handlers so far. Ctrl-C is not meant for what a script started with `&`."""
    found = {number: signal.getsignal(number) for number in SIGNALS}
    return {number: at for number, at in found.items() if (number, at) != (signal.SIGINT, signal.SIG_IGN)}


class Stopped(SystemExit):
    """Raised where a signal stops the run, or the end of the process that it hangs on."""

    def __init__(self, code: int | str = STOPPED) -> None:
        super().__init__(code)


class Stop:
    """While it is entered, its first signal raises `Stopped` in the main thread: at once, or after the batch in hand.

    forward: is then given SIGTERM, for processes that this one started; Ctrl-C they have had. tell: is given a line
    where a batch is in hand. received: the signal, if any; after it the process is on its way out, deaf to further
    ones, lest its status be theirs, but for Ctrl-C: that ends it at once.
    parent: the process without which this one is not to go on; it too stops after the batch in hand.
    """

    def __init__(
        self,
        forward: Callable[[int], None] = lambda number: None,
        tell: Callable[[str], Any] = lambda line: None,
        parent: int | None = None,
    ) -> None:
        self.forward, self.tell, self.parent = forward, tell, parent
        self.received: signal.Signals | None = None
        self._busy = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Stop":
        self._before = taken()
        self.hold()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            if self.received is None:
                signal.signal(number, handler)
            elif number != signal.SIGINT:
                signal.signal(number, signal.SIG_IGN)
        self._before = {}

    def hold(self) -> None:
        """Take the signals again from whoever took them since: Lightning does, and would talk to other ranks then."""
        for number in self._before:
            if self.received is None:
                signal.signal(number, self._handle)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """What is done inside is done to its end; then what came meanwhile counts."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
        if self.received is not None:
            raise Stopped
        if self.parent not in (None, os.getppid()):
            raise Stopped(f"process {self.parent}, which started this one, is gone; the same command resumes")

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            return
        self.received = signal.Signals(number)
        if signal.SIGINT in self._before:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        # torch's handler would raise wherever we are by then, if a loader worker was given the signal too
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.forward(signal.SIGTERM)
        if not self._busy:
            raise Stopped
        again = "a second Ctrl-C" if self.received == signal.SIGINT else "Ctrl-C"
        line = f"{self.received.name}: stops after the batch in hand; {again} ends it at once"
        try:
            self.tell(line)
        except RuntimeError:  # the signal came while something was written to the same stream
            os.write(2, f"{line}\n".encode())
