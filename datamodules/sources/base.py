"""What every published dataset gives: its facts, the names of its records in order, and each record when asked."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import Any

from datamodules.manifest import MAX_MEMBER
from datamodules.names import inside, normalise
from datamodules.pictures import MAX_PIXELS, inspect
from datamodules.record import Record
from datamodules.rle import area, from_segmentation, union
from datamodules.sample import RLE


@dataclass(frozen=True, eq=False)
class Source:
    """A dataset before it is written.

    name, prompt, categories: as of the manifest. licence: one sentence. files: name -> sha256 of each annotation file.
    options: what the user chose that changes a record. expected: how many samples the protocol counts, if it says.
    names: of the records, in order, as a report calls them. read: position -> record; raises for one that must be left
    out, and can be called in any order.
    """

    name: str
    prompt: str
    categories: tuple[str, ...]
    licence: str
    files: Mapping[str, str]
    names: Sequence[str]
    read: Callable[[int], Record]
    options: Mapping[str, Any] = field(default_factory=dict)
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

    def add(self, phrase: str, segmentations: Iterable[Any]) -> None:
        """Add to the mask of the phrase's normalised name; with no segmentation the name stands, its mask empty."""
        name = normalise(phrase)
        if not name:
            self.notes.append("a phrase without a word, left out")
            return
        parts = self.parts.setdefault(name, [])
        for segmentation in segmentations:
            rle, degenerate = from_segmentation(segmentation, self.height, self.width)
            self.notes += ["a polygon of fewer than three points, without area"] * degenerate
            parts.append(rle)

    def joined(self) -> dict[str, RLE]:
        """name -> union of its masks, in the order of the names' first appearance."""
        found = {name: union(parts, self.height, self.width) for name, parts in self.parts.items()}
        self.notes += ["an empty mask" for rle in found.values() if not area(rle)]
        return found


def load_json(path: Path) -> tuple[Any, str]:
    """The content of a JSON file and the sha256 of its bytes. Raises ValueError that names the file."""
    try:
        with open(path, "rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
            file.seek(0)
            return json.load(file), digest
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def picture(folders: Sequence[Path], name: object) -> Picture:
    """The image file of that name in one of the folders; its name cannot lead out of them."""
    data = read_file(inside(folders, name))
    suffix, (width, height), facts = inspect(data, max_pixels=MAX_PIXELS)
    return Picture(data, suffix, width, height, {"file_name": name, **facts})


def read_file(path: Path) -> bytes:
    """All bytes of a file that is small enough to be a member of a shard."""
    with open(path, "rb") as file:
        data = file.read(MAX_MEMBER + 1)
    if len(data) > MAX_MEMBER:
        raise ValueError(f"{path.name} has more than {MAX_MEMBER} bytes")
    return data


def check_size(image: Picture, height: object, width: object) -> None:
    """Refuse annotations of an image of another size; None: they do not say."""
    if (height, width) not in ((None, None), (image.height, image.width)):
        raise ValueError(f"the image has {image.width} x {image.height} pixels, its annotations say {width} x {height}")


def record(key: str, image: Picture, captions: Sequence[str], masks: Masks, about: Mapping[str, Any]) -> Record:
    """A record that keeps the image's bytes; captions without a word are left out and noted."""
    if not all(isinstance(caption, str) for caption in captions):
        raise ValueError("a caption is no text")
    said = [caption for caption in captions if caption.strip()]
    found = masks.joined()
    notes = masks.notes + ["an empty caption, left out"] * (len(captions) - len(said))
    notes += [] if said else ["no caption"]
    notes += [] if found else ["no mask"]
    notes += ["EXIF asks for a turn, not applied"] if image.facts.get("exif_orientation", 1) != 1 else []
    provenance = {**image.facts, **about, **({"notes": sorted(notes)} if notes else {})}
    return Record(key, image.data, image.suffix, said, found, provenance)


def first_of(names: Sequence[Any]) -> dict[Any, int]:
    """name -> where it stands first."""
    return {name: index for index, name in reversed(list(enumerate(names)))}
