"""The manifest of a dataset: which samples there are, in which shard, and what every byte of them must hash to.

The manifest decides what must be scored. It is JSON beside its shards and may come from a stranger: nothing in it is
trusted before it is checked, and no name in it can point outside its folder.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from datamodules.faults import excuse
from datamodules.files import read_bytes
from datamodules.jsontext import loads
from datamodules.names import folded

SCHEMA = 1
FILE = "manifest.json"
IMAGE_FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}
SUFFIXES = frozenset(IMAGE_FORMATS) | {"json", "txt"}
MAX_MEMBER = 1 << 28
"""Bytes that an image may have."""
MAX_MANIFEST = 1 << 30
"""Bytes that a manifest may have: some three million samples."""
MAX_TEXT = 1 << 24
"""Bytes that a json or txt member may have: JSON takes many times its bytes once it is read."""
MAX_NAMES, MAX_NAME = 1 << 15, 1000
"""Names in a vocabulary, and characters of a name: each is read by a tagger and looked for in every answer."""
MAX_SAID = 1 << 16
"""Characters of a question, or of all captions of a sample: a score compares every word of them with the answer's."""

_KEY = re.compile(r"[A-Za-z0-9_-]{1,90}")
_SHARD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ManifestError(ValueError):
    """A manifest that cannot be used; the message names the file and the key."""


@dataclass(frozen=True)
class Member:
    """One file of a sample."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """One tar file, beside the manifest."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """One sample: where it is and its members by suffix; exactly one of them an image, one `json`."""

    key: str
    shard: str
    members: Mapping[str, Member]

    @property
    def image_suffix(self) -> str:
        """The suffix of the sample's image."""
        return next(suffix for suffix in self.members if suffix in IMAGE_FORMATS)


@dataclass(frozen=True)
class Manifest:
    """A dataset. categories: its vocabulary; empty where every image has its own (then the names of its masks)."""

    name: str
    prompt: str
    categories: tuple[str, ...]
    shards: tuple[Shard, ...]
    samples: tuple[Entry, ...]

    def __post_init__(self) -> None:
        check_name(self.name)
        position: dict[str, int] = {}
        for shard in self.shards:
            _check(_SHARD.fullmatch(shard.name), f"shard {shard.name!r}: a plain file name is needed")
            _check(shard.name not in position, f"shard {shard.name!r} stands twice")
            _check_bytes(shard.size, shard.sha256, f"shard {shard.name!r}")
            position[shard.name] = len(position)
        _check(self.samples, "there are no samples")
        seen: set[str] = set()
        last = 0
        for entry in self.samples:
            where = f"sample {entry.key!r}"
            _check(_KEY.fullmatch(entry.key), f"{where}: a key has 1 to 90 letters, digits, - or _")
            _check(entry.key not in seen, f"{where} stands twice")
            _check(entry.shard in position, f"{where}: its shard {entry.shard!r} is not listed")
            _check(position[entry.shard] >= last, f"{where}: the samples of one shard must stand together, in order")
            _check_members(entry.members, where)
            seen.add(entry.key)
            last = position[entry.shard]

    @classmethod
    def load(cls, path: str | Path) -> "Manifest":
        """Read and check a manifest.

        Raises ManifestError that names the file, MachineError where this machine cannot read it.
        """
        path = Path(path)
        try:
            manifest = cls._parse(loads(read_bytes(path, MAX_MANIFEST)))
            manifest.canonical.decode()  # text that has no bytes is refused here, not in the middle of a run
            return manifest
        except FileNotFoundError as error:
            raise ManifestError(f"{path}: there is no such manifest") from error
        except IsADirectoryError as error:
            raise ManifestError(f"{path} is a folder; name the {FILE} in it") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError) as error:
            excuse(error, path)
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ManifestError(f"{path}: {reason}") from error

    @classmethod
    def _parse(cls, data: Any) -> "Manifest":
        _check(isinstance(data, dict), "a manifest is a JSON object")
        _check(data["schema"] == SCHEMA, f"schema {data['schema']!r} is unknown; this version reads {SCHEMA}")
        return cls(
            name=_text(data["name"], "name"),
            prompt=check_said(_text(data["prompt"], "prompt"), "prompt"),
            categories=check_names([_text(name, "categories") for name in data["categories"]], "categories"),
            shards=tuple(shard_of(shard) for shard in data["shards"]),
            samples=tuple(entry_of(sample) for sample in data["samples"]),
        )

    @cached_property
    def canonical(self) -> bytes:
        """The same bytes for the same content, always."""
        data = {"schema": SCHEMA, **asdict(self)}
        return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    @cached_property
    def digest(self) -> str:
        """sha256 of the canonical bytes: the identity of the dataset."""
        return hashlib.sha256(self.canonical).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the canonical bytes, whole or not at all."""
        path = Path(path)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(self.canonical)
        os.replace(part, path)


def check_name(name: str) -> None:
    """Refuse a dataset's name that could not begin a file name."""
    _check(_KEY.fullmatch(name), f"name {name!r}: 1 to 90 letters, digits, - or _ are needed")


