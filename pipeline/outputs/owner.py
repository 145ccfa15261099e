"""One owner per folder: `owner.json` says which command may write there, and whether that command still lives.

It works on shared file systems too. A name is taken with `link`, which succeeds for one process of all machines, and
`owner.json` is replaced with `rename`. An owner on this machine is judged by its process. One on another machine is
judged by its heartbeat, the file's time of change: it must be `SILENCE` seconds old by the clock of the file system, or
stand still for so long by the clock of the process that waits. Each owner has a token, which whoever writes compares.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from pipeline.outputs.inside import Damaged
from pipeline.outputs.owner_record import Record, living, read_record, record, unknown

NAME = "owner.json"
NEXT, PART = ".owner.json.{}.next", ".owner.json.{}.part"
LEFT = (NEXT.format("*"), PART.format("*"))
"""What a process leaves beside `NAME` when it is killed while it takes a folder or gives it up."""
BEAT, SILENCE, POLL = 5.0, 60.0, 0.5
"""Seconds between two heartbeats; without one before an owner elsewhere counts as dead; between two looks at it."""


class OwnedError(Exception):
    """The folder belongs to another command; the message names that command and the remedy."""


@dataclass(frozen=True)
class Claim:
    """The right to write into `folder`; every rank of a run holds a copy."""

    folder: Path
    token: str

    def verify(self) -> None:
        """Raise OwnedError where the folder was taken, started over or removed meanwhile; one small file is read."""
        owner = known(self.folder)
        if owner is None or owner.token != self.token:
            what = "was taken over by " + str(owner) if owner else f"has lost its {NAME}: it was removed or taken over"
            raise OwnedError(f"{self.folder} {what}; this command writes nothing more")


class Ownership:
    """The ownership of `claim.folder` by this process, with its heartbeat, until `release`."""

    def __init__(self, folder: Path, record: Record) -> None:
        self.claim, self.record = Claim(folder, record.token), record
        self._file = os.open(folder / NAME, os.O_RDWR | os.O_NOFOLLOW)  # this file, never that of a successor
        self._over = threading.Event()
        self._pulse = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._pulse.start()

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            with suppress(OSError):  # it was replaced, which `verify` says, or the disk has a fault, which a row says
                os.utime(self._file)

    def release(self) -> None:
        """Give the folder up, unless it was taken meanwhile. A second call does nothing, nor does that of a child."""
        if self._over.is_set() or os.getpid() != self.record.pid:
            return
        self._over.set()
        self._pulse.join()
        os.close(self._file)
        folder, last = self.claim.folder, record()
        if known(folder) != self.record:
            return
        claimed = folder / NEXT.format(self.record.token)
        with suppress(OSError), _written(folder, last) as part:
            if _link(part, claimed):  # who takes the folder needs this name, so now nobody does
                if known(folder) == last:
                    (folder / NAME).unlink()
                claimed.unlink()


def read(folder: Path) -> tuple[Record | None, list[Path]]:
    """Return who owns `folder`, None if nobody does, and the files that say so: `owner.json` and those that follow.

    One follows where a process took the folder from a dead owner and was itself killed before it replaced `owner.json`.
    Raises Damaged where one of them is no regular file.
    """
    owner, files, tokens = read_record(folder / NAME), [folder / NAME], set[str]()
    while owner is not None:
        tokens.add(owner.token)
        path = folder / NEXT.format(owner.token)
        if (successor := read_record(path)) is None:
            return owner, files
        if successor.token in tokens:  # a circle, which no owner makes
            successor = unknown(str(path).encode())
        owner, files = successor, [*files, path]
    return None, []


def known(folder: Path) -> Record | None:
    """Return who owns `folder`; None also where that cannot be read from what lies there."""
    with suppress(Damaged):
        return read(folder)[0]
    return None


def at_work(folder: Path, owner: object) -> OwnedError:
    """Return the error of a command that finds `owner` at work in `folder`."""
    mend = "wait for its end, stop it, or choose another folder"
    return OwnedError(f"{folder} belongs to {owner}, which is at work there; {mend}")


def take(folder: Path, say: Callable[[str], object], silence: float = SILENCE) -> Ownership:
    """Make this process the owner of `folder`, which is made if it is missing.

    say: is given a line where an owner on another machine is waited for, at most `silence` seconds. Raises OwnedError
    while another command is at work there, Damaged as `read` does, OSError where nothing can be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seen: tuple[str, int, float] | None = None
    while True:
        owner, files = read(folder)
        if owner is not None:
            alive, beat = living(owner), _beat_of(files[-1])
            if alive is None and beat is not None and _clock_of(folder) - beat > silence * 1e9:
                alive = False
            elif alive is None and beat is not None:
                if seen is None or seen[0] != owner.token:
                    say(f"{folder} belongs to {owner}; in {silence:g} s without a sign of life it is taken over")
                    seen = (owner.token, beat, time.monotonic())
                alive = beat != seen[1] or (None if time.monotonic() < seen[2] + silence else False)
            if alive:
                raise at_work(folder, owner)
            if alive is None:
                time.sleep(min(POLL, silence))
                continue
        mine = record()
        if _succeed(folder, owner, files, mine):
            _sweep(folder)
            return Ownership(folder, mine)


