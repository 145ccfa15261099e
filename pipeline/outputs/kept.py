"""What a run keeps of a sample for its views: `figures/<index>/` with image.jpg, maps.npz and sample.json.

Cheap enough for hundreds of samples; the panel that `draw` makes of one is not.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import UInt8

from datamodules.printable import printable
from datamodules.rle import plain, sound
from datamodules.sample import RLE, Sample
from metrics.base import Box
from pipeline.outputs.fingerprint import write_atomic
from pipeline.outputs.maps import save

SIDE, QUALITY = 768, 90
"""A larger image is kept with its longer side at so many pixels; masks keep the image's own size."""
Maps = Mapping[str, UInt8[np.ndarray, "_ _ _"]]
"""Explainer -> uint8 maps, one per answer token, at the token grid."""


@dataclass(frozen=True, eq=False)
class Kept:
    """size: height and width of the image that was explained. box: the part of it that the token grids cover.

    masks: empty also where there is no ground truth. image: a JPEG file. name: of the file that it came from, or "".
    """

    image: Path
    size: tuple[int, int]
    box: Box
    prompt: str
    captions: Sequence[str]
    masks: Mapping[str, RLE]
    maps: Maps
    name: str = ""


def keep(folder: Path, sample: Sample, maps: Maps, box: Box) -> None:
    """Write the three files; the last one says that all are there. Raises ValueError for a sample without an image."""
    if sample.image is None:
        raise ValueError("a sample without an image cannot be kept for pictures")
    folder.mkdir(parents=True, exist_ok=True)
    image = sample.image.convert("RGB")
    width, height = image.size
    image.thumbnail((SIDE, SIDE))
    image.save(folder / "image.jpg", quality=QUALITY)
    save(folder / "maps.npz", maps)
    known = {"size": [height, width], "box": list(box), "prompt": sample.prompt, "captions": list(sample.captions)}
    masks = [[name, plain(rle)] for name, rle in (sample.masks or {}).items()]  # a list: their order has a meaning
    name = sample.provenance.get("file_name")
    known |= {"masks": masks, "name": printable(name) if isinstance(name, str) else ""}
    write_atomic(folder / "sample.json", json.dumps(known))


def whole(folder: Path) -> bool:
    """Whether everything was kept of the sample."""
    return (folder / "sample.json").exists()


def load(folder: Path) -> Kept:
    """Read it back. Raises ValueError that names the folder where a file is missing or damaged."""
    try:
        return _load(folder)
    except (OSError, ValueError, LookupError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise ValueError(f"{folder} is damaged ({error}); delete it, and views go without that sample") from error


def _load(folder: Path) -> Kept:
    known: dict[str, Any] = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
    height, width = known["size"]
    masks = {name: sound(rle, height, width, name) for name, rle in known["masks"]}
    with np.load(folder / "maps.npz", allow_pickle=False) as archive:
        maps = {name: archive[name] for name in archive.files}
    top, left, bottom, right = known["box"]
    return Kept(
        folder / "image.jpg",
        (height, width),
        (top, left, bottom, right),
        known["prompt"],
        known["captions"],
        masks,
        maps,
        str(known.get("name", "")),
    )
