"""Pictures that cost more than they show: passes, parts and metadata without bound."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from datamodules import bare as bares
from datamodules.bare import bare
from datamodules.pictures import MAX_SCANS, decode_image, inspect, read_labels
from tests.datamodules import published
from tests.datamodules.published import encoded, noise

PICTURE = Image.fromarray(np.linspace(0, 255, 48 * 64 * 3).reshape(64, 48, 3).transpose(1, 0, 2).astype(np.uint8))
"""Smooth, so that lossy formats keep it."""
MAX = 1 << 26
HANG = pytest.mark.timeout(20)


def progressive(scans: int) -> bytes:
    """A progressive JPEG whose last scan stands so often that it has that many, as a decoder that does not count reads
    them all."""
    data = encoded(PICTURE, "JPEG", progressive=True)
    last, have = data.rfind(b"\xff\xda"), data.count(b"\xff\xda")
    return data[:-2] + data[last:-2] * (scans - have) + data[-2:]


@HANG
@pytest.mark.parametrize("scans", [MAX_SCANS + 1, 400, 20_000])
def test_a_jpeg_in_too_many_scans_is_refused(scans: int) -> None:
    data = progressive(scans)
    assert bare(data).scans == scans
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (64, 48), "else it would be refused as no JPEG"
    for look in (decode_image, inspect):
        with pytest.raises(ValueError, match=f"a JPEG of 64 x 48 pixels in {scans} scans, more than 100; save it anew"):
            look(data, max_pixels=MAX)


def test_scans_times_pixels_are_bounded() -> None:
    data = progressive(10)
    assert bare(data).scans == 10
    for pixels in (64 * 48, MAX):
        assert decode_image(data, max_pixels=pixels).size == (64, 48)
    with pytest.raises(ValueError, match="in 21 scans, more than 20"):
        decode_image(progressive(21), max_pixels=64 * 48)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_that_which_pillow_reads(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Somebody"
    data = encoded(PICTURE, kind, exif=exif)
    assert inspect(data, max_pixels=MAX)[2]["exif_orientation"] == orientation
    swapped = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    data = encoded(PICTURE, kind, exif=swapped if kind != "JPEG" else b"Exif\0\0" + swapped)
    assert inspect(data, max_pixels=MAX)[2]["exif_orientation"] == orientation


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def described(compress: bool) -> bytes:
    """A PNG that holds XMP."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=compress)
    return encoded(PICTURE, "PNG", pnginfo=info)


