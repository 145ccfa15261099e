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
from pipeline.outputs.fingerprint import canonical, differences, write_json


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

    @classmethod
    def open(cls, folder: Path, identity: Mapping[str, Any]) -> "Record":
        """What an earlier start left in `folder`. UsageError where that is another sweep, naming what differs."""
        path = folder / "sweep.json"
        wanted = json.loads(canonical(identity))
        if not path.exists():
            if (folder / "env.json").exists():
                raise UsageError(f"{folder} holds a run, not a sweep; choose another --out")
            return cls(folder, wanted)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            trials = [Trial(**trial) for trial in found["trials"]]
            changed = differences(found["sweep"], wanted)
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is not that of a sweep ({error}); choose another --out") from error
        if changed:
            raise UsageError(f"{folder} holds another sweep ({'; '.join(changed)}); choose another --out")
        return cls(folder, wanted, trials)

    def begin(self, values: Mapping[str, Any]) -> Trial:
        """A new trial, on record before it starts: should it be stopped, it goes on with the same values."""
        return self.put(Trial(len(self.trials), values))

    def put(self, trial: Trial, **changes: Any) -> Trial:
        """`trial` with `changes`, on record."""
        changed = replace(trial, **changes)
        self.trials[trial.number : trial.number + 1] = [changed]
        write_json(self.folder / "sweep.json", {"sweep": self.identity, "trials": [asdict(one) for one in self.trials]})
        return changed

    def run_dir(self, number: int) -> Path:
        """The run folder of a trial."""
        return self.folder / "trials" / str(number)

    def log(self, number: int) -> Path:
        """What a trial said."""
        return self.folder / "logs" / f"{number}.txt"

    def summary(self, number: int) -> dict[str, Any] | None:
        """The summary of a trial's run; None before there is one."""
        path = self.run_dir(number) / "summary.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """`folder` for one sweep alone: a descriptor that its trials keep open too. UsageError where another has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UsageError(f"--out: {error.filename}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError as error:
        raise UsageError(f"--out: a sweep is at work in {folder}, or a trial that one left behind") from error
    finally:
        os.close(descriptor)
