"""The held-out split of the embedded dataset: 256 scenes as WebDataset shards with a manifest."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pycocotools import mask as coco
from scenes import CATEGORIES, PROMPT, Artist

from datamodules.manifest import Manifest
from datamodules.record import Record
from datamodules.shards import write_shards

HELD_OUT = 3
"""First number of the held-out scenes' seeds; training and validation use others."""
COUNT = 256
SHARDS = Path(__file__).parent / "shards"


def records(artist: Artist, count: int = COUNT) -> Iterator[Record]:
    """The held-out scenes, in order."""
    for index in range(count):
        scene = artist.scene(HELD_OUT, index)
        jpeg = io.BytesIO()
        scene.image.save(jpeg, "JPEG", quality=90)
        yield Record(
            key=f"scene-{index:04d}",
            image=jpeg.getvalue(),
            suffix="jpg",
            captions=scene.captions,
            masks={name: coco.encode(np.asfortranarray(mask.astype(np.uint8))) for name, mask in scene.masks.items()},
            provenance={
                "source": "composited by assets/demo/scenes.py",
                "seed": [HELD_OUT, index],
                "background": scene.colour,
                "artwork": "Noto Color Emoji, OFL-1.1",
            },
        )


def write(artist: Artist, folder: Path = SHARDS) -> Manifest:
    """Write the shards and their manifest; the same font gives the same bytes."""
    return write_shards(folder, "demo", records(artist), prompt=PROMPT, categories=CATEGORIES, per_shard=64)
