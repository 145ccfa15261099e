"""Pictures as bytes: which format they are in, and how they become RGB without being trusted.

`decode_image(files.read_bytes(path, MAX_MEMBER), max_pixels=MAX_PIXELS)` reads any picture of a stranger: the bytes,
the parts of the file, the pixels and the passes over them are bounded before anything is unpacked, and of its metadata
nothing but the orientation is read.
"""

import io
from collections.abc import Collection
from typing import Any

import numpy as np
from jaxtyping import Int
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.Image import Transpose as T

from datamodules.bare import bare
from datamodules.manifest import IMAGE_FORMATS

MAX_PIXELS = 1 << 26
"""Pixels that an image may have unless the user allows more."""
MAX_SCANS = 100
"""Scans that a JPEG may have; encoders make about ten, each of which is a pass over all pixels."""
MAX_PASSES = 20
"""Scans of an image that has `max_pixels`; a smaller one may have more in proportion."""

_SCALED = {"L;2": 85, "L;4": 17}
"""How Pillow calls grey of 2 and 4 bits, and what it multiplies it by to fill 8."""
_TURNS = dict(enumerate((T.FLIP_LEFT_RIGHT, T.ROTATE_180, T.FLIP_TOP_BOTTOM, T.TRANSPOSE), 2))
_TURNS |= dict(enumerate((T.ROTATE_270, T.TRANSVERSE, T.ROTATE_90), 6))
_SUFFIX = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
_ENCODING: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95},
    "PNG": {"optimize": True},
    "WEBP": {"lossless": True, "quality": 100},
}


def decode_image(data: bytes, suffix: str | None = None, *, max_pixels: int) -> Image.Image:
    """Return the picture in RGB; its size is known before anything is unpacked.

    suffix: the format that it must have; None takes any that a shard may hold. Alpha is dropped, 16 bits become 8, the
    orientation that EXIF asks for is not applied. Raises ValueError for another format, for more than `max_pixels` and
    for more scans than MAX_SCANS and MAX_PASSES allow; for damaged pixels whatever Pillow raises.
    """
    formats = set(_SUFFIX) if suffix is None else {IMAGE_FORMATS[suffix]}
    image, _ = _open(data, formats, max_pixels)
    with image:
        return rgb(image)


def rgb(image: Image.Image) -> Image.Image:
    """Any picture in RGB. Of 16 bits the upper eight are kept: Pillow does so for colour, but clips grey to white."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    return image.convert("RGB")


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as its EXIF orientation asks for it to be shown."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def encode_image(image: Image.Image, suffix: str) -> bytes:
    """The picture in the format of `suffix`."""
    buffer = io.BytesIO()
    image.save(buffer, IMAGE_FORMATS[suffix], **_ENCODING[IMAGE_FORMATS[suffix]])
    return buffer.getvalue()


def inspect(data: bytes, *, max_pixels: int) -> tuple[str, tuple[int, int], dict[str, Any]]:
    """Return suffix, (width, height) and what else the header says: mode, and the orientation that EXIF asks for, if
    any. Raises as `decode_image` does, but does not unpack the pixels."""
    image, orientation = _open(data, set(_SUFFIX), max_pixels)
    with image:
        facts: dict[str, Any] = {"mode": image.mode}
        if orientation is not None:
            facts["exif_orientation"] = orientation
        return _SUFFIX[str(image.format)], image.size, facts


def _open(data: bytes, formats: Collection[str], max_pixels: int) -> tuple[ImageFile.ImageFile, int | None]:
    """Return the picture, not yet unpacked, and its orientation; refuse one that would take too much to unpack."""
    file = bare(data)
    if file.canvas is not None:
        _check_pixels(*file.canvas, max_pixels)
    try:
        image = Image.open(io.BytesIO(file.data), formats=sorted(formats))
    except UnidentifiedImageError as error:
        raise ValueError(f"no readable {' or '.join(sorted(formats))} image") from error
    _check_pixels(*image.size, max_pixels)
    allowed = min(MAX_SCANS, MAX_PASSES * max_pixels // max(image.width * image.height, 1))
    if file.scans > allowed:
        size = f"{image.width} x {image.height} pixels"
        raise ValueError(f"a JPEG of {size} in {file.scans} scans, more than {allowed}; save it anew")
    return image, file.orientation


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ValueError(f"{width} x {height} pixels exceed {max_pixels} (max_pixels)")


def read_labels(data: bytes, *, panoptic: bool = False) -> Int[np.ndarray, "height width"]:
    """Return the number that each pixel of a label image holds.

    Grey of 1 to 16 bits, an index into a palette, or grey kept in colour channels of 8 bits; with `panoptic` colour
    channels hold R + 256 G + 65536 B. Raises ValueError for any other.
    """
    image, _ = _open(data, {"PNG"}, MAX_PIXELS)
    with image:
        kept = str(image.tile[0][3])  # gone once it is unpacked
        if kept.endswith(";16B") and image.mode in ("LA", "RGB", "RGBA"):
            raise ValueError("a label image of 16 bits in colour or with alpha: only 8 of them could be read")
        pixels = np.asarray(image).astype(np.int32) // _SCALED.get(kept, 1)
        colour = len(image.getbands()) - ("A" in image.getbands())
    if pixels.ndim == 2:
        return pixels
    if panoptic and colour == 3:
        return pixels[..., 0] | pixels[..., 1] << 8 | pixels[..., 2] << 16
    if (pixels[..., :colour] != pixels[..., :1]).any():
        raise ValueError("a label image in colour says no numbers")
    return pixels[..., 0]
