"""What one answer scored, an entry per word, and the sums that data set figures are made of."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from metrics.base import Sum, gather

METRICS = ("obj_iou", "func_iou", "punct_iou", "precision", "recall", "pointing")


class Object(NamedTuple):
    """A word or phrase whose category has a mask; all figures in [0, 1], of the token with the best IoU."""

    first: int
    category: str
    iou: float
    precision: float
    recall: float
    pointing: float


class Share(NamedTuple):
    """Share of grid cells below the image's foreground threshold, mean over the tokens of one word."""

    first: int
    share: float


class Absent(NamedTuple):
    """A match whose category has no mask, or an empty one, in the image."""

    first: int
    category: str


@dataclass(frozen=True)
class Entries:
    """What one answer scored, an entry per word. threshold: foreground threshold, 0..254, None without a noun.
    lost: mask pixels painted over in the label image of `reference`."""

    objects: tuple[Object, ...] = ()
    functions: tuple[Share, ...] = ()
    punctuation: tuple[Share, ...] = ()
    absent: tuple[Absent, ...] = ()
    threshold: float | None = None
    lost: int = 0

    def to_json(self) -> dict[str, Any]:
        """Lists and numbers only; NaN (a precision of `reference`) becomes None."""
        plain = dict(vars(self))
        for name in ("objects", "functions", "punctuation", "absent"):
            plain[name] = [[None if value != value else value for value in entry] for entry in plain[name]]
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Entries":
        kinds = {"objects": Object, "functions": Share, "punctuation": Share, "absent": Absent}
        lists = {name: tuple(kind(*_known(entry)) for entry in plain[name]) for name, kind in kinds.items()}
        return cls(**lists, threshold=plain["threshold"], lost=plain["lost"])


def _known(values: list[Any]) -> list[Any]:
    """NaN for None, which hardly ever occurs."""
    return [math.nan if value is None else value for value in values] if None in values else values


def sums(entries: Entries) -> dict[str, Sum]:
    """The sums of one answer for every metric in `METRICS`; a mean over a data set adds them first."""
    objects = entries.objects
    return {
        "obj_iou": gather(entry.iou for entry in objects),
        "func_iou": gather(entry.share for entry in entries.functions),
        "punct_iou": gather(entry.share for entry in entries.punctuation),
        "precision": gather(entry.precision for entry in objects),
        "recall": gather(entry.recall for entry in objects),
        "pointing": gather(entry.pointing for entry in objects),
    }


def f1(obj: float, func: float) -> float:
    """F1-IoU, the harmonic mean of the two data set means: NaN if either is absent, 0 if both are 0."""
    if math.isnan(obj) or math.isnan(func):
        return math.nan
    return 2 * obj * func / (obj + func) if obj + func else 0.0
