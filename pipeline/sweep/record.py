"""`sweep.json`: which trials a sweep has had, with which values, and how each ended."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pipeline.arguments import UsageError
from pipeline.outputs import documents, inside
from pipeline.outputs.fingerprint import canonical, differences, write_json
from pipeline.outputs.inside import Damaged
from pipeline.outputs.owner import Claim, at_work, known
from pipeline.outputs.owner_record import living
from pipeline.outputs.schema.files import SweepFields
from pipeline.outputs.schema.values import check, json_document

MOST = 1 << 26
"""Bytes that `sweep.json` may have."""


@dataclass(frozen=True)
class Trial:
    """values: of every parameter. figure: the sweep's metric. error: why it failed, in one line."""

    number: int
    values: Mapping[str, Any]
    status: Literal["started", "complete", "failed"] = "started"
    figure: float | int | None = None
    error: str | None = None


@dataclass
class Record:
    """The trials of one folder, written whole after each change. identity: what makes two sweeps the same."""

    folder: Path
    identity: Mapping[str, Any]
    trials: list[Trial] = field(default_factory=list)
    claim: Claim | None = None

    @classmethod
    def open(cls, folder: Path, identity: Mapping[str, Any], claim: Claim | None = None) -> "Record":
        """What an earlier start left in `folder`. UsageError where that is another sweep, naming what differs.

        claim: the right to write there, without which OwnedError is raised later, and nothing is written.
        """
        path, remedy = folder / "sweep.json", "choose another --out"
        wanted = json.loads(canonical(identity))
        if not inside.has(folder, "sweep.json"):
            if inside.has(folder, "env.json"):
                raise UsageError(f"{folder} holds a run, not a sweep; choose another --out")
            return cls(folder, wanted, claim=claim)
        try:
            found = json_document(inside.read(folder, "sweep.json", limit=MOST), path, remedy)
            check(SweepFields, found, path, remedy)
        except Damaged as error:
            raise UsageError(error) from error
        trials = [Trial(**trial) for trial in found["trials"]]
        if changed := differences(found["sweep"], wanted):
            raise UsageError(f"{folder} holds another sweep ({'; '.join(changed)}); choose another --out")
        for number, trial in enumerate(trials):
            if trial.number != number:
                raise UsageError(f"{path}: trials.{number}.number: {trial.number}, not {number}; {remedy}")
        return cls(folder, wanted, trials, claim)

    def begin(self, values: Mapping[str, Any]) -> Trial:
        """A new trial, on record before it starts: should it be stopped, it goes on with the same values."""
        return self.put(Trial(len(self.trials), values))

    def put(self, trial: Trial, **changes: Any) -> Trial:
        """`trial` with `changes`, on record."""
        changed = replace(trial, **changes)
        self.trials[trial.number : trial.number + 1] = [changed]
        record = {"sweep": self.identity, "trials": [asdict(one) for one in self.trials]}
        write_json(self.folder / "sweep.json", record, self.verify)
        return changed

    def verify(self) -> None:
        """Raise OwnedError where another sweep has the folder by now."""
        if self.claim is not None:
            self.claim.verify()

    def run_dir(self, number: int) -> Path:
        """The run folder of a trial. UsageError where a link there leads out of the sweep's folder."""
        self._stays("trials", str(number))
        return self.folder / "trials" / str(number)

    def log(self, number: int) -> Path:
        """The file of what a trial said. UsageError where a link there leads out of the sweep's folder."""
        self._stays("logs", f"{number}.txt")
        return self.folder / "logs" / f"{number}.txt"

    def _stays(self, *parts: str) -> None:
        try:
            inside.resolved(self.folder, *parts)
        except Damaged as error:
            raise UsageError(f"--out: {error}") from error

    def summary(self, number: int) -> dict[str, Any] | None:
        """The summary of a trial's run; None before there is one. UsageError where it is damaged."""
        folder = self.run_dir(number)
        try:
            return documents.summary(folder) if inside.has(folder, "summary.json") else None
        except Damaged as error:
            raise UsageError(f"trial {number}: {error}") from error


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """`folder` for one sweep alone: a descriptor that its trials keep open too. OwnedError where another has it, or a
    trial that one left behind; UsageError where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise UsageError(f"--out: {error.filename}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = known(folder)
            named = owner is not None and living(owner) is not False
            raise at_work(folder, owner if named else "another sweep, or to a trial that one left behind") from error
        yield descriptor
    finally:
        os.close(descriptor)
