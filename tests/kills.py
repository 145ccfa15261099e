"""A run, kill -9 at a moment by chance, reruns to completion; what the evidence says was lost or done again.

Half of the moments are even in time, from outside, over all of an undisturbed run but its imports. They seldom meet
what is short, so the other half are even in what a rank changes in the run folder: it dies before, in or after a row, a
picture, the renaming of a summary. The victim is one rank or all; with the others `tests.ranks` does as torchrun does.
"""

import json
import random
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline.outputs.records import Torn, decode
from tests.ranks import Blow, launch, warm

SAMPLES, BATCH = 14, 3
"""Five batches, the last one short: uneven over 2 or 3 ranks, and fewer than 7."""
ARGS = ["--limit", str(SAMPLES), "--batch_size", str(BATCH), "--explainers", "cam"]
ARGS += ["--figures", "1", "--wandb.mode", "disabled"]

PHASES = ("starting", "explaining", "between rows", "in a row", "after a batch", "writing the summary")


@dataclass(frozen=True)
class Attempt:
    """One start of the command, to its end or its death.

    statuses, changes, batches: of each rank: how it ended, how often it changed the run folder, the keys of the batches
    that it began. lines: the whole rows in the folder afterwards. phase: what the rank that died first was doing.
    unmoved: ranks that SIGTERM did not end in time.
    """

    statuses: list[int]
    seconds: float
    changes: list[int]
    batches: list[list[list[str]]]
    lines: list[bytes]
    phase: str
    unmoved: int

    @property
    def killed(self) -> bool:
        """Whether any rank died as it was meant to."""
        return -signal.SIGKILL in self.statuses


@dataclass(frozen=True)
class Trial:
    """A run that was killed and rerun to completion.

    attempts: the last one was not killed. redone: samples that a killed rank had begun and a later attempt began again,
    for the worst rank of the worst kill. faults: what should not be, in words.
    """

    attempts: list[Attempt]
    redone: int
    faults: list[str]

    @property
    def phases(self) -> list[str]:
        """Where each kill hit."""
        return [attempt.phase for attempt in self.attempts[:-1]]


