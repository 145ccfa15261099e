"""Every byte of a folder of shards against its manifest:  seewhy verify DIR

One line for each finding, with shard and key; exit status 1 where there is any, 2 where there is no readable manifest,
5 where this machine cannot read a shard (a failing disk, a stale mount, no permission), which says nothing about it.
"""

if __name__ == "__main__":  # before anything else is imported
    from datamodules.safe_path import leave_working_directory

    leave_working_directory()

import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from datamodules import program
from datamodules.faults import MachineError, excuse
from datamodules.files import digest_of
from datamodules.manifest import FILE, Manifest, ManifestError, Member, Shard
from datamodules.options import Options
from datamodules.printable import describe, printable
from datamodules.shards import find
from datamodules.streams import protect
from datamodules.tar import MAX_HEADER, open_tar, walk

UNREADABLE = 5
"""The exit status where this machine is at fault, as that of a run."""


def main(args: Sequence[str] | None = None) -> int:
    """Print what is wrong; the exit status."""
    protect("seewhy verify")
    parser = Options(prog="seewhy verify", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of manifest.json and its shards")
    parser.add_argument("--follow_links", action="store_true", help="also take shards that are links out of the folder")
    options = parser.parse_args(args)
    folder = options.folder
    count = 0
    try:
        manifest = Manifest.load(folder / FILE)
        found = findings(manifest, folder, follow_links=options.follow_links)
        for count, finding in enumerate(found, 1):  # noqa: B007
            print(finding)
    except ManifestError as error:
        return said(f"error: {error}", 2)
    except MachineError as error:
        return said(f"error: {error.line}; mend that, and verify again", UNREADABLE)
    whole = f"{len(manifest.samples)} samples in {len(manifest.shards)} shards"
    print(f"{whole}: {f'{count} findings' if count else 'every byte as the manifest says'}")
    return 1 if count else 0


def said(line: str, status: int) -> int:
    """Write a line to standard error, and return the exit status."""
    with program.named("seewhy verify"):
        program.tell(line)
    return status


def findings(manifest: Manifest, folder: Path, *, follow_links: bool = False) -> Iterator[str]:
    """Yield a line for everything in which shards and manifest differ: `shard: key: reason`, the key `-` where there is
    none.

    Each line is printable text, whatever the shards hold. follow_links: take shards that are links which lead out of
    the folder, too. Raises MachineError where a shard cannot be read.
    """
    wanted: dict[str, dict[str, Member]] = {shard.name: {} for shard in manifest.shards}
    for entry in manifest.samples:
        wanted[entry.shard].update({f"{entry.key}.{suffix}": member for suffix, member in entry.members.items()})
    for shard in manifest.shards:
        found = list(in_shard(folder / shard.name, shard, wanted[shard.name], None if follow_links else folder))
        yield from (f"{shard.name}: {printable(line)}" for line in found)
    for path in sorted(folder.glob("*.tar")):
        if path.name not in wanted:
            yield f"{printable(path.name)}: -: the manifest knows no such shard"


def in_shard(path: Path, shard: Shard, wanted: Mapping[str, Member], within: Path | None) -> Iterator[str]:
    """Yield what is wrong with one shard. within: the folder that it may not leave by a link; None allows it.

    A shard of another size than the manifest says, or larger than all that it may hold, is not hashed as a whole.
    Raises MachineError where it cannot be read.
    """
    left, at, placed = dict(wanted), "", True
    order = iter(dict.fromkeys(name.rpartition(".")[0] for name in wanted))
    needed = MAX_HEADER + sum(member.size + 2048 for member in wanted.values())
    try:
        if reason := find(path, within):
            yield f"-: {reason}"
            return
        size = path.stat().st_size
        if size != shard.size:
            yield f"-: {size} bytes, the manifest says {shard.size}"
        elif size > needed:
            yield f"-: {size} bytes, of which its samples need at most {needed}"
        elif (digest := digest_of(path, size)) != shard.sha256:
            yield f"-: sha256 {digest[:12]}, the manifest says {shard.sha256[:12]}"
        with open_tar(path) as tar:
            for info in walk(tar):
                key, _, suffix = info.name.rpartition(".")
                member = left.get(info.name)
                if member is None:
                    yield f"{key}: member {suffix} " + ("stands twice" if info.name in wanted else "is not listed")
                    continue
                file = tar.extractfile(info) if info.isreg() and info.size == member.size else None
                digest = sha256(file.read()).hexdigest() if file else ""
                del left[info.name]
                if key != at:
                    at, placed = key, key in order  # which looks from the last key found on, as a reader does
                if not placed:
                    yield f"{key}: member {suffix} is not at its place"
                elif not info.isreg():
                    yield f"{key}: member {suffix} is no plain file"
                elif info.size != member.size:
                    yield f"{key}: member {suffix} has {info.size} bytes, the manifest says {member.size}"
                elif digest != member.sha256:
                    yield f"{key}: member {suffix} has not the sha256 that the manifest says"
    except Exception as error:  # a damaged tar can raise anything; whatever it is, it is a finding
        excuse(error, path)
        yield f"-: the shard is damaged: {describe(error)}"
    for name in left:
        key, _, suffix = name.rpartition(".")
        yield f"{key}: member {suffix} is missing"


if __name__ == "__main__":
    sys.exit(main())
