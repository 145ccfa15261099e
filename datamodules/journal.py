"""What a conversion has done so far: the records counted and left out, and a journal so that a killed one continues."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from datamodules.faults import excuse
from datamodules.manifest import Entry, Shard, entry_of, shard_of
from datamodules.printable import describe
from datamodules.record import encode
from datamodules.rle import area
from datamodules.shards import ShardWriter
from datamodules.sources.base import Source

FILE = ".convert.jsonl"


@dataclass
class Tally:
    """done: how many of the source's records were read. left_out: which of them gave no sample, and why. notes: what
    was odd, and how often."""

    done: int = 0
    left_out: list[dict[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def samples(self, source: Source) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Yield key and members of the source's records from `done` on, read one at a time and checked as a reader
        will. Raises MachineError where it is not the record that is at fault."""
        for index in range(self.done, len(source.names)):
            self.done = index + 1
            try:
                record = source.read(index)
                members = encode(record, source.categories)
                notes = Counter(record.provenance.get("notes", ()))
            except Exception as error:  # a stranger's files can raise anything; it leaves its record out
                excuse(error, getattr(error, "filename", None) or source.names[index])
                self.left_out.append({"record": source.names[index], "reason": _reason(error)})
                continue
            masks = record.masks or {}
            self.counts.update(samples=1, captions=len(record.captions), masks=len(masks))
            self.counts["mask pixels"] += sum(map(area, masks.values()))
            self.notes += notes
            yield record.key, members


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else describe(error)


class Journal:
    """A file in the folder of a conversion: one line for what is converted, then one for each finished shard.

    of: all that decides the bytes; a journal of something else is refused with ValueError.
    """

    def __init__(self, folder: Path, of: Mapping[str, Any]) -> None:
        self.path = folder / FILE
        self.head = {"of": json.loads(json.dumps(of))}

    def resume(self, writer: ShardWriter) -> Tally:
        """Hand the shards that are finished to the writer; what had been done by then."""
        head, *lines = _lines(self.path) or [self.head]
        if head != self.head:
            differ = [name for name, value in self.head["of"].items() if head.get("of", {}).get(name) != value]
            raise ValueError(f"{self.path.parent} holds an unfinished conversion of something else: {differ} differ")
        tally, kept = Tally(), [self.head]
        for line in lines:
            if not writer.adopt(shard_of(line["shard"]), [entry_of(entry) for entry in line["entries"]]):
                break
            told = line["tally"]
            tally = Tally(told["done"], told["left_out"], Counter(told["counts"]), Counter(told["notes"]))
            kept.append(line)
        self.path.write_text("".join(json.dumps(line) + "\n" for line in kept))
        return tally

    def add(self, shard: Shard, entries: list[Entry], tally: Tally) -> None:
        """A shard is finished."""
        line = {"shard": asdict(shard), "entries": [asdict(entry) for entry in entries], "tally": vars(tally)}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def remove(self) -> None:
        """The conversion is over."""
        self.path.unlink(missing_ok=True)


def _lines(path: Path) -> list[Any]:
    """The whole lines of a journal; none where there is no journal."""
    found: list[Any] = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                break
    return found
