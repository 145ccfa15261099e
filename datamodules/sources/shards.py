"""Shards as a source: what was converted once, for another layout."""

import tarfile
from functools import lru_cache
from pathlib import Path

from datamodules.manifest import FILE, Manifest
from datamodules.record import Record, decode_facts, verify
from datamodules.shards import walk
from datamodules.sources.base import Source


def shards(folder: Path) -> Source:
    """Any dataset that `datamodules.shards` wrote, each member checked against the manifest."""
    manifest = Manifest.load(folder / FILE)

    @lru_cache(maxsize=1)
    def places(shard: str) -> dict[str, int]:
        """Where each file of a shard begins, as far as it can be walked."""
        found: dict[str, int] = {}
        try:
            with open(folder / shard, "rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
                for info in walk(tar):
                    found.setdefault(info.name, info.offset_data)
        except (tarfile.TarError, ValueError):
            pass  # what comes after the damage is missed, and named, when it is read
        return found

    def read(index: int) -> Record:
        entry = manifest.samples[index]
        members = {}
        with open(folder / entry.shard, "rb") as file:
            for suffix, member in entry.members.items():
                place = places(entry.shard).get(f"{entry.key}.{suffix}")
                if place is not None:
                    file.seek(place)
                    members[suffix] = file.read(member.size)
                verify(suffix, member, members.get(suffix))
        facts = decode_facts(members["json"], manifest.categories)
        image, suffix = members[entry.image_suffix], entry.image_suffix
        captions, masks, provenance = facts.captions, facts.masks, facts.provenance
        return Record(entry.key, image, suffix, captions, masks, provenance, facts.prompt, facts.categories)

    return Source(
        name=manifest.name,
        prompt=manifest.prompt,
        categories=manifest.categories,
        licence="That of the shards; see the card beside them.",
        files={FILE: manifest.digest},
        names=[entry.key for entry in manifest.samples],
        read=read,
    )
