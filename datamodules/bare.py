"""Pictures without what is not their pixels: Pillow reads no metadata of strangers.

Metadata is where a small file costs much: text and colour profiles that unpack without end, an EXIF block whose entries
each name the whole file, millions of empty segments. So JPEG and PNG are copied without it, WebP is looked through, and
what is wanted of it, the orientation, is read here.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

PARTS = 1 << 17
"""Segments of a JPEG, chunks of a PNG or WebP file that are looked at; a PNG file of 256 MiB as libpng writes it has
32,768."""
_TEXT = 1 << 20
"""Bytes of compressed text that are unpacked."""
_PNG, _XMP = b"\x89PNG\r\n\x1a\n", b"http://ns.adobe.com/xap/1.0/\0"
_MARK = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker of JPEG that is neither padding, nor a stuffed byte, nor one of those that stand in a scan."""
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_JFIF, _APP1, _ADOBE, _LAST_APP, _COM = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_XMP_TURN = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_TAG, _TYPES = 0x0112, {1: "B", 3: "H", 4: "I"}
"""EXIF's tag of the orientation, and the types of a number without a sign."""


@dataclass(frozen=True)
class Bare:
    """A picture's file. scans: of a JPEG; else 1. canvas: width and height that a WebP file claims before any frame.

    orientation: the number that EXIF, or else XMP, holds.
    """

    data: bytes
    scans: int = 1
    canvas: tuple[int, int] | None = None
    orientation: int | None = None


def bare(data: bytes) -> Bare:
    """Return a JPEG or PNG file without metadata, a WebP file or any other as it is; its pixels are the same.

    Damage is handed on for the decoder to find. Raises ValueError for more parts than PARTS.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    return Bare(data)


def _jpeg(data: bytes) -> Bare:
    kept, scans, exif, xmp = [data[:2]], 0, b"", b""
    at, in_scan = 2, False
    for _ in _counted():
        mark = _MARK.search(data, at)
        if in_scan:
            kept.append(data[at : mark.start() if mark else None])
        if mark is None:
            break
        start, kind = mark.start(), data[mark.start() + 1]
        alone = kind in (_SOI, _EOI, _TEM)
        at = start + 2 if alone else start + 2 + max(2, int.from_bytes(data[start + 2 : start + 4], "big"))
        if kind == _APP1:
            body = data[start + 4 : at]
            exif = exif or (body if body.startswith(b"Exif\0") else b"")
            xmp = xmp or (body if body.startswith(_XMP) else b"")
        if not (_JFIF <= kind <= _LAST_APP or kind == _COM) or kind in (_JFIF, _ADOBE):
            kept.append(data[start:at])
        scans, in_scan = scans + (kind == _SOS), kind == _SOS
        if kind == _EOI:
            break
    return Bare(b"".join(kept), scans, None, _orientation(exif, xmp))


def _png(data: bytes) -> Bare:
    kept, at, exif, xmp = [_PNG], len(_PNG), b"", b""
    for _ in _counted():
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        start, at = at, at + 12 + length
        body = data[start + 8 : at - 4]
        if kind == b"eXIf":
            exif = exif or body
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            exif, xmp = exif or _raw_profile(kind, body), xmp or _png_xmp(kind, body)
        elif kind == b"tRNS" or not kind.isalpha() or not kind[0] & 0x20:  # a small letter: not needed for the pixels
            kept.append(data[start:at])
        if kind == b"IEND" or at >= len(data):
            break
    return Bare(b"".join(kept), 1, None, _orientation(exif, xmp))


def _webp(data: bytes) -> Bare:
    at, exif, xmp, canvas = 12, b"", b"", None
    for _ in _counted():
        if at >= len(data):
            break
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + min(length, len(data))] if kind in (b"EXIF", b"XMP ", b"VP8X") else b""
        exif, xmp = exif or (body if kind == b"EXIF" else b""), xmp or (body if kind == b"XMP " else b"")
        if kind == b"VP8X" and canvas is None:
            canvas = int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
        at += 8 + length + length % 2
    return Bare(data, 1, canvas, _orientation(exif, xmp))


def _counted() -> Iterator[int]:
    """Yield numbers, up to PARTS of them. Raises ValueError after that."""
    yield from range(PARTS)
    raise ValueError(f"the picture has more than {PARTS} parts")


def _unpacked(data: bytes) -> bytes:
    """Return the beginning of compressed text; nothing where it is damaged."""
    try:
        return zlib.decompressobj().decompress(data, _TEXT)
    except zlib.error:
        return b""


def _raw_profile(kind: bytes, body: bytes) -> bytes:
    """Return the EXIF block that ImageMagick puts into a text chunk of PNG: hexadecimal digits below three lines."""
    name, _, text = body.partition(b"\0")
    if name != b"Raw profile type exif" or kind == b"iTXt":
        return b""
    text = _unpacked(text[1:]) if kind == b"zTXt" else text[:_TEXT]
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""


def _png_xmp(kind: bytes, body: bytes) -> bytes:
    """Return the XMP text of a chunk of PNG."""
    name, _, rest = body.partition(b"\0")
    if kind != b"iTXt" or name != b"XML:com.adobe.xmp":
        return b""
    text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return _unpacked(text) if rest[:1] == b"\1" else text


def _orientation(exif: bytes, xmp: bytes) -> int | None:
    """Return the orientation that the first directory of an EXIF block holds, or else XMP."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order and len(exif) >= 8:
        (at,) = struct.unpack_from(order + "I", exif, 4)
        count = struct.unpack_from(order + "H", exif, at)[0] if at + 2 <= len(exif) else 0
        for entry in range(at + 2, min(at + 2 + 12 * count, len(exif) - 11), 12):
            tag, kind, numbers = struct.unpack_from(order + "HHI", exif, entry)
            if tag == _TAG and kind in _TYPES and numbers == 1:
                return int(struct.unpack_from(order + _TYPES[kind], exif, entry + 8)[0])
    found = _XMP_TURN.search(xmp)
    return int(found[1]) if found else None
