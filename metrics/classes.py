"""The torchmetrics around the functions: they hold sums and counts, add, and divide at the end; no list state, so ranks
may be uneven or idle. Keep them out of `precision="bf16-true"`, which would round the float64 sums."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from metrics import entries as entry
from metrics import text
from metrics.base import Sum
from metrics.entries import Entries
from metrics.interval import Table


class Sums(Metric):
    """Sums of named metrics over samples: a float64 total and an int64 count each."""

    full_state_update = False
    names: tuple[str, ...] = ()
    totals: Tensor
    counts: Tensor

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.add_state("totals", torch.zeros(len(self.names), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(len(self.names), dtype=torch.int64), dist_reduce_fx="sum")

    def _add(self, samples: Iterable[Mapping[str, Sum]]) -> None:
        images = Table(self.names, samples)
        self.totals += torch.from_numpy(images.totals).sum(0).to(self.totals.device)
        self.counts += torch.from_numpy(images.counts).sum(0).to(self.counts.device)

    def compute(self) -> dict[str, Tensor]:
        """Every mean, float64; NaN where the count is 0."""
        return dict(zip(self.names, self.totals / self.counts, strict=True))


class Localisation(Sums):
    """Data set figures of one explainer in one profile, with F1-IoU, from the entries of each answer."""

    names = entry.METRICS

    def update(self, entries: Sequence[Entries]) -> None:
        self._add(entry.sums(one) for one in entries)

    def compute(self) -> dict[str, Tensor]:
        means = super().compute()
        f1 = entry.f1(means["obj_iou"].item(), means["func_iou"].item())
        return {**means, "f1_iou": torch.tensor(f1, dtype=torch.float64, device=self.totals.device)}


class CaptionText(Sums):
    """Data set figures of the captions, from `text.sums` of each answer."""

    names = text.METRICS

    def update(self, figures: Sequence[Mapping[str, Sum]]) -> None:
        self._add(figures)