def raw_profile(compress: bool) -> bytes:
    """A PNG that holds EXIF as ImageMagick writes it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", "\nexif\n     26\n" + exif.tobytes().hex() + "\n", zip=compress)
    return encoded(PICTURE, "PNG", pnginfo=info)


@pytest.mark.parametrize(
    "data",
    [
        encoded(PICTURE, "JPEG", xmp=XMP),
        encoded(PICTURE, "WEBP", xmp=XMP),
        *(described(compress) for compress in (False, True)),
        *(raw_profile(compress) for compress in (False, True)),
    ],
    ids=["JPEG", "WebP", "iTXt", "iTXt packed", "tEXt", "zTXt"],
)
def test_where_exif_does_not_say_it_others_do(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        assert ImageOps.exif_transpose(image).size == (48, 64), "as Pillow reads it"
    assert inspect(data, max_pixels=MAX)[2]["exif_orientation"] == 6


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(*chunks: bytes) -> bytes:
    """The picture as PNG, with more chunks before its pixels."""
    data = encoded(PICTURE, "PNG")
    at = data.index(b"IDAT") - 4
    return data[:at] + b"".join(chunks) + data[at:]


def with_segments(*segments: tuple[int, bytes]) -> bytes:
    """The picture as JPEG, with more segments before its pixels."""
    data = encoded(PICTURE, "JPEG", quality=100)
    made = b"".join(struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body for kind, body in segments)
    return data[:2] + made + data[2:]


def directory(entries: int, size: int) -> bytes:
    """An EXIF block of so many entries, each of which names the whole block."""
    listed = b"".join(struct.pack("<HHII", 0x0200 + at, 7, size, 0) for at in range(entries))
    return (struct.pack("<2sHIH", b"II", 42, 8, entries) + listed).ljust(size, b"\0")


def animated(kind: str) -> bytes:
    """A picture of 300 frames, of which the first counts."""
    frames = [Image.fromarray(noise(at, 48, 64, 3)) for at in range(300)]
    return encoded(PICTURE, kind, save_all=True, append_images=frames)


BOMB = zlib.compress(bytes(1 << 26), 9)
HARMLESS: dict[str, Callable[[], bytes]] = {
    "a colour profile that unpacks to 64 MiB": lambda: with_chunks(chunk(b"iCCP", b"x\0\0" + BOMB)),
    "texts that unpack to 6 GiB": lambda: with_chunks(*[chunk(b"zTXt", b"x\0\0" + BOMB)] * 100),
    "XMP that unpacks to 64 MiB": lambda: with_chunks(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB)),
    "EXIF of 60,000 entries of 1 MiB": lambda: with_chunks(chunk(b"eXIf", directory(60_000, 1 << 20))),
    "EXIF of 5,000 entries of 64 KiB": lambda: with_segments((0xE1, b"Exif\0\0" + directory(5000, 65_000))),
    "EXIF in 1,000 segments": lambda: with_segments(*[(0xE1, b"Exif\0\0" + directory(5000, 65_000))] * 1000),
    "a profile in 1,000 segments": lambda: with_segments(*[(0xE2, b"ICC_PROFILE\0\1\1" + bytes(65_000))] * 1000),
    "a comment that looks like 500 scans": lambda: with_segments((0xFE, b"\xff\xda" * 500)),
    "100,000 empty segments": lambda: with_segments(*[(0xEC, b"")] * 100_000),
    "100,000 empty chunks": lambda: with_chunks(*[chunk(b"teSt", b"")] * 100_000),
    "100,000 chunks without pixels": lambda: with_chunks(*[chunk(b"IDAT", b"")] * 100_000),
    "padding": lambda: with_segments((0xFE, b"")).replace(b"\xff\xfe", b"\xff" * 10**6 + b"\xfe", 1),
    "junk after the picture": lambda: encoded(PICTURE, "PNG") + b"\0" * 10**7,
    "a PNG of 300 frames": lambda: animated("PNG"),
    "a WebP of 300 frames": lambda: animated("WEBP"),
}


@HANG
@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_not_its_pixels_costs_a_picture_nothing(name: str) -> None:
    data = HARMLESS[name]()
    suffix, size, _ = inspect(data, max_pixels=MAX)
    assert size == (64, 48)
    found = np.asarray(decode_image(data, suffix, max_pixels=MAX)).astype(int)
    assert np.abs(found - np.asarray(PICTURE)).mean() < 8, "the first frame, as JPEG and WebP keep it"
    if suffix == "png":
        np.testing.assert_array_equal(found, PICTURE)


@HANG
@pytest.mark.parametrize(
    "data",
    [
        lambda: with_segments(*[(0xEC, b"")] * (bares.PARTS + 1)),
        lambda: with_chunks(*[chunk(b"IDAT", b"")] * (bares.PARTS + 1)),
        lambda: encoded(PICTURE, "WEBP") + b"JUNK\0\0\0\0" * (bares.PARTS + 1),
    ],
    ids=["JPEG", "PNG", "WebP"],
)
def test_a_picture_in_too_many_parts_is_refused(data: Callable[[], bytes]) -> None:
    with pytest.raises(ValueError, match="the picture has more than 131072 parts"):
        decode_image(data(), max_pixels=MAX)


def test_a_webp_says_its_canvas_before_any_memory_is_taken() -> None:
    head = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (65_534).to_bytes(3, "little") * 2
    data = b"RIFF" + struct.pack("<I", len(head) + 4) + b"WEBP" + head
    with pytest.raises(ValueError, match="65535 x 65535 pixels exceed 67108864"):
        decode_image(data, max_pixels=MAX)


@pytest.mark.parametrize("kind", ["rgb", "L", "CMYK", "turned", "LA", "P", "RGBA", "I;16", "webp"])
def test_every_cut_is_an_error_and_the_whole_is_as_pillow_reads_it(kind: str) -> None:
    data = published.pictures()[kind]
    whole = np.asarray(decode_image(data, max_pixels=MAX))
    with Image.open(io.BytesIO(data)) as image:
        if image.mode != "I;16":
            np.testing.assert_array_equal(whole, image.convert("RGB"))
    for end in range(0, len(data) - 20, len(data) // 40):
        with pytest.raises((ValueError, OSError, SyntaxError)):
            decode_image(data[:end], max_pixels=MAX)


def test_a_label_image_is_looked_at_alike() -> None:
    with pytest.raises(ValueError, match="more than 131072 parts"):
        read_labels(with_chunks(*[chunk(b"IDAT", b"")] * (bares.PARTS + 1)))
