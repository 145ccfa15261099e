"""Files of strangers: regular ones only, of bounded size, and in the folder in which they are said to be."""

import errno
import os
import stat
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}
_CHUNK = 1 << 20
_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""Byte order marks, and the encoding that each announces."""


def open_file(path: str | Path, limit: int | None = None, *, links: bool = True) -> BinaryIO:
    """Open a regular file for reading.

    What is not one is refused before it is opened, so that a pipe does not block and a device does nothing; and again
    after that, because the path may have come to lead elsewhere. links: whether the file itself may be a link; the
    folders above it always may. Raises ValueError for a pipe, a socket or a device, for a link where none is allowed,
    and for a file of more than `limit` bytes; OSError as `open` does.
    """
    _check(os.stat(path) if links else os.lstat(path), limit)
    try:
        file = open(path, "rb", opener=_without_blocking if links else _without_links)  # noqa: SIM115
    except OSError as error:
        if error.errno == errno.ELOOP and not links:
            raise ValueError(f"it is {_KINDS[stat.S_IFLNK]}, not a regular file") from error
        raise
    try:
        _check(os.fstat(file.fileno()), limit)
    except BaseException:
        file.close()
        raise
    return file


def read_bytes(path: str | Path, limit: int) -> bytes:
    """Return all bytes of a regular file that has at most `limit`. Raises as `open_file` does."""
    with open_file(path, limit) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    return data


def read_text(path: str | Path, limit: int) -> tuple[str, str]:
    """Return the text of a file in UTF-8, or in what its byte order mark announces, and the sha256 of its bytes.

    Raises ValueError for another encoding, and as `open_file` does.
    """
    data = read_bytes(path, limit)
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8-sig")
    try:
        return data.decode(encoding), sha256(data).hexdigest()
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no {encoding.removesuffix('-sig').upper()} text; save it as UTF-8") from error


def digest_of(path: str | Path, limit: int | None = None) -> str:
    """Return the sha256 of a regular file, of which no more than `limit` bytes are read. Raises as `open_file` does."""
    digest, size = sha256(), 0
    with open_file(path, limit) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if limit is not None and size > limit:  # it grew, or did not tell its size
                raise ValueError(f"it has more than {limit} bytes")
    return digest.hexdigest()


def contained(path: Path, folders: Iterable[Path]) -> bool:
    """Say whether a path still lies in one of the folders when all links of both are followed.

    The folders may be links themselves. Raises OSError where the links lead in a circle.
    """
    real = path.resolve()
    return any(real.is_relative_to(folder.resolve()) for folder in folders)


def _without_blocking(path: str, flags: int) -> int:
    """Open a descriptor; of a pipe that came to stand there meanwhile, without waiting for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _without_links(path: str, flags: int) -> int:
    """Open a descriptor as `_without_blocking` does, and fail with ELOOP where the path came to be a link."""
    return _without_blocking(path, flags | os.O_NOFOLLOW)


def _check(status: os.stat_result, limit: int | None) -> None:
    """Refuse what is neither a regular file nor a folder (which `open` refuses), and what is too large."""
    if (kind := _KINDS.get(stat.S_IFMT(status.st_mode))) is not None:
        raise ValueError(f"it is {kind}, not a regular file")
    if limit is not None and stat.S_ISREG(status.st_mode) and status.st_size > limit:
        raise ValueError(f"it has {status.st_size} bytes, more than {limit}")