def check_names(names: Sequence[str], what: str, most: int = MAX_NAMES) -> tuple[str, ...]:
    """Return the names of a vocabulary, or of the masks of an image.

    Raises ManifestError for more than `most`, for one that is too long or has no letter and no number, and for two that
    are read as the same name ("Dog" and "dog"), of which a caption could only mean both.
    """
    _check(len(names) <= most, f"{what}: {len(names)} names, more than {most}")
    longest = max(map(len, names), default=0)
    _check(longest <= MAX_NAME, f"{what}: a name of {longest} characters, more than {MAX_NAME}")
    known: dict[str, str] = {}
    for name in names:
        _check(same := folded(name), f"{what}: the name {name!r} has no letter and no number")
        _check(
            same not in known, f"{what}: the names {known.get(same)!r} and {name!r} are read as one; keep one of them"
        )
        known[same] = name
    return tuple(names)


def check_said(text: str, what: str) -> str:
    """Return what is asked or said of an image. Raises ManifestError where it is too long."""
    _check(len(text) <= MAX_SAID, f"{what}: {len(text)} characters, more than {MAX_SAID}")
    return text


def _check(condition: object, message: str) -> None:
    if not condition:
        raise ManifestError(message)


def _text(value: Any, what: str) -> str:
    _check(isinstance(value, str), f"{what}: expected text, got {value!r}")
    return str(value)


def _extent(data: Any, where: str) -> tuple[int, str]:
    """Size and sha256, of the right types."""
    size, digest = data["size"], data["sha256"]
    _check(type(size) is int, f"{where}: size {size!r} is no count of bytes")
    return size, _text(digest, f"{where}: sha256")


def shard_of(data: Any) -> Shard:
    """A shard as JSON, of the right types."""
    return Shard(_text(data["name"], "shard"), *_extent(data, f"shard {data['name']!r}"))


def entry_of(data: Any) -> Entry:
    """A sample as JSON, of the right types."""
    key = _text(data["key"], "key")
    members = {suffix: Member(*_extent(m, f"sample {key!r}, {suffix}")) for suffix, m in data["members"].items()}
    return Entry(key, _text(data["shard"], f"sample {key!r}: shard"), members)


def _check_bytes(size: int, digest: str, where: str) -> None:
    _check(size >= 0, f"{where}: size {size} is no count of bytes")
    _check(_SHA256.fullmatch(digest), f"{where}: sha256 {digest!r} is no digest")


def _check_members(members: Mapping[str, Member], where: str) -> None:
    refused = sorted(members.keys() - SUFFIXES)
    _check(not refused, f"{where}: members {refused} are refused; allowed are {sorted(SUFFIXES)}")
    images = sum(suffix in IMAGE_FORMATS for suffix in members)
    _check(images == 1 and "json" in members, f"{where}: needs one json and one image, has {sorted(members)}")
    for suffix, member in members.items():
        _check_bytes(member.size, member.sha256, f"{where}, {suffix}")
        limit = MAX_MEMBER if suffix in IMAGE_FORMATS else MAX_TEXT
        _check(member.size <= limit, f"{where}, {suffix}: {member.size} bytes exceed {limit}")
