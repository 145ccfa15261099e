"""95 % bootstrap intervals over images (percentile method) and paired differences on the same resamples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

import numpy as np
from jaxtyping import Float64, Int64, UInt16

from metrics.base import Sum
from metrics.entries import f1

RESAMPLES = 1000
LEVEL = (2.5, 97.5)
F1 = "f1_iou"


class Interval(TypedDict):
    """A figure, its 95 % interval and the entries it stands on; NaN where the count is 0."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Figures of a data set, and what they become on each resample of its images (NaN where no entry was drawn)."""

    images: int
    values: Mapping[str, float]
    counts: Mapping[str, int]
    resampled: Mapping[str, Float64[np.ndarray, " resamples"]]


@lru_cache(maxsize=2)
def weights(images: int, resamples: int = RESAMPLES, seed: int = 0) -> UInt16[np.ndarray, "{resamples} {images}"]:
    """How often each image occurs in each resample: `images` draws with replacement from `default_rng(seed)`."""
    generator = np.random.default_rng(seed)
    drawn = np.zeros((resamples, images), np.uint16)
    for row in drawn:
        row[:] = np.bincount(generator.integers(0, images, images), minlength=images)
    return drawn


def bootstrap(
    totals: Float64[np.ndarray, "images metrics"],
    counts: Int64[np.ndarray, "images metrics"],
    names: Sequence[str],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Bootstrap:
    """Every metric of `names` is sum of totals over sum of counts; F1-IoU joins where obj_iou and func_iou are there,
    counted in images with an entry of either."""
    values = {name: Sum(math.fsum(totals[:, i]), int(counts[:, i].sum())).mean for i, name in enumerate(names)}
    entries = {name: int(counts[:, i].sum()) for i, name in enumerate(names)}
    means = _means(totals, counts, resamples, seed)
    resampled = {name: means[:, i] for i, name in enumerate(names)}
    if "obj_iou" in values and "func_iou" in values:
        both = [names.index("obj_iou"), names.index("func_iou")]
        values[F1] = f1(values["obj_iou"], values["func_iou"])
        entries[F1] = int((counts[:, both].sum(1) > 0).sum())
        resampled[F1] = _harmonic(resampled["obj_iou"], resampled["func_iou"])
    return Bootstrap(len(totals), values, entries, resampled)


def table(
    images: Sequence[Mapping[str, Sum]], names: Sequence[str]
) -> tuple[Float64[np.ndarray, "images metrics"], Int64[np.ndarray, "images metrics"]]:
    """Totals and counts of each image, in the order given; a metric that an image lacks counts 0 there."""
    rows = [[figures.get(name, Sum()) for name in names] for figures in images]
    shape = (len(rows), len(names))
    totals = np.array([[one.total for one in row] for row in rows], np.float64).reshape(shape)
    return totals, np.array([[one.count for one in row] for row in rows], np.int64).reshape(shape)


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


def _means(
    totals: Float64[np.ndarray, "images metrics"],
    counts: Int64[np.ndarray, "images metrics"],
    resamples: int,
    seed: int,
) -> Float64[np.ndarray, "{resamples} metrics"]:
    if not len(totals):
        return np.full((resamples, totals.shape[1]), np.nan)
    drawn = weights(len(totals), resamples, seed)
    means = np.empty((resamples, totals.shape[1]))
    with np.errstate(invalid="ignore"):
        for start in range(0, resamples, 100):  # a hundred resamples in float64 at a time
            times = drawn[start : start + 100].astype(np.float64)
            means[start : start + 100] = (times @ totals) / (times @ counts.astype(np.float64))
    return means


def _harmonic(
    first: Float64[np.ndarray, " resamples"], second: Float64[np.ndarray, " resamples"]
) -> Float64[np.ndarray, " resamples"]:
    both = first + second
    with np.errstate(invalid="ignore"):
        return np.where(both == 0, 0.0, 2 * first * second / both)
