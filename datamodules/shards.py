"""Shards on disk: a streaming writer and a reader that loses nothing silently. Only this file knows webdataset.

Shards are plain tar files in webdataset's layout. The reader checks every member against the manifest and opens local
files only; it walks the tar itself, because webdataset's own expander decompresses and unfolds sparse members without
bound, and opens whatever program a `pipe:` address names.
"""

import os
import tarfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

from datamodules.faults import MachineError, excuse
from datamodules.files import contained, digest_of
from datamodules.manifest import FILE, SUFFIXES, Entry, Manifest, Member, Shard, check_name
from datamodules.pictures import MAX_PIXELS
from datamodules.printable import describe
from datamodules.record import Record, decode, encode, failed
from datamodules.sample import Sample
from datamodules.tar import open_tar, walk


class ShardError(Exception):
    """A shard that cannot be read to its end; the message says why, without its name."""


def write_shards(
    folder: str | Path,
    name: str,
    records: Iterable[Record],
    *,
    prompt: str,
    categories: Sequence[str] = (),
    per_shard: int = 1000,
) -> Manifest:
    """Write records, in their order, as `<folder>/<name>-00000.tar`, ... and `<folder>/manifest.json`.

    The records are consumed one at a time, so a generator of any length will do. The same records give the same
    bytes. Nothing carries its final name before everything is written; after an error the folder is as it was.

    prompt: the dataset's question, verbatim. categories: its whole vocabulary, in a fixed order, and every mask's name
    must be among it; leave it empty where each image has names of its own.

    >>> record = Record(key="0001", image=picture, captions=["A dog."], masks={"dog": pycocotools.mask.encode(array)})
    >>> write_shards("shards", "demo", [record], prompt="Describe this image.", categories=["cat", "dog"])
    """
    if per_shard < 1:
        raise ValueError(f"per_shard must be at least 1, got {per_shard}")
    writer = ShardWriter(folder, name, prompt=prompt, categories=categories)
    members = ((record.key, _encoded(record, categories)) for record in records)
    try:
        while writer.write(islice(members, per_shard)):
            pass
        return writer.publish()
    finally:
        writer.discard()


def _encoded(record: Record, categories: Sequence[str]) -> dict[str, bytes]:
    try:
        return encode(record, categories)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ValueError(f"record {record.key!r}: {error}") from error


