"""The torchmetrics side of a run: running figures while it works, and a second count that must agree at its end."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import torch.distributed as dist

from metrics.classes import Localisation
from pipeline.outputs.logged import PLAIN, RUNNING
from pipeline.outputs.records import Row
from pipeline.outputs.summary import PROFILES


class Watch:
    """Adds up every row that it is shown, per explainer and profile.

    log: is given the running figures and the number of samples, every `every` samples.
    """

    def __init__(
        self,
        explainers: Iterable[str],
        log: Callable[[dict[str, float], int], None] | None = None,
        every: int = 50,
    ) -> None:
        self.metrics = {
            (name, profile): Localisation(sync_on_compute=False, compute_with_cache=False)
            for name in explainers
            for profile in PROFILES
        }
        self.log, self.every, self.seen = log, every, 0

    def __call__(self, *rows: Row) -> None:
        """Add rows; a quarantined one has nothing to add."""
        for (name, profile), metric in self.metrics.items():
            metric.update([row.explainers[name][profile] for row in rows if name in row.explainers])
        self.seen += len(rows)
        if self.log is not None and self.seen % self.every == 0:
            self.log(self.figures(), self.seen)

    def catch_up(self, rows: Iterable[Row]) -> None:
        """Add what an earlier start left; the running figures are logged anew."""
        stream = iter(rows)
        while some := list(islice(stream, self.every)):
            self(*some)

    def figures(self) -> dict[str, float]:
        """What this process has seen so far, by W&B's names."""
        found: dict[str, float] = {}
        for (_, profile), metric in self.metrics.items():
            prefix = f"{RUNNING}/" if profile == PLAIN else f"{RUNNING}/{profile}/"
            found |= {f"{prefix}{key}": float(value) for key, value in metric.compute().items()}
        return found

    def total(self, group: dist.ProcessGroup | None) -> dict[str, dict[str, dict[str, float]]]:
        """Explainer -> profile -> metric -> value over all ranks. A collective: every rank calls it."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for (name, profile), metric in self.metrics.items():
            with metric.sync_context(process_group=group, distributed_available=lambda: group is not None):
                found.setdefault(name, {})[profile] = {key: float(v) for key, v in metric.compute().items()}
        return found


def check(counted: Mapping[str, Any], summary: Mapping[str, Any], tolerance: float = 1e-12) -> None:
    """RuntimeError where a figure of the summary is not what the metrics counted."""
    for name, profiles in counted.items():
        for profile, values in profiles.items():
            for metric, value in values.items():
                written = summary["explainers"][name][profile][metric]["value"]
                if (written is None) != (value != value) or (written is not None and abs(written - value) > tolerance):
                    raise RuntimeError(f"{name}/{profile}/{metric}: rows say {written}, torchmetrics counted {value}")
