"""A small dataset of noise pictures for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from datamodules.manifest import Manifest
from datamodules.record import Record
from datamodules.shards import write_shards

PROMPT = "What is in this image?"
CATEGORIES = ("cat", "dog", "traffic light")


def records(count: int) -> Iterator[Record]:
    """Pictures of different sizes; two overlapping masks, one of them empty in every third."""
    for index in range(count):
        noise = np.random.default_rng(index)
        height, width = 12 + index, 17
        dog = np.asfortranarray(noise.random((height, width)) > 0.5, dtype=np.uint8)
        cat = np.asfortranarray(dog * (index % 3 > 0))
        yield Record(
            key=f"{index:04d}",
            image=Image.fromarray(noise.integers(0, 256, (height, width, 3), dtype=np.uint8)),
            captions=[f"A dog, and “{index}”."],
            masks={"dog": coco.encode(dog), "cat": coco.encode(cat)},
            provenance={"seed": index},
        )


def build(folder: Path, count: int = 10, per_shard: int = 4) -> Manifest:
    """Write `count` records."""
    return write_shards(folder, "toy", records(count), prompt=PROMPT, categories=CATEGORIES, per_shard=per_shard)
