"""Files of a run folder that a stranger may have made: regular files inside it, of bounded size, and nothing else.

The folder itself may be a link, as may what lies in it, as long as the link stays inside. Nothing here follows a link
out of the folder, waits for a pipe or reads a device. Paths are resolved and compared, so a folder must not be changed
by somebody else at the same time.
"""

import os
import re
import shutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from datamodules.files import open_file


class Damaged(ValueError):
    """A file of a run folder that is not what a run writes; the message names the file and what to do."""


def resolved(root: Path, *parts: str) -> Path:
    """Return the real place of `root`/`parts`, which need not exist. Raises Damaged where a link leads out."""
    if _leaves(root, parts):
        first = next(count for count in range(len(parts) + 1) if _leaves(root, parts[:count]))
        raise Damaged(f"{root.joinpath(*parts[:first])} is a link that leads out of {root}; delete the link")
    return Path(os.path.realpath(root.joinpath(*parts)))


def _leaves(root: Path, parts: tuple[str, ...]) -> bool:
    """Whether links lead from `root`/`parts` out of `root`."""
    top, path = os.path.realpath(root), os.path.realpath(root.joinpath(*parts))
    return path != top and not path.startswith(top.rstrip(os.sep) + os.sep)


def has(root: Path, *parts: str) -> bool:
    """Return whether something of that name is there, be it what it may."""
    return os.path.lexists(root.joinpath(*parts))


def is_file(root: Path, *parts: str) -> bool:
    """Return whether that is a regular file inside `root`."""
    try:
        return resolved(root, *parts).is_file()
    except Damaged:
        return False


def opened(root: Path, *parts: str) -> BinaryIO:
    """Open a regular file inside `root` to be read. Raises Damaged, and FileNotFoundError where there is none."""
    path = resolved(root, *parts)
    try:
        return open_file(path, links=False)
    except (ValueError, IsADirectoryError) as error:
        raise Damaged(f"{root.joinpath(*parts)} is no regular file; delete it") from error


def read(root: Path, *parts: str, limit: int) -> bytes:
    """Return the bytes of a regular file inside `root`, at most `limit`. Raises Damaged, and FileNotFoundError."""
    with opened(root, *parts) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(limit + 1) if size <= limit else b""
    if size > limit or len(data) > limit:
        raise Damaged(f"{root.joinpath(*parts)} has more than {limit:,} bytes, too many for a file of a run; delete it")
    return data


def names(root: Path, pattern: str) -> list[str]:
    """Return the names in `root` that match `pattern`, sorted; no folder, no names."""
    try:
        return sorted(name for name in os.listdir(root) if fnmatchcase(name, pattern))
    except (FileNotFoundError, NotADirectoryError):
        return []


def made(root: Path, *parts: str) -> Path:
    """Make the folder `root`/`parts` where it is missing, and return it. Raises Damaged where a link leads out of
    `root`."""
    resolved(root, *parts).mkdir(parents=True, exist_ok=True)
    return root.joinpath(*parts)


def matches(root: Path, pattern: str) -> Iterator[Path]:
    """Yield what lies below `root` and matches `pattern` (`**` stands for any folders). No link is followed, but a link
    itself may match."""
    yield from _matches(root, pattern.split("/"))


def _matches(folder: Path, parts: list[str]) -> Iterator[Path]:
    first, *others = parts
    if first == "**":
        yield from _matches(folder, others)
    for path in [folder / name for name in names(folder, "*")]:
        enters = path.is_dir() and not path.is_symlink()
        if first == "**":
            if enters:
                yield from _matches(path, parts)
        elif fnmatchcase(path.name, first):
            if not others:
                yield path
            elif enters:
                yield from _matches(path, others)


def remove(root: Path, *parts: str) -> None:
    """Delete a file, a link (never what it points to) or a folder with all that is in it, inside `root`. Raises Damaged
    where the folder that holds it lies outside."""
    *above, name = parts
    path = resolved(root, *above) / name
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def prune(root: Path, name: str) -> None:
    """Delete the folders below `root`/`name`, and itself, that are empty; a link of that name is deleted as a link."""
    if (root / name).is_symlink():
        (root / name).unlink()
        return
    for place, _, _ in os.walk(root / name, topdown=False, followlinks=False):
        if not os.listdir(place):
            os.rmdir(place)


def plain_name(name: str) -> bool:
    """Return whether `name` is that of a file, not a path: no separator, not `.` or `..`, printable, not too long."""
    return bool(re.fullmatch(r"[^/\\]{1,200}", name)) and name.isprintable() and name not in (".", "..")
