"""What a run keeps of a sample for its views: `figures/<index>/` with image.jpg, maps.npz and sample.json.

Cheap enough for hundreds of samples; the panel that `draw` makes of one is not.
"""

import io
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodules.pictures import MAX_PIXELS, inspect
from datamodules.printable import printable
from datamodules.rle import plain, sound
from datamodules.sample import RLE, Sample
from metrics.base import Box
from pipeline.outputs import inside, maps
from pipeline.outputs.fingerprint import write_atomic
from pipeline.outputs.inside import Damaged
from pipeline.outputs.maps import Maps
from pipeline.outputs.schema import files as schema
from pipeline.outputs.schema.values import check, json_document

SIDE, QUALITY = 768, 90
"""A larger image is kept with its longer side at so many pixels; masks keep the image's own size."""
MOST = 1 << 26
"""Bytes that `sample.json` may have."""
PICTURES = {"image.jpg": ("jpg", 1 << 25, 1 << 22), "masks.png": ("png", 1 << 28, MAX_PIXELS)}
"""Format, bytes and pixels that a picture may have; what a run keeps has less."""
REMEDY = "delete it, and views go without that sample"


@dataclass(frozen=True, eq=False)
class Kept:
    """size: height and width of the image that was explained. box: the part of it that the token grids cover.

    masks: empty also where there is no ground truth. image: the bytes of a JPEG file. name: of the file that it came
    from, or "".
    """

    image: bytes
    size: tuple[int, int]
    box: Box
    prompt: str
    captions: Sequence[str]
    masks: Mapping[str, RLE]
    maps: Maps
    name: str = ""


def keep(folder: Path, sample: Sample, found: Maps, box: Box) -> None:
    """Write the three files; the last one says that all are there. Raises ValueError for a sample without an image."""
    if sample.image is None:
        raise ValueError("a sample without an image cannot be kept for pictures")
    folder.mkdir(parents=True, exist_ok=True)
    image = sample.image.convert("RGB")
    width, height = image.size
    image.thumbnail((SIDE, SIDE))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=QUALITY)
    write_atomic(folder / "image.jpg", jpeg.getvalue())
    maps.save(folder / "maps.npz", found)
    known = {"size": [height, width], "box": list(box), "prompt": sample.prompt, "captions": list(sample.captions)}
    masks = [[name, plain(rle)] for name, rle in (sample.masks or {}).items()]  # a list: their order has a meaning
    name = sample.provenance.get("file_name")
    known |= {"masks": masks, "name": printable(name) if isinstance(name, str) else ""}
    write_atomic(folder / "sample.json", json.dumps(known))


def whole(folder: Path) -> bool:
    """Whether everything was kept of the sample."""
    return inside.has(folder, "sample.json")


def load(folder: Path, root: Path | None = None, tokens: int | None = None) -> Kept:
    """Read it back. root: the run folder, out of which no link may lead; by default `folder` itself. tokens: of the
    answer, of which each map must have one. Raises Damaged, naming the folder, where a file is missing or damaged."""
    known = sample_of(folder, root)
    height, width = known["size"]
    top, left, bottom, right = known["box"]
    return Kept(
        picture(folder, "image.jpg", root),
        (height, width),
        (top, left, bottom, right),
        known["prompt"],
        known["captions"],
        {name: sound(rle, height, width, name) for name, rle in known["masks"]},
        maps_of(folder, root, tokens),
        printable(known.get("name", "")),
    )


def sample_of(folder: Path, root: Path | None = None) -> dict[str, Any]:
    """Return what `sample.json` says. Raises Damaged."""
    data, where = _read(folder, "sample.json", root, MOST), f"{folder} is damaged: sample.json"
    found = json_document(data, where, REMEDY)
    check(schema.Sample, found, where, REMEDY)
    return dict(found)


def maps_of(folder: Path, root: Path | None = None, tokens: int | None = None) -> Maps:
    """Return the maps of a sample. Raises Damaged."""
    data = _read(folder, "maps.npz", root, maps.LARGEST)
    try:
        return maps.load(data, tokens)
    except ValueError as error:
        raise Damaged(f"{folder} is damaged: maps.npz: {printable(str(error))}; {REMEDY}") from error


def picture(folder: Path, name: str, root: Path | None = None) -> bytes:
    """Return a picture of a sample, one of `PICTURES`, not unpacked; format and size are those that it should have.
    Raises Damaged."""
    suffix, most, pixels = PICTURES[name]
    data = _read(folder, name, root, most)
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow warns of sizes that are refused here
            found, _, _ = inspect(data, max_pixels=pixels)
    except Exception as error:  # a stranger's bytes can raise anything
        raise Damaged(f"{folder} is damaged: {name}: {printable(str(error))}; {REMEDY}") from error
    if found != suffix:
        raise Damaged(f"{folder} is damaged: {name} holds a {found} picture; {REMEDY}")
    return data


def _read(folder: Path, name: str, root: Path | None, limit: int) -> bytes:
    """The bytes of a file of a sample."""
    root = root or folder
    try:
        return inside.read(root, *folder.relative_to(root).parts, name, limit=limit)
    except OSError as error:
        raise Damaged(f"{folder} is damaged: {name}: {error.strerror}; {REMEDY}") from error
    except Damaged as error:
        raise Damaged(f"{folder} is damaged: {error}") from error
