"""The noun of the data side: one image with what is known about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL.Image import Image

RLE = Mapping[str, Any]
"""COCO run-length encoding: {"size": [height, width], "counts": str}."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image, its question and its ground truth.

    image: RGB. prompt: the question, verbatim. captions: reference captions, possibly none.
    masks: name -> RLE at the image's own size; masks may overlap and may be empty. None: no ground truth at all.
    categories: the vocabulary in which words of a caption are looked up (all names of the dataset, or of the image
        where the vocabulary is open).
    provenance: where it came from; free text, never used in computation.
    error: why the sample could not be read; then image and masks are absent.
    """

    key: str
    index: int
    image: Image | None
    prompt: str
    captions: tuple[str, ...] = ()
    masks: Mapping[str, RLE] | None = None
    categories: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
