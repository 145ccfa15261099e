"""The row: all that is known of one sample after the run, one JSON object a line. Every figure derives from rows.

A line ends in its own checksum, so that a row counts only if it was written to its last byte.
"""

import json
import math
import os
import weakref
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from datamodules.jsontext import unique
from datamodules.printable import escaped
from metrics.base import Sum
from metrics.entries import Entries
from pipeline.outputs import inside
from pipeline.outputs.inside import Damaged
from pipeline.outputs.schema import row as schema

SCHEMA = 2
"""Version of a row's fields. Rows of schema 1, without `failed` and `phrases`, are read and brought up to date."""
LONGEST = 1 << 24
"""Bytes that a line may have."""
FILES, RANKS = "rows.*.jsonl", 900
"""The files of rows, which stay open while rows are read, and how many there may be."""
_TAIL = len(b'"crc32":"01234567"}')


class Spoken(NamedTuple):
    """A word of the answer. n_tokens: how many it has; skipped: tokens that stand among them and belong to no word."""

    text: str
    label: str
    lemma: str
    first_token: int
    n_tokens: int
    skipped: tuple[int, ...] = ()

    @classmethod
    def of(cls, text: str, label: str, lemma: str, tokens: Sequence[int]) -> "Spoken":
        """Return the word that has these tokens, ascending and at least one."""
        skipped = tuple(sorted(set(range(tokens[0], tokens[-1] + 1)) - set(tokens)))
        return cls(text, label, lemma, tokens[0], len(tokens), skipped)

    @property
    def tokens(self) -> list[int]:
        """The indices of its tokens, ascending."""
        span = range(self.first_token, self.first_token + self.n_tokens + len(self.skipped))
        return [token for token in span if token not in self.skipped]