class Trials:
    """Runs and trials below `folder`; a trial follows from `seed`, its number and the speed of the machine."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder, self.seed = folder, seed
        self.whole = cache(self._whole)

    def _whole(self, ranks: int) -> Attempt:
        """An undisturbed run on so many ranks."""
        warm()
        return self.attempt(self.folder / f"whole-{ranks}", ranks)

    def summary(self, ranks: int) -> bytes:
        """Of the undisturbed run on so many ranks."""
        self.whole(ranks)
        return (self.folder / f"whole-{ranks}" / "run" / "summary.json").read_bytes()

    def attempt(
        self, folder: Path, ranks: int, blow: Blow | None = None, dies: int = -1, at: int = 0, part: float = 0.0
    ) -> Attempt:
        """Start the command on `folder`/run. dies, at, part: as `tests.witness.Witness` says."""
        number = len(list(folder.glob("evidence-*"))) + 1
        evidence, run = folder / f"evidence-{number}", folder / "run"
        evidence.mkdir(parents=True)
        witness = {"folder": str(run), "evidence": str(evidence), "dies": dies, "at": at, "part": part}
        args = [*ARGS, "--run_dir", str(run), "--trainer.callbacks+=tests.witness.Witness"]
        start = time.monotonic()
        # not by parameters, which are part of the run: a rerun has another witness
        statuses = launch(args, ranks, evidence / "said.txt", blow, {"WITNESS": json.dumps(witness)})
        seconds = time.monotonic() - start
        events = [read(evidence / f"{rank}.jsonl") for rank in range(ranks)]
        victims = blow.victims if blow else ()
        first = dies if dies >= 0 else min(victims, default=0)
        return Attempt(
            statuses,
            seconds,
            changes=[sum(what != "batch" for what, _ in of) for of in events],
            batches=[[keys for what, keys in of if what == "batch"] for of in events],
            lines=whole_lines(run),
            phase=phase(events[first], run / f"rows.{first}.jsonl"),
            unmoved=sum(status == -signal.SIGKILL for rank, status in enumerate(statuses) if rank not in victims),
        )

    def struck(self, folder: Path, ranks: int, chance: random.Random) -> Attempt:
        """An attempt with a kill at a moment by chance; it may be over before that comes."""
        victims = chance.choice([[rank] for rank in range(ranks)] + [list(range(ranks))])
        whole = self.whole(ranks)
        if chance.random() < 0.5:
            return self.attempt(folder, ranks, Blow(victims, chance.uniform(0, whole.seconds)))
        dies = chance.choice(victims)
        at, part = chance.randint(1, whole.changes[dies]), chance.choice([0.0, chance.random(), 1.0])
        return self.attempt(folder, ranks, Blow(victims), dies, at, part)

    def trial(self, number: int) -> Trial:
        """Kill a run of 2 or 3 ranks, in one of three trials its rerun too; each rerun is of 1 to 3 ranks."""
        chance = random.Random(f"{self.seed}/{number}")
        folder = self.folder / f"trial-{number}"
        kills = chance.choice([1, 1, 2])
        while not (first := self.struck(folder, chance.choice([2, 3]), chance)).killed:
            shutil.rmtree(folder)
        attempts = [first]
        while attempts[-1].killed:
            ranks = chance.choice([1, 2, 3])
            more = len(attempts) < kills
            attempts.append(self.struck(folder, ranks, chance) if more else self.attempt(folder, ranks))
        return self.judged(folder / "run", attempts)

    def judged(self, run: Path, attempts: list[Attempt]) -> Trial:
        """What the evidence says."""
        *killed, last = attempts
        faults, wanted = [], self.summary(1)
        if any(last.statuses):
            faults.append(f"the rerun ended with {last.statuses}")
        elif (run / "summary.json").read_bytes() != wanted:
            faults.append("summary.json differs")
        if lost := set().union(*(attempt.lines for attempt in killed)) - set(last.lines):
            faults.append(f"{len(lost)} rows lost")
        if len(last.lines) != SAMPLES:
            faults.append(f"{len(last.lines)} rows of {SAMPLES} samples")
        if left := files(run) - files(self.folder / "whole-1" / "run"):
            faults.append(f"left behind: {', '.join(sorted(left))}")
        redone = 0
        for number, attempt in enumerate(killed, 1):
            again = {key for later in attempts[number:] for key in flat(flat(later.batches))}
            redone = max(redone, *(sum(key in again for key in flat(rank)) for rank in attempt.batches))
        if redone > BATCH:
            faults.append(f"{redone} samples of a rank redone after one kill")
        return Trial(attempts, redone, faults)


flat = chain.from_iterable


def read(path: Path) -> list[list[Any]]:
    """What a rank left as evidence; it may have died before."""
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def whole_lines(run: Path) -> list[bytes]:
    """The lines of all rows that count."""
    lines = flat(path.read_bytes().splitlines(keepends=True) for path in run.glob("rows.*.jsonl"))
    return [line for line in lines if key_of(line)]


def key_of(line: bytes) -> str | None:
    """Whose row it is; None where it is torn."""
    try:
        return decode(line).key
    except Torn:
        return None


def files(run: Path) -> set[str]:
    """The names of all files but those of rows, which follow from the number of ranks."""
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and path.suffix != ".jsonl"}


def phase(events: Sequence[Sequence[Any]], rows: Path) -> str:
    """What a rank was doing that left these events and this file of rows."""
    if any(what != "batch" and name.startswith((".summary", ".timing")) for what, name in events):
        return "writing the summary"
    if not (begun := [keys for what, keys in events if what == "batch"]):
        return "starting"
    *before, end = rows.read_bytes().split(b"\n")
    if end:
        return "in a row"
    written = sum(key_of(line + b"\n") in begun[-1] for line in before)
    return "explaining" if not written else "between rows" if written < len(begun[-1]) else "after a batch"
