"""Tar files of strangers, walked member by member with a bound on what a header may take."""

import math
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from datamodules.files import open_file

MAX_HEADER = 1 << 20
"""Bytes that the headers of one member may have, extended ones included: names in a shard have at most 95."""


class _Metered:
    """A file of which only `left` more bytes may be read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left: float = MAX_HEADER

    def read(self, size: int = -1) -> bytes:
        """Read as a file does. Raises ValueError for more than is left."""
        if size < 0 or size > self.left:
            raise ValueError(f"a header has more than {MAX_HEADER} bytes")
        self.left -= size
        return self.file.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        """Move as a file does."""
        return self.file.seek(place, whence)

    def tell(self) -> int:
        """Return the place as a file does."""
        return self.file.tell()


@contextmanager
def open_tar(path: Path) -> Iterator[tarfile.TarFile]:
    """Open an uncompressed tar file. Raises as `open_file` and `tarfile.open` do."""
    with open_file(path) as file, tarfile.open(fileobj=cast(BinaryIO, _Metered(file)), mode="r:") as tar:
        yield tar


def walk(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar that `open_tar` opened, to its end.

    Raises ValueError for one that would be walked for ever or fill the memory.
    """
    metered, members = cast(_Metered, tar.fileobj), iter(tar)
    while True:
        metered.left = MAX_HEADER
        if (info := next(members, None)) is None:
            return
        if tar.offset <= info.offset:
            raise ValueError("a member's size leads backwards")
        metered.left = math.inf
        yield info
