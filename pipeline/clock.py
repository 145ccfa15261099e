"""Wall seconds of the stages of a run, each second counted once."""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch

PASSES = "passes/"
"""Before the names of stages that are work which several explainers share."""


class Work(NamedTuple):
    """Work that is done once for whoever asks. verb: what is computed; detail: with which arguments.

    common: it belongs to the answer itself and never to a single explainer.
    """

    verb: str
    detail: tuple[Hashable, ...] = ()
    common: bool = False


class Clock:
    """Measures wall seconds by stage. Stages nest: a second counts for the innermost one alone, so that the seconds of
    all stages add up to the time in which any was open.

    Work that is done once for whoever asks counts for the one stage that asked for it. Where several stages asked, or
    it is common, it is a stage of its own, `passes/<verb>`. So it does not matter which stage asked first.

    now: returns the time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._last = 0.0
        self._open: list[str | Work] = []
        self._spent: dict[str | Work, float] = {}
        self._askers: dict[Work, set[str | Work]] = {}

    @contextmanager
    def __call__(self, stage: str | Work) -> Iterator[None]:
        """Count the time inside for `stage`, also where it ends in an exception."""
        self._turn()
        self._open.append(stage)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def ask(self, work: Work) -> None:
        """Note that the innermost open stage asks for `work`, whether or not it has been done already."""
        self._askers.setdefault(work, set()).add(self._open[-1] if self._open else "")

    def seconds(self, samples: int = 1) -> dict[str, float]:
        """Return the seconds of each stage so far, divided by the number of samples that they were spent on."""
        found: dict[str, float] = {}
        for stage, spent in self._spent.items():
            name = stage if isinstance(stage, str) else self._owner(stage)
            found[name] = found.get(name, 0.0) + spent / samples
        return found

    def _turn(self) -> None:
        """Count the time since the last turn for the stage that is open."""
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        now = self._now()
        if self._open:
            self._spent[self._open[-1]] = self._spent.get(self._open[-1], 0.0) + now - self._last
        self._last = now

    def _owner(self, work: Work) -> str:
        """Return the stage that `work` counts for."""
        stages, left, seen = set(), [work], {work}
        while left:
            for asker in self._askers.get(left.pop(), ()):
                if isinstance(asker, str):
                    stages.add(asker)
                elif asker not in seen:
                    seen.add(asker)
                    left.append(asker)
        alone = len(stages) == 1 and not work.common and stages != {""}
        return stages.pop() if alone else PASSES + work.verb