@contextmanager
def owned(folder: Path, say: Callable[[str], object]) -> Iterator[Claim]:
    """Own `folder` inside; as `take`."""
    ownership = take(folder, say)
    try:
        yield ownership.claim
    finally:
        ownership.release()


def _succeed(folder: Path, owner: Record | None, files: list[Path], mine: Record) -> bool:
    """Put `mine` in the place of a dead `owner`, or of none; whether nobody was faster."""
    with _written(folder, mine) as part:
        if owner is None:
            return _link(part, folder / NAME)
        claimed = folder / NEXT.format(owner.token)
        if not _link(part, claimed):
            return False
        if won := known(folder) == mine:  # else `owner.json` was replaced before that name was free again
            part.replace(folder / NAME)
        for path in [*files[1:], claimed] if won else [claimed]:
            path.unlink(missing_ok=True)
        return won


def _sweep(folder: Path) -> None:
    """Remove what processes of this machine left that were killed while they took the folder or gave it up."""
    for path in [path for pattern in LEFT for path in folder.glob(pattern)]:
        with suppress(Damaged):
            if (left := read_record(path)) is not None and living(left) is False:
                path.unlink(missing_ok=True)


@contextmanager
def _written(folder: Path, owner: Record) -> Iterator[Path]:
    """A file of its own that holds `owner`, there only inside."""
    part = folder / PART.format(owner.token)
    part.write_text(json.dumps(asdict(owner), indent=2) + "\n", encoding="utf-8")
    try:
        yield part
    finally:
        with suppress(OSError):  # a disk that has become read-only is told by whoever writes to it next
            part.unlink()


def _link(part: Path, name: Path) -> bool:
    """Give `part` a further name; False where that is taken."""
    try:
        os.link(part, name)
    except FileExistsError:
        return False
    except FileNotFoundError:  # `part` was swept away as a dead process's
        return False
    except OSError:  # the file system has no links
        try:
            with name.open("x", encoding="utf-8") as file:
                file.write(part.read_text(encoding="utf-8"))
        except FileExistsError:
            return False
    return True


def _clock_of(folder: Path) -> int:
    """Return the time of the file system that holds `folder`, in nanoseconds: that of a file made just now."""
    path = folder / PART.format(uuid4().hex)
    path.touch(exist_ok=False)
    now = path.stat().st_mtime_ns
    with suppress(OSError):
        path.unlink()
    return now


def _beat_of(path: Path) -> int | None:
    """The time of the last heartbeat, in nanoseconds of the file system's clock; None where the file is gone."""
    with suppress(OSError):
        os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK))  # then the server is asked anew
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return None
