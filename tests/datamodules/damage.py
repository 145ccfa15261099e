"""Ways to damage a shard, and bytes that are meant to harm."""

import io
import os
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Failing(io.FileIO):
    """A file that can be read up to a place, and no further."""

    def __init__(self, path: Path, end: int, number: int) -> None:
        super().__init__(path)
        self.end, self.number = end, number

    def read(self, size: int | None = -1, /) -> bytes:
        """As a file does, or an OSError."""
        self._check()
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int | None:
        """As a file does, or an OSError."""
        self._check()
        return super().readinto(buffer)

    def _check(self) -> None:
        if self.tell() >= self.end:
            raise OSError(self.number, os.strerror(self.number))


def offset(shard: Path, member: str) -> tuple[int, int]:
    """Where a member's header and its content begin."""
    with tarfile.open(shard) as tar:
        info = tar.getmember(member)
        return info.offset, info.offset_data


def overwrite(shard: Path, position: int, data: bytes) -> None:
    blob = bytearray(shard.read_bytes())
    blob[position : position + len(data)] = data
    shard.write_bytes(blob)


def cut(shard: Path, position: int) -> None:
    shard.write_bytes(shard.read_bytes()[:position])


def rewrite(shard: Path, change: Callable[[list[tuple[str, bytes]]], Any]) -> None:
    """The shard with its list of members changed."""
    with tarfile.open(shard) as tar:
        members = [(info.name, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    change(members)
    with tarfile.open(shard, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def png(width: int, height: int, *, depth: int = 1, colour: int = 0, rows: bytes | None = None) -> bytes:
    """A PNG of that bit depth and colour type. rows: each its filter and its packed pixels; None: black, in few bytes
    whatever the size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = bytes((width // 8 + 1) * min(height, 64)) if rows is None else rows
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
