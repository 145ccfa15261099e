"""What every published dataset gives: its facts, the names of its records in order, and each record when asked."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from datamodules.faults import excuse
from datamodules.files import read_bytes
from datamodules.jsontext import loads, same
from datamodules.manifest import MAX_MEMBER
from datamodules.names import inside, normalise
from datamodules.pictures import MAX_PIXELS, inspect
from datamodules.record import Record
from datamodules.rle import area, from_segmentation, union
from datamodules.sample import RLE
from datamodules.sources.fields import text, whole

MAX_JSON = 1 << 31
"""Bytes that an annotation file may have; COCO's largest have a fifth of it."""


@dataclass(frozen=True, eq=False)
class Source:
    """A dataset before it is written.

    name, prompt, categories: as of the manifest. files: name -> sha256 of each annotation file. names: of the records,
    in order, as a report calls them. read: position -> record; raises for one that must be left out, and can be called
    in any order. said: what the files say of themselves, such as their licence. options: what the user chose that
    changes a record. notes: what was odd about the files as a whole, and how often. expected: how many samples the
    protocol counts, if it says.
    """

    name: str
    prompt: str
    categories: tuple[str, ...]
    files: Mapping[str, str]
    names: Sequence[str]
    read: Callable[[int], Record]
    said: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)
    expected: int | None = None


@dataclass(frozen=True)
class Picture:
    """An image file as it is: its bytes, their format, its size, what its header says."""

    data: bytes
    suffix: str
    width: int
    height: int
    facts: Mapping[str, Any]


class Masks:
    """The masks of one image, gathered by name; what was odd about them is noted."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.parts: dict[str, list[RLE]] = {}
        self.notes: list[str] = []

    def add(self, phrase: str, segmentations: Iterable[Any], where: str = "") -> None:
        """Add to the mask of the phrase's normalised name; with no segmentation the name stands, its mask empty.

        Raises ValueError that begins with `where` for what is no segmentation.
        """
        name = normalise(phrase)
        if not name:
            self.notes.append("a phrase without a word, left out")
            return
        parts = self.parts.setdefault(name, [])
        for segmentation in segmentations:
            try:
                rle, degenerate = from_segmentation(segmentation, self.height, self.width)
            except ValueError as error:
                raise ValueError(f"{where}: {error}" if where else str(error)) from error
            self.notes += ["a polygon of fewer than three points, without area"] * degenerate
            parts.append(rle)

    def joined(self) -> dict[str, RLE]:
        """name -> union of its masks, in the order of the names' first appearance."""
        found = {name: union(parts, self.height, self.width) for name, parts in self.parts.items()}
        self.notes += ["an empty mask" for rle in found.values() if not area(rle)]
        return found


@dataclass(frozen=True)
class Folders:
    """Where the files of a dataset lie. follow_links: take files that are links which lead out of the folders, too."""

    folders: Sequence[Path]
    follow_links: bool = False

    def find(self, name: object, where: str) -> Path:
        """Return the file of that name. Raises as `names.inside` does, ValueError that begins with `where`."""
        return inside(self.folders, text(name, where), follow_links=self.follow_links)

    def read(self, name: object, where: str) -> bytes:
        """Return all bytes of a file that is small enough to be a member of a shard."""
        path = self.find(name, where)
        try:
            return read_bytes(path, MAX_MEMBER)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error

    def picture(self, name: object, where: str) -> Picture:
        """Return the image file of that name."""
        data = self.read(name, where)
        suffix, (width, height), facts = inspect(data, max_pixels=MAX_PIXELS)
        return Picture(data, suffix, width, height, {"file_name": name, **facts})


def load_json(path: Path) -> tuple[Any, str]:
    """Return the content of a JSON file and the sha256 of its bytes.

    Raises ValueError that names the file, MachineError where this machine cannot read it.
    """
    try:
        data = read_bytes(path, MAX_JSON)
        return loads(data), sha256(data).hexdigest()
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        excuse(error, path)
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def check_size(image: Picture, entry: Mapping[str, Any], where: str) -> None:
    """Refuse annotations of an image of another size; where height and width are missing or null, they do not say."""
    height, width = entry.get("height"), entry.get("width")
    if height is None and width is None:
        return
    size = whole(height, f"{where}: height", 1), whole(width, f"{where}: width", 1)
    if size != (image.height, image.width):
        raise ValueError(
            f"{where}: the image has {image.width} x {image.height} pixels, its annotations say {size[1]} x {size[0]}"
        )


def record(key: str, image: Picture, captions: Sequence[str], masks: Masks, about: Mapping[str, Any]) -> Record:
    """Return a record that keeps the image's bytes; captions without a word are left out and noted."""
    said = [caption for caption in captions if caption.strip()]
    found = masks.joined()
    notes = masks.notes + ["an empty caption, left out"] * (len(captions) - len(said))
    notes += [] if said else ["no caption"]
    notes += [] if found else ["no mask"]
    notes += ["EXIF asks for a turn, not applied"] if image.facts.get("exif_orientation", 1) != 1 else []
    provenance = {**image.facts, **about, **({"notes": sorted(notes)} if notes else {})}
    return Record(key, image.data, image.suffix, said, found, provenance)


@dataclass(frozen=True)
class Once:
    """Which entries of a list count. order: their positions. copies: how many entries equal an earlier one of the same
    name. differing: position of an entry -> that of the first of the same name, from which it differs."""

    order: Sequence[int]
    copies: int
    differing: Mapping[int, int]

    @property
    def notes(self) -> dict[str, int]:
        """What the card says of it."""
        return {"an entry that stands twice": self.copies} if self.copies else {}


def once(names: Sequence[Hashable], entries: Sequence[Any]) -> Once:
    """Find the entries that stand twice under one name."""
    first: dict[Hashable, int] = {}
    order, copies, differing = [], 0, {}
    for at, name in enumerate(names):
        before = first.setdefault(name, at)
        if before != at and same(entries[before], entries[at]):
            copies += 1
            continue
        order.append(at)
        if before != at:
            differing[at] = before
    return Once(order, copies, differing)


def file_names(held: Iterable[object]) -> list[str]:
    """Return what to call the records of a list: the file that each names, `[position]` where it names none."""
    return [name if isinstance(name, str) else f"[{at}]" for at, name in enumerate(held)]


def spelt(name: str) -> str:
    """Return a file's name as the system takes it: `./a.jpg` and `a.jpg` are one."""
    return PurePosixPath(name).as_posix()
