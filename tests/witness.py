"""What a rank begins and changes, written down as it happens; and kill -9 at one of these changes.

    WITNESS='{"folder": RUN_DIR, "evidence": DIR, "dies": 1, "at": 12}' \
        run_eval.py ... --trainer.callbacks+=tests.witness.Witness
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from lightning import Callback, LightningModule, Trainer

from datamodules.sample import Sample
from pipeline.outputs import records

CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir")
"""Events that Python raises before a change of this kind; so does "open", for reading too."""


class Witness(Callback):
    """Appends a line to `evidence`/<rank>.jsonl for every batch that this rank begins and every change that it is about
    to make below `folder`. The trainer makes it before the run folder is opened, so no change escapes it.

    The variable WITNESS holds as JSON:
        folder: the run folder.
        evidence: a folder that exists.
        dies: the rank that dies of SIGKILL; none by default.
        at: the number of the change that it dies at, from 1. A file that was to be opened, renamed or removed is not.
        part: how much of the line is written if the change is a row: 0 nothing, 1 all of it, between them it is torn.
    """

    def __init__(self) -> None:
        rank, told = int(os.environ["RANK"]), json.loads(os.environ["WITNESS"])
        self.folder, self.part = os.path.join(told["folder"], ""), told.get("part", 0.0)
        self.at = told.get("at", 0) if rank == told.get("dies", -1) else 0
        self.changes = 0
        self.file = os.open(os.path.join(told["evidence"], f"{rank}.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        sys.addaudithook(self.audit)
        records.os = SimpleNamespace(**{**vars(os), "write": self.write})  # type: ignore[attr-defined]

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Sequence[Sample], *_: object
    ) -> None:
        """From here on the batch costs something."""
        self.note("batch", [sample.key for sample in batch])

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """Called by Python before anything is opened, renamed and so on."""
        if event in CHANGES or (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)):
            path = args[0] if isinstance(args[0], int) else os.fsdecode(args[0])
            if isinstance(path, str) and path.startswith(self.folder) and self.last(event, path):
                die()

    def write(self, file: int, line: bytes) -> int:
        """`os.write` of the file of rows."""
        if self.last("row", ""):
            os.write(file, line[: int(len(line) * self.part)])
            die()
        return os.write(file, line)

    def last(self, event: str, path: str) -> bool:
        """Notes a change; whether it is the one to die at."""
        self.changes += 1
        self.note(event, path.removeprefix(self.folder))
        return self.changes == self.at

    def note(self, *what: object) -> None:
        """One line, there also when the process dies next."""
        os.write(self.file, json.dumps(what).encode() + b"\n")


def die() -> None:
    """As by kill -9 from outside: nothing is flushed, nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
