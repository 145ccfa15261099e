"""Label images: the numbers that were written, whatever they are packed in."""

import struct

import numpy as np
import pytest

from datamodules.pictures import read_labels
from tests.datamodules.damage import png


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_of_every_depth_says_its_numbers(depth: int) -> None:
    ids = np.arange(min(1 << depth, 1 << 10) * 4).reshape(-1, 8) % (1 << depth)
    bits = ids[..., None] >> np.arange(depth)[::-1] & 1
    packed = np.packbits(bits.reshape(len(ids), -1).astype(np.uint8), axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    np.testing.assert_array_equal(read_labels(png(8, len(ids), depth=depth, rows=rows)), ids)


@pytest.mark.parametrize("panoptic", [False, True])
@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_wide_channels_are_refused(colour: int, channels: int, panoptic: bool) -> None:
    """Pillow would keep the upper eight bits: of the number 7, nothing."""
    rows = b"\0" + struct.pack(f">{channels}H", *[7] * channels)
    with pytest.raises(ValueError, match="16 bits in colour or with alpha"):
        read_labels(png(1, 1, depth=16, colour=colour, rows=rows), panoptic=panoptic)


@pytest.mark.parametrize(("colour", "pixel"), [(2, [7, 7, 7]), (4, [7, 255]), (6, [7, 7, 7, 0])])
def test_narrow_channels_are_read(colour: int, pixel: list[int]) -> None:
    assert read_labels(png(1, 1, depth=8, colour=colour, rows=bytes([0, *pixel]))).tolist() == [[7]]