class ShardWriter:
    """Shards under way. Each waits, whole, under a hidden name until all get their own at once."""

    def __init__(self, folder: str | Path, name: str, *, prompt: str, categories: Sequence[str] = ()) -> None:
        check_name(name)
        self.folder, self.name, self.prompt, self.categories = Path(folder), name, prompt, tuple(categories)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.shards: list[Shard] = []
        self.entries: list[Entry] = []

    def write(self, samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> list[Entry]:
        """One more shard of these keys and members; nothing where there are none."""
        stream = iter(samples)
        first = list(islice(stream, 1))
        if not first:
            return []
        name = f"{self.name}-{len(self.shards):05d}.tar"
        part = self._part(name)
        import webdataset as wds  # not at the top: it takes two seconds of a processor

        try:
            with open(part, "wb") as file, wds.TarWriter(file, user="", group="", mtime=0, encoder=False) as tar:
                entries = [_write(tar, name, key, members) for key, members in chain(first, stream)]
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        self._add(Shard(name, part.stat().st_size, digest_of(part)), entries)
        return entries

    def adopt(self, shard: Shard, entries: Sequence[Entry]) -> bool:
        """Take over a shard that an earlier writer finished; False where it is not there as it was."""
        path = next((path for path in (self._part(shard.name), self.folder / shard.name) if path.is_file()), None)
        if path is None or path.stat().st_size != shard.size or digest_of(path) != shard.sha256:
            return False
        self._add(shard, entries)
        return True

    def _add(self, shard: Shard, entries: Sequence[Entry]) -> None:
        self.shards.append(shard)
        self.entries.extend(entries)

    def manifest(self) -> Manifest:
        """Of what has been written so far."""
        return Manifest(self.name, self.prompt, self.categories, tuple(self.shards), tuple(self.entries))

    def publish(self) -> Manifest:
        """Give the shards their names, and write the manifest last."""
        manifest = self.manifest()
        for shard in self.shards:
            if (part := self._part(shard.name)).is_file():
                os.replace(part, self.folder / shard.name)
        manifest.save(self.folder / FILE)
        return manifest

    def discard(self) -> None:
        """Remove what has not been published."""
        for shard in self.shards:
            self._part(shard.name).unlink(missing_ok=True)

    def _part(self, name: str) -> Path:
        return self.folder / f".{name}.part"


def _write(tar: Any, shard: str, key: str, members: Mapping[str, bytes]) -> Entry:
    tar.write({"__key__": key, **members})
    return Entry(key, shard, {suffix: Member(len(data), sha256(data).hexdigest()) for suffix, data in members.items()})


def read(
    manifest: Manifest,
    folder: str | Path,
    indices: Iterable[int],
    *,
    prompt: str | None = None,
    max_pixels: int = MAX_PIXELS,
    follow_links: bool = False,
) -> Iterator[Sample]:
    """Yield the samples at `indices` of the manifest, each exactly once, in the manifest's order, whatever the shards
    hold.

    Only shards with a wanted sample are opened. A sample that is missing, differs from the manifest or cannot be
    decoded comes without image and masks, and its `error` names shard, key and reason. prompt: asked instead of the
    dataset's and the samples' own. follow_links: take shards that are links which lead out of the folder, too. Raises
    MachineError where it is not the data that is at fault.
    """
    within = None if follow_links else Path(folder)
    for name, group in groupby(sorted(set(indices)), key=lambda index: manifest.samples[index].shard):
        waiting = deque(group)
        place = {manifest.samples[index].key: index for index in waiting}
        wanted = {f"{key}.{suffix}": m for key, i in place.items() for suffix, m in manifest.samples[i].members.items()}
        reason = "not found; the shard ends before it or is damaged there"
        try:
            for key, members in _groups(Path(folder) / name, wanted, within):
                while waiting and waiting[0] < place[key]:
                    yield failed(manifest, waiting.popleft(), "not found at its place in the shard", prompt)
                if waiting and waiting[0] == place[key]:
                    yield decode(manifest, waiting.popleft(), members, prompt, max_pixels)
                if not waiting:
                    break
        except ShardError as error:
            reason = str(error)
        while waiting:
            yield failed(manifest, waiting.popleft(), reason, prompt)


def find(path: Path, within: Path | None) -> str:
    """Return why a shard cannot be opened, or "". within: the folder that it may not leave by a link; None allows it.

    Raises OSError where this cannot be found out.
    """
    if not path.is_file():
        return "there is no such shard"
    if within is not None and not contained(path, [within]):
        return "the shard is a link that leads out of its folder; copy it there, or allow it with follow_links"
    return ""


def _groups(path: Path, wanted: Mapping[str, Member], within: Path | None) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield key and members of every wanted sample that the shard holds, in the shard's order."""
    import webdataset as wds
    from webdataset.tariterators import group_by_keys

    try:
        if reason := find(path, within):
            raise ShardError(reason)
        with open_tar(path) as tar:
            for group in wds.DataPipeline(partial(_members, path, tar, wanted), group_by_keys):
                yield group["__key__"], {suffix: data for suffix, data in group.items() if suffix in SUFFIXES}
    except (ShardError, MachineError):
        raise
    except Exception as error:  # a damaged tar can raise anything; whatever it is, it becomes the samples' error
        excuse(error, path)
        raise ShardError(f"the shard is damaged: {describe(error)}") from error


def _members(path: Path, tar: tarfile.TarFile, wanted: Mapping[str, Member]) -> Iterator[dict[str, Any]]:
    """The wanted files, each once, and never more of one than the manifest promises (plus a byte that betrays it)."""
    seen: set[str] = set()
    try:
        for info in walk(tar):
            file = tar.extractfile(info) if info.isreg() and info.name in wanted and info.name not in seen else None
            if file is not None:
                seen.add(info.name)
                yield {"fname": info.name, "data": file.read(wanted[info.name].size + 1), "__url__": ""}
    except Exception as error:
        excuse(error, path)
        yield {}  # webdataset's mark of an end: the sample before the damage is delivered first
        raise