@dataclass(frozen=True)
class Row:
    """One sample, scored; or quarantined, then `error` says why and everything else may be absent.

    `schema/row.py` says what a file may hold in each field.

    answer: ids, pieces, text, ended, and end, which rows of earlier versions lack. captions: metric -> sum.
    explainers: name -> profile -> entries.
    failed: name -> reason, of explainers that failed on this sample; they are no key of `explainers`.
    phrases: first word and number of words, of each phrase of several words that names a category in `corrected`.
    seconds: stage -> seconds. batch: size of the smallest batch in which a part of it was computed; redone: where that
        is a part of the planned batch, the kind of error that the larger one ended with.
    """

    key: str
    index: int
    answer: Mapping[str, Any] | None = None
    words: Sequence[tuple[Any, ...]] = ()
    captions: Mapping[str, Sum] = field(default_factory=dict)
    explainers: Mapping[str, Mapping[str, Entries]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    batch: int = 1
    redone: str | None = None
    error: str | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    phrases: Sequence[tuple[int, int]] = ()
    schema: int = SCHEMA

    @property
    def lacking(self) -> float:
        """Return how many explainers have no entry here; infinity where the sample is quarantined."""
        return lacking(self.error, self.failed)

    @property
    def spoken(self) -> tuple[Spoken, ...]:
        """The words by name."""
        return tuple(Spoken(*word[:5], *map(tuple, word[5:])) for word in self.words)


class Torn(ValueError):
    """A line that was not written to its end, or was changed afterwards."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is kept at hand of a row on disk: its place in the manifest, why it is quarantined if it is, the names of
    the explainers that failed, its line."""

    index: int
    error: str | None
    failed: tuple[str, ...]
    file: int
    start: int
    size: int

    @property
    def lacking(self) -> float:
        """As `Row.lacking`."""
        return lacking(self.error, self.failed)


class Rows(Mapping[str, Row]):
    """The rows of some files by key, in the order found. Only heads are in memory: a row is read when it is asked for.

    Of several rows with one key that counts which lacks the fewest explainers, and of such rows the first; a
    quarantined one counts where there is no other. dropped: lines that were torn.
    """

    def __init__(self) -> None:
        self.heads: dict[str, Head] = {}
        self.dropped = 0

    def add(self, path: Path) -> None:
        """Find the rows of one more file. Raises ValueError, naming file and line, for the schema of another version
        and for fields that no run writes; Damaged for what is no regular file or has a line without end."""
        start = number = 0
        if path.is_symlink():
            raise Damaged(f"{path} is a link; rows are read from files alone: put the file there, or delete the link")
        with inside.opened(path.parent, path.name) as lines:
            file = os.dup(lines.fileno())
            weakref.finalize(self, os.close, file)
            while line := lines.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    raise Damaged(f"{path}:{number}: a line of more than {LONGEST:,} bytes; delete it")
                try:
                    fields = check(line)
                except Torn:
                    self.dropped += 1
                except (ValueError, RecursionError) as error:
                    raise Damaged(f"{path}:{number}: {error}") from error
                else:
                    schema.row(fields, f"{path}:{number}")
                    found = Head(fields["index"], fields["error"], tuple(fields["failed"]), file, start, len(line))
                    known = self.heads.get(fields["key"])
                    if known is None or found.lacking < known.lacking:
                        self.heads[fields["key"]] = found
                start += len(line)

    def __getitem__(self, key: str) -> Row:
        head = self.heads[key]
        return decode(os.pread(head.file, head.size, head.start))

    def __iter__(self) -> Iterator[str]:
        return iter(self.heads)

    def __len__(self) -> int:
        return len(self.heads)

    def done(self, retry: bool = False) -> frozenset[str]:
        """Keys that need no more work; with `retry` those do that are quarantined or lack an explainer."""
        return frozenset(key for key, head in self.heads.items() if not (retry and head.lacking))


def lacking(error: str | None, failed: Collection[str]) -> float:
    """Return how many explainers a row has no entry of; infinity for a quarantined one."""
    return float(len(failed)) if error is None else math.inf


def encode(row: Row) -> bytes:
    """The line of `row`: UTF-8, sorted keys, not-a-number as null, last key `crc32` over the bytes before it."""
    fields = vars(row) | {
        "words": [word if any(word[5:]) else word[:5] for word in row.words],
        "captions": {name: [value.total, value.count] for name, value in row.captions.items()},
        "explainers": {
            name: {profile: entries.to_json() for profile, entries in profiles.items()}
            for name, profiles in row.explainers.items()
        },
    }
    text = json.dumps(_finite(fields), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    body = escaped(text[:-1]).encode() + b","
    return body + b'"crc32":"%08x"}\n' % zlib.crc32(body)


def check(line: bytes) -> dict[str, Any]:
    """The fields of a whole line. Raises `Torn`, and `ValueError` for the schema of another version."""
    if not line.endswith(b"\n"):
        raise Torn("the line has no end")
    body, tail = line[: -_TAIL - 1], line[-_TAIL - 1 : -1]
    if tail != b'"crc32":"%08x"}' % zlib.crc32(body):
        raise Torn("the checksum is wrong")
    fields = json.loads(line, object_pairs_hook=unique)
    if not isinstance(fields, dict):
        raise ValueError("the line is no row")
    if type(fields.get("schema")) is not int or not 1 <= fields["schema"] <= SCHEMA:
        raise ValueError(f"row of schema {fields.get('schema')!r}; this version reads schemas 1 and {SCHEMA}")
    del fields["crc32"]
    return {"failed": {}, "phrases": [], **fields, "schema": SCHEMA}


def decode(line: bytes) -> Row:
    """The row of a whole line, which is checked first."""
    fields = check(line)
    fields["words"] = tuple(Spoken(*word[:5], *map(tuple, word[5:])) for word in fields["words"])
    fields["phrases"] = tuple(map(tuple, fields["phrases"]))
    fields["captions"] = {name: Sum(total, count) for name, (total, count) in fields["captions"].items()}
    fields["explainers"] = {
        name: {profile: Entries.from_json(entries) for profile, entries in profiles.items()}
        for name, profiles in fields["explainers"].items()
    }
    return Row(**fields)


def read_rows(folder: Path) -> Rows:
    """All complete rows of a run folder, files in order of name."""
    rows, files = Rows(), inside.names(folder, FILES)
    if len(files) > RANKS:
        raise Damaged(f"{folder} holds more than {RANKS} files of rows; a run has one for each of its processes")
    for name in files:
        rows.add(folder / name)
    return rows


class RowWriter:
    """Appends rows to one file, never through a link. A torn last line, left by a killed process, is cut off first.

    verify: called before each change; what it raises leaves the file as it is.
    """

    def __init__(self, path: Path, verify: Callable[[], object] | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.verify = path, verify or _unowned
        self.verify()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        size = os.fstat(self._file).st_size
        end = os.pread(self._file, LONGEST, max(0, size - LONGEST))
        if end and not end.endswith(b"\n"):
            torn = len(end) - (end.rfind(b"\n") + 1)
            if torn == LONGEST:
                raise Damaged(f"{path}: its last line has no end; delete the file")
            os.ftruncate(self._file, size - torn)

    def write(self, row: Row) -> None:
        """Append `row`; when this returns, the row survives the death of the process. OSError names the file."""
        line, start = encode(row), os.fstat(self._file).st_size
        self.verify()
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError as error:
            os.ftruncate(self._file, start)  # a full disk leaves no half line in front of the next row
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _unowned() -> None:
    """Verify nothing, where a folder has no owner."""


def _finite(value: Any) -> Any:
    """`value` with NaN and infinities as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
