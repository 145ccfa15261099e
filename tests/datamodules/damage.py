"""Ways to damage a shard, and bytes that are meant to harm."""

import io
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


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


def png(width: int, height: int) -> bytes:
    """A black picture of any size in few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(bytes((width // 8 + 1) * min(height, 64)), 9)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
