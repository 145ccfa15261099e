"""Shards as a source: what was converted once, for another layout."""

import tarfile
from functools import lru_cache
from pathlib import Path

from datamodules.card import CARD, said_by
from datamodules.files import open_file
from datamodules.manifest import FILE, Manifest
from datamodules.record import Record, decode_facts, verify
from datamodules.shards import find
from datamodules.sources.base import Source
from datamodules.tar import open_tar, walk


def shards(folder: Path, *, follow_links: bool = False) -> Source:
    """Read any dataset that `datamodules.shards` wrote, each member checked against the manifest.

    follow_links: take shards that are links which lead out of the folder, too.
    """
    manifest = Manifest.load(folder / FILE)

    @lru_cache(maxsize=1)
    def places(shard: str) -> dict[str, int]:
        """Return where each file of a shard begins, as far as it can be walked."""
        if reason := find(folder / shard, None if follow_links else folder):
            raise ValueError(f"{shard}: {reason}")
        found: dict[str, int] = {}
        try:
            with open_tar(folder / shard) as tar:
                for info in walk(tar):
                    found.setdefault(info.name, info.offset_data)
        except (tarfile.TarError, ValueError):
            pass  # what comes after the damage is missed, and named, when it is read
        return found

    def read(index: int) -> Record:
        entry = manifest.samples[index]
        members, begins = {}, places(entry.shard)
        with open_file(folder / entry.shard) as file:
            for suffix, member in entry.members.items():
                place = begins.get(f"{entry.key}.{suffix}")
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
        said=said_by(folder / CARD),
        files={FILE: manifest.digest},
        names=[entry.key for entry in manifest.samples],
        read=read,
    )
