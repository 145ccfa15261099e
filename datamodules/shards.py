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
from hashlib import file_digest, sha256
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

import webdataset as wds
from webdataset.tariterators import group_by_keys

from datamodules.manifest import FILE, SUFFIXES, Entry, Manifest, Member, Shard, check_name
from datamodules.record import MAX_PIXELS, Record, decode, describe, encode, failed
from datamodules.sample import Sample


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
    check_name(name)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stream = iter(records)
    parts: dict[Path, Path] = {}
    shards: list[Shard] = []
    entries: list[Entry] = []
    try:
        while first := list(islice(stream, 1)):
            path = folder / f"{name}-{len(shards):05d}.tar"
            part = path.with_name(f".{path.name}.part")
            parts[part] = path
            with open(part, "wb") as file, wds.TarWriter(file, user="", group="", mtime=0, encoder=False) as tar:
                chunk = chain(first, islice(stream, per_shard - 1))
                entries.extend(_write_record(tar, path.name, record, categories) for record in chunk)
            shards.append(_shard(path.name, part))
        manifest = Manifest(name, prompt, tuple(categories), tuple(shards), tuple(entries))
        for part, path in parts.items():
            os.replace(part, path)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    manifest.save(folder / FILE)
    return manifest


def _shard(name: str, path: Path) -> Shard:
    with open(path, "rb") as file:
        return Shard(name, path.stat().st_size, file_digest(file, "sha256").hexdigest())


def _write_record(tar: wds.TarWriter, shard: str, record: Record, categories: Sequence[str]) -> Entry:
    try:
        members = encode(record, categories)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ValueError(f"record {record.key!r}: {error}") from error
    tar.write({"__key__": record.key, **members})
    sums = {suffix: Member(len(data), sha256(data).hexdigest()) for suffix, data in members.items()}
    return Entry(record.key, shard, sums)


def read(
    manifest: Manifest,
    folder: str | Path,
    indices: Iterable[int],
    *,
    prompt: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Sample]:
    """The samples at `indices` of the manifest, each exactly once, in the manifest's order, whatever the shards hold.

    Only shards with a wanted sample are opened. A sample that is missing, differs from the manifest or cannot be
    decoded comes without image and masks, and its `error` names shard, key and reason. prompt: asked instead of the
    dataset's and the samples' own.
    """
    for name, group in groupby(sorted(set(indices)), key=lambda index: manifest.samples[index].shard):
        waiting = deque(group)
        place = {manifest.samples[index].key: index for index in waiting}
        wanted = {f"{key}.{suffix}": m for key, i in place.items() for suffix, m in manifest.samples[i].members.items()}
        reason = "not found; the shard ends before it or is damaged there"
        try:
            for key, members in _groups(Path(folder) / name, wanted):
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


def _groups(path: Path, wanted: Mapping[str, Member]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and members of every wanted sample that the shard holds, in the shard's order."""
    if not path.is_file():
        raise ShardError("there is no such shard")
    try:
        with open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for group in wds.DataPipeline(partial(_members, tar, wanted), group_by_keys):
                yield group["__key__"], {suffix: data for suffix, data in group.items() if suffix in SUFFIXES}
    except Exception as error:  # a damaged tar can raise anything; whatever it is, it becomes the samples' error
        raise ShardError(f"the shard is damaged: {describe(error)}") from error


def _members(tar: tarfile.TarFile, wanted: Mapping[str, Member]) -> Iterator[dict[str, Any]]:
    """The wanted files, each once, and never more of one than the manifest promises (plus a byte that betrays it)."""
    seen: set[str] = set()
    try:
        for info in tar:
            if tar.offset <= info.offset:
                raise ValueError("a member's size leads backwards")
            file = tar.extractfile(info) if info.isreg() and info.name in wanted and info.name not in seen else None
            if file is not None:
                seen.add(info.name)
                yield {"fname": info.name, "data": file.read(wanted[info.name].size + 1), "__url__": ""}
    except Exception:
        yield {}  # webdataset's mark of an end: the sample before the damage is delivered first
        raise
