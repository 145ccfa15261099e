"""Masks as COCO run-length encodings: checked before any C code unpacks them."""

from collections.abc import Mapping
from typing import Any


def plain(rle: Mapping[str, Any]) -> dict[str, Any]:
    """The RLE as JSON can hold it; pycocotools gives its counts as bytes."""
    counts = rle["counts"]
    return {
        "size": [int(side) for side in rle["size"]],
        "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts,
    }


def check_rle(rle: Any, height: int, width: int, name: str) -> None:
    """A mask of the image's size whose runs fill it exactly: pycocotools writes past its memory otherwise."""
    _check(isinstance(rle, dict) and rle.keys() == {"size", "counts"}, f"mask {name!r} is no RLE")
    whole = isinstance(rle["size"], list) and all(type(side) is int for side in rle["size"])
    _check(
        whole and rle["size"] == [height, width], f"mask {name!r} has size {rle['size']}, the image {[height, width]}"
    )
    _check(isinstance(rle["counts"], str), f"mask {name!r}: counts is no compressed RLE")
    runs = _runs(rle["counts"], limit=height * width)
    _check(runs is not None and sum(runs) == height * width, f"mask {name!r}: its runs do not fill the image")


def _runs(counts: str, limit: int) -> list[int] | None:
    """Run lengths of COCO's compressed RLE: 5 bits a character, differences from the fourth run on.

    None: malformed, a run longer than `limit` pixels, or more runs than that many pixels can have (the first may be
    empty, so one more).
    """
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 35:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        value += runs[-2] if len(runs) > 2 else 0
        if not 0 <= value <= limit or len(runs) > limit:
            return None
        runs.append(value)
        value = shift = 0
    return None if shift else runs


def _check(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)
