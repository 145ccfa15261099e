"""95 % bootstrap intervals over images (percentile method) and paired differences on the same resamples."""

import math
from array import array
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from jaxtyping import Float64, Int64

from metrics.base import Sum
from metrics.entries import f1

RESAMPLES = 1000
LEVEL = (2.5, 97.5)
F1 = "f1_iou"
CELLS = 1 << 23
"""Resamples times images that are in memory at a time: 64 MB."""
_NONE = Sum()


class Interval(TypedDict):
    """A figure, its 95 % interval and the entries it stands on; NaN where the count is 0."""

    value: float
    low: float
    high: float
    count: int


class Table:
    """Totals and counts of some metrics, a line for each image; a metric that an image lacks counts 0 there."""

    def __init__(self, names: Sequence[str], images: Iterable[Mapping[str, Sum]] = ()) -> None:
        self.names = tuple(names)
        self._totals, self._counts = array("d"), array("q")
        for figures in images:
            self.append(figures)

    def append(self, figures: Mapping[str, Sum]) -> None:
        """One more image."""
        found = [figures.get(name, _NONE) for name in self.names]
        self._totals.extend([one.total for one in found])
        self._counts.extend([one.count for one in found])

    def without(self, images: Container[int]) -> "Table":
        """Return the table of all images but those whose places are given."""
        left, width = Table(self.names), len(self.names)
        for image in (at for at in range(len(self._counts) // width) if at not in images):
            left._totals.extend(self._totals[image * width : (image + 1) * width])
            left._counts.extend(self._counts[image * width : (image + 1) * width])
        return left

    @property
    def totals(self) -> Float64[np.ndarray, "images metrics"]:
        return np.array(self._totals, np.float64).reshape(-1, len(self.names))

    @property
    def counts(self) -> Int64[np.ndarray, "images metrics"]:
        return np.array(self._counts, np.int64).reshape(-1, len(self.names))


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Figures of a data set, and what they become on each resample of its images (NaN where no entry was drawn)."""

    images: int
    values: Mapping[str, float]
    counts: Mapping[str, int]
    resampled: Mapping[str, Float64[np.ndarray, " resamples"]]


def bootstrap(tables: Sequence[Table], resamples: int = RESAMPLES, seed: int = 0) -> list[Bootstrap]:
    """The figures of each table and their resamples. All are of the same images, in one order, and drawn together.

    Every metric is sum of totals over sum of counts; F1-IoU joins where obj_iou and func_iou are there, counted in
    images with an entry of either.
    """
    images, *others = sorted({len(table.totals) for table in tables})
    if others:
        raise ValueError(f"paired figures need the same images: {images} and {others[0]}")
    pairs = [(on_a_grid(table.totals), table.counts.astype(np.float64)) for table in tables]
    means = [np.full((resamples, len(table.names)), np.nan) for table in tables]
    done = 0
    for times in draws(images, resamples, seed) if images else ():
        for found, (totals, counts) in zip(means, pairs, strict=True):
            with np.errstate(invalid="ignore"):
                found[done : done + len(times)] = (times @ totals) / (times @ counts)
        done += len(times)
    return [_figures(table, found) for table, found in zip(tables, means, strict=True)]


def on_a_grid(totals: Float64[np.ndarray, "images metrics"]) -> Float64[np.ndarray, "images metrics"]:
    """`totals`, rounded so finely that any sum of as many, drawn with replacement, is exact in float64.

    Matrix products add in an order that depends on threads and processor; sums that are exact do not depend on it. A
    mean over 10⁵ images moves by 10⁻⁹ of the largest total at most.
    """
    largest = len(totals) * np.abs(totals).max(0, initial=0)
    unit = np.exp2(np.ceil(np.log2(np.where(largest > 0, largest, 1))) - 52)
    rounded: Float64[np.ndarray, "images metrics"] = np.round(totals / unit) * unit
    return rounded


def draws(images: int, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[Float64[np.ndarray, "some {images}"]]:
    """How often each image occurs in each resample, some resamples at a time: `images` draws with replacement from
    `default_rng(seed)`."""
    generator = np.random.default_rng(seed)
    at_once = max(1, CELLS // images)
    for start in range(0, resamples, at_once):
        drawn = np.empty((min(at_once, resamples - start), images))
        for row in drawn:
            row[:] = np.bincount(generator.integers(0, images, images), minlength=images)
        yield drawn


def _figures(table: Table, means: Float64[np.ndarray, "resamples metrics"]) -> Bootstrap:
    names, totals, counts = table.names, table.totals, table.counts
    values = {name: Sum(math.fsum(totals[:, i]), int(counts[:, i].sum())).mean for i, name in enumerate(names)}
    entries = {name: int(counts[:, i].sum()) for i, name in enumerate(names)}
    resampled = {name: means[:, i] for i, name in enumerate(names)}
    if "obj_iou" in values and "func_iou" in values:
        both = [names.index("obj_iou"), names.index("func_iou")]
        values[F1] = f1(values["obj_iou"], values["func_iou"])
        entries[F1] = int((counts[:, both].sum(1) > 0).sum())
        resampled[F1] = _harmonic(resampled["obj_iou"], resampled["func_iou"])
    return Bootstrap(len(totals), values, entries, resampled)


def interval(figures: Bootstrap, name: str) -> Interval:
    """The figure `name` with its interval."""
    value, count = figures.values[name], figures.counts[name]
    return _interval(value, figures.resampled[name], count)


def difference(first: Bootstrap, second: Bootstrap, name: str) -> Interval:
    """`first` minus `second`, both over the same images in the same order, resample by resample; the count is the
    smaller of the two."""
    if first.images != second.images:
        raise ValueError(f"paired figures need the same images: {first.images} and {second.images}")
    value = first.values[name] - second.values[name]
    count = min(first.counts[name], second.counts[name])
    return _interval(value, first.resampled[name] - second.resampled[name], count)


def _interval(value: float, resampled: Float64[np.ndarray, " resamples"], count: int) -> Interval:
    known = resampled[~np.isnan(resampled)]
    if math.isnan(value) or not known.size:
        return Interval(value=value, low=math.nan, high=math.nan, count=count)
    low, high = np.percentile(known, LEVEL)
    return Interval(value=value, low=float(low), high=float(high), count=count)


def _harmonic(
    first: Float64[np.ndarray, " resamples"], second: Float64[np.ndarray, " resamples"]
) -> Float64[np.ndarray, " resamples"]:
    both = first + second
    with np.errstate(invalid="ignore"):
        return np.where(both == 0, 0.0, 2 * first * second / both)
