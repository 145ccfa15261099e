"""Which trial is best: among those whose figures are over the same samples."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.outputs.inside import Damaged
from pipeline.outputs.records import read_rows
from pipeline.sweep.record import Record, Trial
from pipeline.sweep.search import Sweep


@dataclass(frozen=True)
class Ranks:
    """Trials of a sweep side by side. The rows of a trial are read once, and only where it lacks samples."""

    sweep: Sweep
    record: Record
    _lost: dict[int, frozenset[str]] = field(default_factory=dict)

    def ordered(self, trials: Iterable[Trial]) -> list[Trial]:
        """Return the trials by their figures, the best first; those without a figure last."""
        sign = -1 if self.sweep.maximize else 1
        return sorted(trials, key=lambda one: (one.figure is None, sign * (one.figure or 0), one.number))

    def best(self, trials: Iterable[Trial]) -> Trial | None:
        """Return the best of the trials that have every sample which one of them has; None where there is none."""
        known = list(trials)
        lack = self.lacking(known)
        return next((one for one in self.ordered(known) if one.figure is not None and one.number not in lack), None)

    def lacking(self, trials: Iterable[Trial]) -> dict[int, int]:
        """Return the number of each trial that lacks samples which another one has, and how many these are."""
        lost = {trial.number: self.lost(trial.number) for trial in trials if trial.figure is not None}
        shared = frozenset.intersection(*lost.values()) if lost else frozenset[str]()
        return {number: len(keys - shared) for number, keys in lost.items() if keys - shared}

    def lost(self, number: int) -> frozenset[str]:
        """Return the keys of the samples that a complete trial quarantined, or that its explainer failed on."""
        if number not in self._lost:
            self._lost[number] = self._read(number)
        return self._lost[number]

    def _read(self, number: int) -> frozenset[str]:
        summary = self.record.summary(number)
        if summary is None or not (summary["samples"].get("quarantined") or any(summary.get("failed", {}).values())):
            return frozenset()
        try:
            heads = read_rows(self.record.run_dir(number)).heads
        except (OSError, Damaged):  # the page says what is wrong there
            return frozenset()
        return frozenset(key for key, head in heads.items() if head.error is not None or head.failed)
