"""Masks as COCO run-length encodings: checked before any C code unpacks them, made from every published form."""

from collections.abc import Collection, Mapping, Sequence
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
_GROUP = 16
"""Masks that are merged at once."""


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
    """Return all pixels that any of the masks covers, each sound and of that size; of no masks: none.

    pycocotools merges one mask after the other into what it has, so the masks are merged in small groups, then those:
    the work grows with the number of all runs, not with its square.
    """
    merged = list(masks)
    while len(merged) > 1:
        merged = [coco.merge(merged[at : at + _GROUP]) for at in range(0, len(merged), _GROUP)]
    return plain(merged[0]) if merged else encode_mask(np.zeros((height, width), bool))


def encode_labels(labels: Int[np.ndarray, "height width"], numbers: Collection[int]) -> dict[int, RLE]:
    """Return the mask of where a label image holds each of the numbers, all found in one pass over its pixels.

    The masks are those of `encode_mask(labels == number)` to the byte.
    """
    flat = labels.ravel(order="F")
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    ends, held = np.append(starts[1:], flat.size), flat[starts]
    order = np.argsort(held, kind="stable")  # runs of one number together, in the order of the pixels
    found, firsts = np.unique(held[order], return_index=True)
    parts = dict(zip(found.tolist(), np.split(order, firsts[1:]), strict=True))
    none = encode_mask(np.zeros(labels.shape, bool))
    made: dict[int, RLE] = {}
    for number in dict.fromkeys(numbers):
        if (part := parts.get(number)) is None:
            made[number] = none
            continue
        edges = np.stack([starts[part], ends[part]], axis=1).ravel()
        runs = np.diff(edges, prepend=0, append=flat.size)
        made[number] = _pack(runs[: -1 if runs[-1] == 0 else None], *labels.shape)
    return made


def from_segmentation(segmentation: Any, height: int, width: int) -> tuple[RLE, int]:
    """Return the RLE of a COCO `segmentation`, and how many of its polygons have no area.

    Polygons, compressed and uncompressed RLE are read, with the pixels that pycocotools gives them; runs beside an
    empty run are joined. A polygon of fewer than three points covers nothing (pycocotools takes one of two points for a
    box). One that leaves the image is cut at its edge. Raises ValueError for anything else.
    """
    if isinstance(segmentation, Mapping):
        if isinstance(segmentation.get("counts"), list):
            return _packed(segmentation, height, width), 0
        rle = {name: segmentation.get(name) for name in ("size", "counts")}
        return sound(rle, height, width, "segmentation"), 0
    _check(isinstance(segmentation, list), "the segmentation is neither polygons nor RLE")
    limit = REACH * max(height, width)
    for polygon in segmentation:
        numbers = isinstance(polygon, list) and all(type(number) in (int, float) for number in polygon)
        _check(numbers and len(polygon) % 2 == 0, "a polygon is no list of pairs of numbers")
        _check(all(-limit <= n <= limit for n in polygon), "a polygon reaches far outside the image")
    areas = [polygon for polygon in segmentation if len(polygon) >= 6]
    _check(sum(map(_outline, areas)) <= OUTLINE, f"the edges of the polygons are longer than {OUTLINE} pixels")
    rles = [plain(rle) for rle in coco.frPyObjects(areas, height, width)] if areas else []
    return union(rles, height, width), len(segmentation) - len(areas)


def _outline(polygon: Sequence[Any]) -> float:
    """How far the edges of a polygon go, the closing one too: each as many pixels as its longer extent."""
    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    return float(np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum())


def _packed(segmentation: Mapping[str, Any], height: int, width: int) -> RLE:
    """Return uncompressed RLE, compressed."""
    runs, size = segmentation["counts"], segmentation.get("size")
    _check(size == [height, width], f"the segmentation has size {size}, the image {[height, width]}")
    whole = all(type(run) is int and run >= 0 for run in runs) and sum(runs) == height * width
    _check(whole, "the runs of the segmentation do not fill the image")
    return _pack(_joined(np.array(runs, np.int64)), height, width)


def sound(rle: Any, height: int, width: int, name: str) -> RLE:
    """Return a mask of the image's size whose runs fill it exactly, in the form that pycocotools gives it: no run is
    empty but the first. Runs beside an empty run are joined, which changes no pixel.

    Raises ValueError for any other. Of those pycocotools writes past its memory: to unpack one, or to merge two that
    have empty runs.
    """
    _check(isinstance(rle, dict) and rle.keys() == {"size", "counts"}, f"mask {name!r} is no RLE")
    whole = isinstance(rle["size"], list) and all(type(side) is int for side in rle["size"])
    _check(
        whole and rle["size"] == [height, width], f"mask {name!r} has size {rle['size']}, the image {[height, width]}"
    )
    _check(isinstance(rle["counts"], str), f"mask {name!r}: counts is no compressed RLE")
    runs = _runs(rle["counts"], limit=height * width)
    if runs is None or runs.sum() != height * width:
        raise ValueError(f"mask {name!r}: its runs do not fill the image")
    return rle if runs[1:].all() else _pack(_joined(runs), height, width)


def _joined(runs: Int[np.ndarray, " runs"]) -> Int[np.ndarray, " fewer"]:
    """Return the same pixels in runs of which none is empty but the first."""
    kept = np.flatnonzero(runs)
    changes = np.diff(kept % 2, prepend=0) != 0  # the first run is of pixels outside the mask
    lengths = np.zeros(changes.sum() + 1, np.int64)
    np.add.at(lengths, changes.cumsum(), runs[kept])
    return lengths


def _pack(runs: Int[np.ndarray, " runs"], height: int, width: int) -> RLE:
    """Return sound runs, compressed."""
    return plain(coco.frPyObjects({"size": [height, width], "counts": runs.tolist()}, height, width))


def _runs(counts: str, limit: int) -> Int[np.ndarray, " runs"] | None:
    """Return the run lengths of COCO's compressed RLE: 5 bits a character, the least first, bit 5 where the number goes
    on; from the fourth run on the difference to the run before the last.

    None: malformed, a run longer than `limit` pixels, or far more characters than that many pixels need (a run of n
    pixels adds at most 1 + n / 8 of them; the rest is for empty runs).
    """
    if not counts or not counts.isascii() or len(counts) > 4 * limit + 64:
        return None
    bits = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(bits & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if (bits < 0).any() or (bits > 63).any() or bits[-1] & 32 or lengths.max() > 8:
        return None
    shifts = 5 * (np.arange(len(bits)) - np.repeat(starts, lengths))
    runs = np.add.reduceat((bits & 31) << shifts, starts) - ((bits[ends] & 16) << 1 << shifts[ends])
    runs[1::2], runs[2::2] = runs[1::2].cumsum(), runs[2::2].cumsum()
    return runs if ((runs >= 0) & (runs <= limit)).all() else None


def _check(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)
