"""Masks as COCO run-length encodings: checked before any C code unpacks them, made from every published form."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from pycocotools import mask as coco

from datamodules.sample import RLE

REACH = 16
"""A polygon may leave the image by so many times its longer side; pycocotools' work and memory grow with the reach."""
OUTLINE = 1 << 21
"""Pixels that the edges of a mask's polygons may go, all together: pycocotools makes five points of each. Every pixel
of a 640 x 480 image as a polygon of its own stays below."""


def plain(rle: Mapping[str, Any]) -> dict[str, Any]:
    """The RLE as JSON can hold it; pycocotools gives its counts as bytes."""
    counts = rle["counts"]
    return {
        "size": [int(side) for side in rle["size"]],
        "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts,
    }


def encode_mask(mask: Bool[np.ndarray, "height width"]) -> RLE:
    """A mask as RLE."""
    return plain(coco.encode(np.asfortranarray(mask, dtype=np.uint8)))


def area(rle: RLE) -> int:
    """Pixels that the mask covers."""
    return int(coco.area(rle))


def union(masks: Sequence[RLE], height: int, width: int) -> RLE:
    """All pixels that any of the masks covers, each sound and of that size; of no masks: none."""
    if len(masks) == 1:
        return plain(masks[0])
    return plain(coco.merge(list(masks))) if masks else encode_mask(np.zeros((height, width), bool))


def from_segmentation(segmentation: Any, height: int, width: int) -> tuple[RLE, int]:
    """The RLE of a COCO `segmentation`, and how many of its polygons have no area.

    Polygons, compressed and uncompressed RLE are read, with the pixels that pycocotools gives them. A polygon of fewer
    than three points covers nothing (pycocotools takes one of two points for a box). One that leaves the image is cut
    at its edge. Raises ValueError for anything else.
    """
    if isinstance(segmentation, Mapping):
        if isinstance(segmentation.get("counts"), list):
            return plain(_packed(segmentation, height, width)), 0
        rle = {name: segmentation.get(name) for name in ("size", "counts")}
        check_rle(rle, height, width, "segmentation")
        return rle, 0
    _check(isinstance(segmentation, list), "the segmentation is neither polygons nor RLE")
    limit = REACH * max(height, width)
    for polygon in segmentation:
        numbers = isinstance(polygon, list) and all(type(number) in (int, float) for number in polygon)
        _check(numbers and len(polygon) % 2 == 0, "a polygon is no list of pairs of numbers")
        _check(all(math.isfinite(n) and abs(n) <= limit for n in polygon), "a polygon reaches far outside the image")
    areas = [polygon for polygon in segmentation if len(polygon) >= 6]
    _check(sum(map(_outline, areas)) <= OUTLINE, f"the edges of the polygons are longer than {OUTLINE} pixels")
    rles = [plain(rle) for rle in coco.frPyObjects(areas, height, width)] if areas else []
    return union(rles, height, width), len(segmentation) - len(areas)


def _outline(polygon: Sequence[Any]) -> float:
    """How far the edges of a polygon go, the closing one too: each as many pixels as its longer extent."""
    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    return float(np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum())


def _packed(segmentation: Mapping[str, Any], height: int, width: int) -> dict[str, Any]:
    """Uncompressed RLE, compressed."""
    runs, size = segmentation["counts"], segmentation.get("size")
    _check(size == [height, width], f"the segmentation has size {size}, the image {[height, width]}")
    whole = all(type(run) is int and run >= 0 for run in runs) and sum(runs) == height * width
    _check(whole, "the runs of the segmentation do not fill the image")
    _check(all(runs[1:]), "a run of the segmentation is empty, and not the first")
    return dict(coco.frPyObjects({"size": [height, width], "counts": runs}, height, width))


def check_rle(rle: Any, height: int, width: int, name: str) -> None:
    """A mask of the image's size whose runs fill it exactly, none empty but the first, as pycocotools encodes it.

    Of others pycocotools writes past its memory: to unpack one, or to merge two that have empty runs.
    """
    _check(isinstance(rle, dict) and rle.keys() == {"size", "counts"}, f"mask {name!r} is no RLE")
    whole = isinstance(rle["size"], list) and all(type(side) is int for side in rle["size"])
    _check(
        whole and rle["size"] == [height, width], f"mask {name!r} has size {rle['size']}, the image {[height, width]}"
    )
    _check(isinstance(rle["counts"], str), f"mask {name!r}: counts is no compressed RLE")
    runs = _runs(rle["counts"], limit=height * width)
    _check(runs is not None and runs.sum() == height * width, f"mask {name!r}: its runs do not fill the image")
    _check(runs is not None and runs[1:].all(), f"mask {name!r}: a run is empty, and not the first")


def _runs(counts: str, limit: int) -> Int[np.ndarray, " runs"] | None:
    """Run lengths of COCO's compressed RLE: 5 bits a character, the least first, bit 5 where the number goes on;
    from the fourth run on the difference to the run before the last.

    None: malformed, a run longer than `limit` pixels, or more runs or characters than that many pixels can have (the
    first run may be empty, so one more; a run of n pixels adds at most 1 + n / 8 characters).
    """
    if not counts or not counts.isascii() or len(counts) > 2 * limit + 2:
        return None
    bits = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(bits & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if (bits < 0).any() or (bits > 63).any() or bits[-1] & 32 or lengths.max() > 8 or len(ends) > limit + 1:
        return None
    shifts = 5 * (np.arange(len(bits)) - np.repeat(starts, lengths))
    runs = np.add.reduceat((bits & 31) << shifts, starts) - ((bits[ends] & 16) << 1 << shifts[ends])
    runs[1::2], runs[2::2] = runs[1::2].cumsum(), runs[2::2].cumsum()
    return runs if ((runs >= 0) & (runs <= limit)).all() else None


def _check(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)
