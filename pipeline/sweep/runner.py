"""The trials of a sweep, one after the other: each a process that ends with a run folder or with a reason."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.process import BaseProcess
from pathlib import Path

from datamodules.faults import MachineError
from pipeline import arguments, cli
from pipeline.arguments import UsageError
from pipeline.status import AT_FAULT, STOPPED
from pipeline.stop import Stop, Stopped
from pipeline.sweep import alike, process, search, show
from pipeline.sweep.ranks import Ranks
from pipeline.sweep.record import Record, Trial

POLL = 0.1
"""Seconds between two looks at a trial."""


@dataclass(frozen=True)
class Runner:
    """A sweep in its folder. options: for every run. words: their word backend. inside: whether they need no
    interpreter of their own."""

    sweep: search.Sweep
    record: Record
    seed: int
    options: Sequence[str]
    words: str
    inside: bool
    lock: int
    stop: Stop

    @cached_property
    def ranks(self) -> Ranks:
        """Return the trials side by side."""
        return Ranks(self.sweep, self.record)

    def carry_out(self, total: int) -> None:
        """All trials up to `total`, or until the target is reached or nothing new is proposed. Raises Stopped, and
        UsageError where trials differ in more than the sweep's parameters."""
        for known in self.record.trials:
            if known.status == "complete" and not self.whole(known):  # its folder was deleted, so its figure goes too
                self.record.put(known, status="started", figure=None)
        self.compare()
        live = show.Live(self.ranks, total)
        live.known(trial for trial in self.record.trials[:total] if self.whole(trial))
        with live.bar:
            live.console.show_cursor()  # so that it is still there after a second Ctrl-C
            for number in range(total):
                if self.reached():
                    break
                trial = self.trial(number)
                if trial is None:
                    live.console.print(f"after {number} trials {self.sweep.method} has nothing that was not tried")
                    break
                if not self.whole(trial):
                    with self.stop.batch():
                        trial = self.run(trial, live)
                    live.ended(trial)

    def trial(self, number: int) -> Trial | None:
        """Trial `number`, as it is on record or with values that are new."""
        trials = self.record.trials
        if number < len(trials):
            return trials[number]
        values = search.propose(self.sweep, self.seed, [(trial.values, trial.figure) for trial in trials])
        return None if values is None else self.record.begin(values)

    def run(self, trial: Trial, live: show.Live) -> Trial:
        """`trial` as it ended. Raises Stopped where it was stopped, MachineError for what no trial would survive,
        UsageError where it differs from those before in more than its values."""
        if self.mark(trial).exists():
            self.compare(trial)
        log = self.record.log(trial.number)
        log.parent.mkdir(exist_ok=True)
        args = arguments_of(trial, self.options, self.record)
        if self.inside:
            process.warm(self.words)
        command = ["run_eval.py", *args] if self.inside else spelt(self.sweep, args)
        live.begun(self.record.run_dir(trial.number), log)
        running = process.start(command, self.inside, log, self.lock, self.stop)
        told = self.wait(running, trial, live)
        status, figure = running.exitcode, None
        if status == 0:
            self.compare(trial)
            figure = show.figures(self.record, trial).get(self.sweep.metric)
            if figure is not None:
                return self.record.put(trial, status="complete", figure=figure, error=None)
        elif told or status == STOPPED:
            raise Stopped
        why = reason(status, log, self.sweep.metric)
        if status == AT_FAULT:
            raise MachineError(f"trial {trial.number}: {why}")
        return self.record.put(trial, status="failed", error=why)

    def wait(self, running: BaseProcess, trial: Trial, live: show.Live) -> bool:
        """Until a trial ends: whether it was told to. Raises UsageError as soon as its fingerprint is there and is not
        what it should be, so that none of its samples is waited for."""
        told, compared = False, self.mark(trial).exists()
        while running.is_alive():
            time.sleep(POLL)
            live.tick()
            if not compared and self.mark(trial).exists():
                try:
                    self.compare(trial)
                except UsageError:
                    running.terminate()
                    running.join()
                    raise
                compared = True
            if self.stop.received is not None and not told:
                running.terminate()
                told = True
        return told

    def compare(self, *begun: Trial) -> None:
        """UsageError, with what differs, where trials that are complete, and those that are begun, differ in more than
        their values. The latter then count as failed."""
        if why := alike.apart(self.record, [*filter(self.whole, self.record.trials), *begun]):
            for trial in begun:
                self.record.put(trial, status="failed", error=why)
            raise UsageError(why)

    def mark(self, trial: Trial) -> Path:
        """What has the fingerprint of a trial once its run is open."""
        return self.record.run_dir(trial.number) / "env.json"

    def whole(self, trial: Trial) -> bool:
        """Whether a trial need not be run again."""
        return trial.status == "complete" and self.record.summary(trial.number) is not None

    def reached(self) -> bool:
        """Whether the metric's target is reached."""
        leader = self.ranks.best(self.record.trials)
        if leader is None or leader.figure is None or self.sweep.target is None:
            return False
        return leader.figure >= self.sweep.target if self.sweep.maximize else leader.figure <= self.sweep.target


def arguments_of(trial: Trial, options: Sequence[str], record: Record) -> list[str]:
    """The arguments of one run; later ones win, so that the values on record are those of the run. Unless the sweep or
    its options say otherwise, trials share a cache, keep few pictures and draw none, which would take a third of their
    time, and leave W&B alone."""
    defaults = [f"--cache={record.folder / 'cache'}", "--figures=2", "--panels=0", "--wandb.mode=disabled"]
    given = [f"--{name}={arguments.plain(value)}" for name, value in trial.values.items()]
    return [*defaults, *options, *given, f"--run_dir={record.run_dir(trial.number)}"]


def spelt(sweep: search.Sweep, args: Sequence[str]) -> list[str]:
    """The sweep's command with its macros filled in, as W&B's agent does."""
    macros: dict[str, Sequence[str]] = {
        "${env}": ["/usr/bin/env"],
        "${interpreter}": [sys.executable],
        "${program}": [str(program(sweep))],
        "${args}": args,
    }
    filled = [search.VARIABLE.sub(lambda found: os.environ.get(found[1], found[1]), word) for word in sweep.command]
    return [word for one in filled for word in macros.get(one, [one])]


def fits_inside(sweep: search.Sweep, job: cli.Job) -> bool:
    """Whether a trial is nothing but `run_eval.py` in a single process, so that it needs no interpreter of its own."""
    plain = sweep.command == search.COMMAND and program(sweep).resolve() == arguments.ROOT / "run_eval.py"
    return plain and (job.config.trainer.devices, job.config.trainer.num_nodes) in ((1, 1), ("1", 1))


def program(sweep: search.Sweep) -> Path:
    """The sweep's program, here or in the checkout."""
    for path in (Path(sweep.program), arguments.ROOT / sweep.program):
        if path.is_file():
            return path
    raise UsageError(f"program: {sweep.program} is no file")


def reason(status: int | None, log: Path, metric: str) -> str:
    """Why a trial failed: the last line that it said, or the signal that ended it."""
    if status == 0:
        return f"its summary has no {metric}"
    if status is not None and status < 0:
        return f"killed by {signal.Signals(-status).name}; see {log}"
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"status {status}: {lines[-1] if lines else 'it said nothing'}"
