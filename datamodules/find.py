"""Pictures that the user names: of a folder, by a pattern, or one by one; no link leads out of a folder unseen."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from os.path import commonpath, normcase, normpath
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_warn

from datamodules.faults import Overlooked
from datamodules.files import contained
from datamodules.manifest import IMAGE_FORMATS
from datamodules.printable import printable

REMEDY = "copy the file, name it or the folder that the link points to, or give --data.follow_links true"


def find(paths: Sequence[str], *, follow_links: bool = False) -> dict[str, Path]:
    """Return the files that the paths mean, by their names below the folder that all have in common, each once.

    A path itself may be a link. Below a folder or the fixed beginning of a pattern, links that stay there are followed;
    others only with follow_links. Raises ValueError for a path that means nothing, and for a link that leads out.
    """
    found: set[Path] = set()
    for text in paths:
        path = Path(text).expanduser()
        if path.is_dir():
            new, base = pictures(path), path
        elif path.exists():
            new, base = [path], None
        else:
            new, base = _matching(path, follow_links)
        sound = [file for file in new if file.is_file() or not file.exists()]  # a link to nothing is quarantined
        if len(sound) < len(new):
            _warn(text, f"{len(new) - len(sound)} pipes, sockets or devices")
        if not sound:
            raise ValueError(f"paths: there is no picture in {text!r}{deeper(path)}")
        if base is not None and not follow_links:
            _refuse_links(sound, base)
        found.update(_straight(file) for file in sound)
    if not found:
        raise ValueError("paths: name a folder, a file or a pattern")
    root = commonpath([file.parent for file in found])
    return {file.relative_to(root).as_posix(): file for file in sorted(found)}


def pictures(folder: Path) -> list[Path]:
    """Return what ends like a picture there; a warning counts the rest, but for hidden files."""
    rest: Counter[str] = Counter()
    found = []
    for path in folder.iterdir():
        if path.is_dir():
            rest["folders"] += 1
        elif path.suffix[1:].lower() in IMAGE_FORMATS:
            found.append(path)
        elif path.name[0] != ".":
            rest[f"*{path.suffix}"] += 1
    if found and rest:
        listed = ", ".join(f"{kind} ({count})" for kind, count in sorted(rest.items()))
        _warn(str(folder), f"{listed}; '{folder}/**/*' takes all files")
    return found


def deeper(folder: Path) -> str:
    """Return what to say of a folder that has folders, or is none."""
    if not folder.is_dir():
        return "; it is neither a file nor a folder, and as a pattern it matches none"
    below = any(path.is_dir() for path in folder.iterdir())
    return f" itself; its folders are looked into by the pattern '{folder}/**/*'" if below else ""


def _matching(pattern: Path, follow_links: bool) -> tuple[list[Path], Path]:
    """Return the files that a pattern means, and the folder of its fixed beginning.

    `*`, `?` and `[...]` match within a name, `**` any number of folders, none of them what begins with a dot. Each
    folder is looked through once for each part of the pattern, whatever links lead to it, and those without a link
    first. Raises ValueError for a folder's link that leads out.
    """
    parts = pattern.parts
    fixed = next((at for at, part in enumerate(parts) if set("*?[") & set(part)), len(parts) - 1)
    base = Path(*parts[:fixed])
    found: dict[Path, None] = {}
    seen: set[tuple[Path, int]] = set()
    straight, linked = deque([(base, fixed)]), deque[tuple[Path, int]]()
    while straight or linked:
        folder, at = (straight or linked).popleft()
        if not folder.is_dir() or (mark := (folder.resolve(), at)) in seen:
            continue
        seen.add(mark)
        if at and not follow_links:
            _refuse_links([folder], base)
        last, part = at == len(parts) - 1, parts[at]
        if part == "**" and not last:
            straight.append((folder, at + 1))
        for path in _named(folder, part):
            if not path.is_dir():
                found |= {path: None} if last else {}
            elif part == "**" or not last:
                (linked if path.is_symlink() else straight).append((path, at if part == "**" else at + 1))
    return list(found), base


def _named(folder: Path, part: str) -> Iterator[Path]:
    """Yield what a part of a pattern means in a folder, in the order of the names."""
    if not set("*?[") & set(part):
        yield from [folder / part] if (folder / part).exists() or (folder / part).is_symlink() else []
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") == part.startswith(".") and fnmatch(normcase(path.name), normcase(part)):
            yield path


def _refuse_links(paths: Sequence[Path], base: Path) -> None:
    """Refuse paths that links lead out of a folder."""
    real = base.resolve()
    leading = [path for path in paths if path.exists() and not contained(path, [real])]
    if leading:
        count = f"{len(leading)} links lead" if len(leading) > 1 else "a link leads"
        raise ValueError(f"paths: {count} out of the folder {str(base)!r}: {str(leading[0])!r}; {REMEDY}")


def _straight(path: Path) -> Path:
    """Return the absolute path without `..`, so that a file has one name; as it is where a link makes `..` lead
    elsewhere."""
    straight = Path(normpath(path.absolute()))
    return straight if straight.exists() and straight.samefile(path) else path.absolute()


def _warn(folder: str, what: str) -> None:
    rank_zero_warn(f"--data.paths: not taken of {folder!r}: {printable(what)}", category=Overlooked)
