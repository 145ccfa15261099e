"""Stopping on a signal: the batch in hand is finished and written, then the process leaves to be resumed."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from pipeline.status import STOPPED

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Stopped(SystemExit):
    """Raised where a signal stops the run, or the end of the process that it hangs on."""

    def __init__(self, code: int | str = STOPPED) -> None:
        super().__init__(code)


class Stop:
    """While it is entered, its first signal raises `Stopped` in the main thread: at once, or after the batch in hand.

    forward: is given that signal, for processes that this one started. received: the signal, if any; after it the
    process is on its way out, deaf to further ones, lest its status be theirs.
    parent: the process without which this one is not to go on; it too stops after the batch in hand.
    """

    def __init__(
        self,
        forward: Callable[[int], None] = lambda number: None,
        signals: Sequence[signal.Signals] = SIGNALS,
        parent: int | None = None,
    ) -> None:
        self.forward, self.signals, self.parent = forward, signals, parent
        self.received: signal.Signals | None = None
        self._busy = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Stop":
        self._before = {number: signal.getsignal(number) for number in self.signals}
        self.hold()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self.received else handler)
        self._before = {}

    def hold(self) -> None:
        """Take the signals again from whoever took them since: Lightning does, and would talk to other ranks then."""
        for number in self._before:
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
        # torch's handler would raise wherever we are by then, if a loader worker was given the signal too
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.forward(number)
        if not self._busy:
            raise Stopped
