"""Suggest the file or folder that was probably meant, by names like the one that is missing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from datamodules.options import LEAST, like
from datamodules.printable import printable

SHOWN = 4
"""So many names are listed."""
LOOKED = 1000
"""So many names of a folder are looked at."""


def near(path: Path, *also: Path) -> str:
    """Return a question after the file or folder that was meant, if there is one with a name like it.

    It is looked for beside `path`, then in the folders `also`, whose files are named without their folder.
    """
    for folder in (path.parent, *also):
        likeness = [(like(path.stem, Path(name).stem), name) for name in _names(folder)]
        alike, meant = max(likeness, key=lambda pair: pair[0], default=(0.0, ""))
        if alike >= LEAST:
            return f"; did you mean {printable(meant if folder in also else str(path.with_name(meant)))}?"
    return ""


def runs(folder: Path) -> str:
    """Return what to say of a folder that is no run: that it is not there, or which runs it holds."""
    if not folder.is_dir():
        return ("it is a file" if folder.exists() else "there is no such folder") + near(folder)
    found = [name for name in _names(folder) if (folder / name / "env.json").is_file()]
    if not found:
        return "it has no env.json, which every run writes"
    many = "s" if len(found) > 1 else ""
    return f"it holds the run{many} {listed(found)}: name one, as {printable(str(folder / found[0]))}"


def listed(names: Sequence[str]) -> str:
    """Return the first of many names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return printable(", ".join(names[:SHOWN])) + more


def _names(folder: Path) -> list[str]:
    """Return the names in a folder, sorted; nothing where it cannot be read."""
    try:
        entries: Iterable[Path] = folder.iterdir()
        return sorted(path.name for path, _ in zip(entries, range(LOOKED), strict=False))
    except (OSError, ValueError):  # a name with a null byte
        return []
