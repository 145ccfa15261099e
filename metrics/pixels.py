"""Maps and masks as pixels: decoding, resizing, Otsu's threshold, and one token's map laid on the image (by OpenCV)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from pycocotools import mask as coco

from metrics.base import Box

cv2.setNumThreads(1)  # a map is too small to share among threads, and every rank would start its own

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
Mask = Bool[np.ndarray, "height width"]


def _compressed(rle: Mapping[str, Any]) -> dict[str, Any]:
    encoded = {"size": [int(side) for side in rle["size"]], "counts": rle["counts"]}
    if isinstance(rle["counts"], str | bytes):
        return encoded
    encoded["counts"] = list(rle["counts"])
    compressed: dict[str, Any] = coco.frPyObjects(encoded, *encoded["size"])
    return compressed


def decode(rle: Mapping[str, Any]) -> Mask:
    """The mask of a COCO RLE, compressed (str or bytes) or not (a list of runs)."""
    return np.ascontiguousarray(coco.decode(_compressed(rle))).astype(bool)


def area(rle: Mapping[str, Any]) -> int:
    """Pixels of the mask, without decoding it."""
    return int(coco.area(_compressed(rle)))


def resize(
    map: UInt8[np.ndarray, "rows cols"] | Float32[np.ndarray, "rows cols"], height: int, width: int
) -> UInt8[np.ndarray, "{height} {width}"] | Float32[np.ndarray, "{height} {width}"]:
    """Bilinear, corners not aligned, no smoothing when it shrinks; on uint8 in OpenCV's fixed-point arithmetic."""
    return np.asarray(cv2.resize(map, (width, height), interpolation=cv2.INTER_LINEAR))


def otsu(map: UInt8[np.ndarray, "height width"]) -> float:
    """Otsu's threshold, 0..254: foreground is what lies above it. A constant map gives 0, so all of it is foreground
    unless the constant is 0."""
    return float(cv2.threshold(np.ascontiguousarray(map), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0])


def below(map: UInt8[np.ndarray, "rows cols"], threshold: float) -> float:
    """Share of the cells below a threshold."""
    return int(np.count_nonzero(map < threshold)) / map.size


@dataclass(frozen=True, eq=False)
class Placed:
    """One map at image resolution. values: inside the grid's box and the image; there = where they lie in the image."""

    values: UInt8[np.ndarray, "inside_height inside_width"]
    there: tuple[slice, slice]

    @cached_property
    def threshold(self) -> float:
        return otsu(self.values) if self.values.size else 0.0

    @cached_property
    def foreground(self) -> Bool[np.ndarray, "inside_height inside_width"]:
        return self.values > int(self.threshold)  # bytes with bytes: ten times as fast as with a float

    @cached_property
    def foreground_area(self) -> int:
        return int(np.count_nonzero(self.foreground))

    def overlap(self, mask: Mask, truth: int) -> tuple[float, float, float]:
        """IoU, precision and recall of the foreground for a mask of `truth` > 0 pixels; an empty foreground has
        precision NaN. Outside the box nothing is predicted."""
        hit = int(np.count_nonzero(self.foreground & mask[self.there]))
        precision = hit / self.foreground_area if self.foreground_area else math.nan
        return hit / (self.foreground_area + truth - hit), precision, hit / truth

    def pointing(self, mask: Mask) -> float:
        """The chance that a pixel drawn from the plateau of maxima lies in the mask."""
        if not self.values.size:
            return 0.0
        plateau = self.values == self.values.max()
        return int(np.count_nonzero(plateau & mask[self.there])) / int(np.count_nonzero(plateau))


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of one answer on one image; every token is resized once per box. size: of the image, None when no mask
    tells it: then the maps stay at their grid."""

    maps: UInt8[np.ndarray, "answer rows cols"]
    size: tuple[int, int] | None
    _memo: dict[tuple[int, Box], Placed] = field(default_factory=dict)

    def placed(self, token: int, box: Box) -> Placed:
        key = (token, box)
        if key not in self._memo:
            self._memo[key] = self._place(token, box)
        return self._memo[key]

    def _place(self, token: int, box: Box) -> Placed:
        if self.size is None:
            return Placed(self.maps[token], (slice(None), slice(None)))
        height, width = self.size
        top, bottom = _pixels(box[0], box[2], height)
        left, right = _pixels(box[1], box[3], width)
        values = resize(self.maps[token], bottom - top, right - left)
        there = slice(max(top, 0), max(min(bottom, height), 0)), slice(max(left, 0), max(min(right, width), 0))
        inside = slice(there[0].start - top, there[0].stop - top), slice(there[1].start - left, there[1].stop - left)
        return Placed(values[inside], there)


def _pixels(start: float, stop: float, length: int) -> tuple[int, int]:
    first, last = round(start * length), round(stop * length)
    return first, max(last, first + 1)
