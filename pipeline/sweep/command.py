"""Many runs by one yaml: every trial is a run folder of `run_eval.py`, and the same command goes on where it stopped.

    seewhy sweep configs/sweep/msea_arc.yaml
    seewhy sweep configs/sweep/msea_arc_bayes.yaml --trials 20 --out runs/search -- --limit 64

The yaml is W&B's own, so `wandb sweep FILE` and `wandb agent ENTITY/PROJECT/ID` take it too; nothing here needs an
account. What stands after `--` is given to every run. A trial that fails is on record with its reason, and the same
command tries it again; one that is complete is never repeated.

The folder holds `trials/<n>/` (run folders), `logs/<n>.txt`, `cache/` (what all trials ask of the model), `sweep.json`,
`sweep.csv` and `page/`. Exit status 0: every trial is complete; 1: one failed; 2: the command is wrong; 5: the disk or
the machine is at fault, as `run_eval.py` says it, or another sweep owns the folder; 75: stopped by SIGINT,
SIGTERM or SIGUSR1 after the batch in hand.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import yaml

from datamodules import program
from datamodules.faults import MachineError
from datamodules.printable import printable
from datamodules.streams import spared
from pipeline import arguments, argv, cli, command_parsers
from pipeline.arguments import UsageError
from pipeline.outputs import inside
from pipeline.outputs.fingerprint import differences, digest
from pipeline.outputs.inside import Damaged
from pipeline.outputs.owner import OwnedError, owned
from pipeline.status import AT_FAULT, FAILED, STOPPED, WRONG, at_fault
from pipeline.stop import Stop, Stopped
from pipeline.sweep import runner, search, show
from pipeline.sweep.record import Record, Trial, locked

OWN = ("run_dir", "fresh")
"""Options that a sweep does not leave to its runs."""


def main(given: Sequence[str] | None = None) -> int:
    """Carry out the sweep that `given` (default: the command line) describes; returns the exit status."""
    own, options = command_parsers.divided(sys.argv[1:] if given is None else given)
    asked = command_parsers.sweep().parse_args(own)
    with program.named("seewhy sweep"):
        return ended(asked, options)


def ended(asked: argparse.Namespace, options: Sequence[str]) -> int:
    """Carry out the sweep; one line says why it cannot be. Returns the exit status."""
    try:
        return carry_out(asked, options)
    except (UsageError, Damaged) as error:
        return said(f"error: {error}", WRONG)
    except MachineError as error:
        return said(error.line, AT_FAULT)
    except OwnedError as error:
        return said(f"error: {error}", AT_FAULT)
    except OSError as error:
        return said(f"error: {at_fault(error, asked.out or 'the folder of the sweep')}", AT_FAULT)


def said(line: str, status: int) -> int:
    """One line to stderr, and the exit status."""
    program.tell(line)
    return status


def carry_out(asked: argparse.Namespace, options: Sequence[str]) -> int:
    """From the yaml to the table."""
    sweep = search.load(asked.sweep)
    if "goal" not in (sweep.written.get("metric") or {"goal": "maximize"}):
        said(f"{sweep.metric} is minimised, W&B's default; for its highest value first write metric.goal: maximize", 0)
    total = count(sweep, asked.trials)
    identity = {**sweep.written, "seed": asked.seed, "options": list(options)}
    folder = asked.out or Path("runs") / f"sweep-{asked.sweep.stem}-{digest(identity)[:8]}"
    say = partial(said, status=0)
    with locked(folder) as lock, owned(folder, say) as claim, Stop(tell=say) as stop:
        try:
            record = Record.open(folder, identity, claim)
            check_trials(sweep, record)
            job = check(sweep, record, options, asked.seed)
            check_values(asked.sweep, sweep, record, options, asked.seed)
            inside = runner.fits_inside(sweep, job)
            runner.Runner(sweep, record, asked.seed, options, job.config.words, inside, lock, stop).carry_out(total)
        except Stopped:
            return said("stopped; the same command resumes", STOPPED)
        show.write(sweep, record, folder / "sweep.csv")
        record.verify()
        made = page(record)
        with spared(say):
            show.table(sweep, record, f"{asked.sweep.stem}: {len(record.trials)} trials by {sweep.method}")
            print(f"sweep folder: {printable(str(folder))}{made}", flush=True)
        return FAILED if any(trial.status == "failed" for trial in record.trials) else 0


def page(record: Record) -> str:
    """Make the offline page of all trials that are complete; a line to be printed. Where there can be none, another
    line says why on standard error."""
    from pipeline.outputs.report.page import make

    whole = [record.run_dir(trial.number) for trial in record.trials if trial.status == "complete"]
    try:
        if whole:
            return f"\npage: {printable(str(make(whole, inside.resolved(record.folder, 'page'))))}"
    except (ValueError, OSError) as error:
        said(f"no page: {error}", 0)
    return ""


def check_trials(sweep: search.Sweep, record: Record) -> None:
    """UsageError where a trial on record has values that the sweep cannot give: they become options of a run."""
    for trial in record.trials:
        for name in sorted({*trial.values} ^ {*sweep.parameters}):
            raise UsageError(f"{record.folder / 'sweep.json'}: trials.{trial.number}.values.{name}: not as in the yaml")
        for name, value in trial.values.items():
            if not sweep.parameters[name].admits(value):
                raise UsageError(
                    f"{record.folder / 'sweep.json'}: trials.{trial.number}.values.{name}: no value of that parameter; "
                    "choose another --out"
                )


def check(sweep: search.Sweep, record: Record, options: Sequence[str], seed: int) -> cli.Job:
    """The first trial's run. UsageError, or status 2 by the run's own parser, for what no trial could do."""
    given = {one.name for one in argv.options(options)}
    for name in OWN:
        if name in sweep.parameters or name in given:
            raise UsageError(f"--{name}: the sweep sets it; choose its folder with --out")
    for name in sweep.parameters:
        if name in given:
            raise UsageError(f"--{name}: a parameter of the sweep; leave it out after --, or change the yaml")
    first = first_of(sweep, record, seed)
    args = runner.arguments_of(first, options, record)
    begins = runner.spelt(sweep, args)[0]
    if shutil.which(begins) is None:
        raise UsageError(f"command: {begins} is no program that can be started")
    job = cli.checked(args)
    if options:  # a parameter has more than one spelling, so what counts is whether an option that came later would win
        other = cli.checked([*runner.arguments_of(first, (), record), *options])
        if changed := differences(*(yaml.safe_load(one.dump()) for one in (job, other))):
            mend = "leave that out after --, or change the yaml"
            raise UsageError(f"a parameter of the sweep is set again ({'; '.join(changed)}); {mend}")
    if len(job.classes) > 1:
        raise UsageError(job.several())
    job.explainers()
    return job


def check_values(path: Path, sweep: search.Sweep, record: Record, options: Sequence[str], seed: int) -> None:
    """UsageError where a run would refuse a value that a later trial takes. Each is tried alone, in the first trial."""
    first = first_of(sweep, record, seed)
    listed = [(name, value) for name, one in sweep.parameters.items() if one.categories for value in one.values or ()]
    for name, value in listed:
        if value != first.values[name]:
            try:
                given = replace(first, values={**first.values, name: value})
                cli.checked(runner.arguments_of(given, options, record)).explainers()
            except UsageError as error:
                raise UsageError(f"{path}: parameters.{name}: {arguments.plain(value)}: {error}") from error


def first_of(sweep: search.Sweep, record: Record, seed: int) -> Trial:
    """The first trial: as it is on record, or as it would be."""
    return record.trials[0] if record.trials else Trial(0, search.propose(sweep, seed, ()) or {})


def count(sweep: search.Sweep, asked: int | None) -> int:
    """How many trials there are to be; of a grid all, if nothing is said."""
    limits = [asked if asked is not None else sweep.cap, search.size(sweep)]
    if all(limit is None for limit in limits):
        raise UsageError(
            f"--trials: {sweep.method} has no end of its own; say how many, here or as run_cap in the yaml"
        )
    return min(limit for limit in limits if limit is not None)
