"""Who owns a run folder: the record in `owner.json`, and whether the process that it names still lives."""

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from datamodules.files import open_file
from datamodules.printable import printable
from pipeline.outputs.inside import Damaged
from pipeline.outputs.schema.files import OwnerFields
from pipeline.outputs.schema.values import check, json_document

LONGEST = 4096
"""Bytes of `owner.json` that are read; a record has some 300."""


@dataclass(frozen=True)
class Record:
    """What `owner.json` says of an owner.

    machine: this start of the machine and its space of process numbers; empty where the system does not tell them.
    started: when the process began, in clock ticks since the machine did. since: local time of that machine.
    """

    token: str
    host: str
    machine: str
    pid: int
    started: int
    since: str

    def __str__(self) -> str:
        return printable(f"process {self.pid} on {self.host} since {self.since}")


def record() -> Record:
    """Return a record of this process, with a new token."""
    now = datetime.now().isoformat(" ", "seconds")
    return Record(uuid4().hex, platform.node(), machine(), os.getpid(), begun(os.getpid()) or 0, now)


def machine() -> str:
    """Return what tells this start of this machine, and this space of process numbers, from all others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def begun(pid: int) -> int | None:
    """Return when a process began, in clock ticks since the machine did; None if it is gone, dead or not to be seen."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *numbers = line.rpartition(")")[2].split()
    return None if state in "ZXx" else int(numbers[18])


def living(owner: Record) -> bool | None:
    """Return whether an owner's process lives, stopped or not; None where that is not known, as of another machine."""
    if not owner.machine or owner.machine != machine():
        return None
    if (started := begun(owner.pid)) is not None:
        return started == owner.started
    with suppress(OSError, OverflowError):  # nobody has that number, else it is a zombie
        try:
            os.kill(owner.pid, 0)
        except PermissionError:  # a process of another user, whose entry in /proc is hidden
            return None
    return False


def read_record(path: Path) -> Record | None:
    """Return the record in a file; None where there is none. A text that is no record counts as one of an unknown
    machine. Raises Damaged for what is no regular file: no owner leaves that."""
    try:
        with open_file(path, links=False) as file:
            data = file.read(LONGEST)
    except FileNotFoundError:
        return None
    except (ValueError, IsADirectoryError) as error:
        raise Damaged(f"{path} is no regular file, as no command leaves it; delete it") from error
    except OSError:  # only its user may read it
        return unknown(str(path).encode())
    try:
        found = json_document(data, path, "")
        check(OwnerFields, found, path, "")
    except Damaged:
        return unknown(data)
    return Record(**found)


def unknown(data: bytes) -> Record:
    """Return the owner that a damaged file stands for: nothing is known of it but that file's heartbeat."""
    return Record(sha256(data).hexdigest()[:32], "an unknown machine", "", 0, 0, "an unknown time")
