"""What a metric may know (`Evidence`) and what it returns (`Sum`)."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import UInt8

Box = tuple[float, float, float, float]
RLE = Mapping[str, Any]


@dataclass(frozen=True)
class Sum:
    """A total over a count. Absence is a count of zero, shown as NaN; it is never 0 and never -1."""

    total: float = 0.0
    count: int = 0

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.total + other.total, self.count + other.count)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else math.nan


def gather(values: Iterable[float]) -> Sum:
    """The exact sum (`math.fsum`) and the count of `values`."""
    listed = list(values)
    return Sum(math.fsum(listed), len(listed))


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that a metric may know about one explained answer.

    maps: one map per answer token at the token grid, 0..255. box: the part of the image that the grid covers, as
    fractions (top, left, bottom, right). pieces: text of each answer token. masks: name -> COCO RLE.
    categories: the vocabulary of names. captions: reference captions. score: model probability of the answer tokens
    for a changed image, where a metric needs the model (faithfulness).
    end: text of the end token, if the answer ended. size: height and width of the image; None: those of the masks.
    synonyms: words or phrases that name a category, in profile `corrected` and for the nouns named.
    """

    maps: UInt8[np.ndarray, "answer rows cols"]
    pieces: tuple[str, ...]
    masks: Mapping[str, RLE]
    categories: tuple[str, ...]
    captions: tuple[str, ...] = ()
    box: Box = (0.0, 0.0, 1.0, 1.0)
    end: str = ""
    size: tuple[int, int] | None = None
    score: Callable[..., Any] | None = None
    synonyms: Mapping[str, str] = field(default_factory=dict)
