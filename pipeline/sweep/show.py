"""What a sweep shows: a line that lives while it works, a table sorted by its metric, the same as a file."""

import csv
import io
import json
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from datamodules.printable import printable
from pipeline import notation
from pipeline.arguments import plain
from pipeline.notation import ABSENT, percent
from pipeline.outputs import fingerprint as fingerprints
from pipeline.outputs import inside, logged
from pipeline.outputs.fingerprint import write_atomic
from pipeline.outputs.records import FILES
from pipeline.outputs.report.read import brief
from pipeline.outputs.summary import METRICS
from pipeline.outputs.table import COLUMNS, WIDTH
from pipeline.sweep.ranks import Ranks
from pipeline.sweep.record import Record, Trial
from pipeline.sweep.search import Sweep, searched

BESIDE = ("f1_iou", "obj_iou", "func_iou")
"""Figures shown beside that of the sweep."""


class Rows:
    """How many rows a run has, counted as they are written: what was read is not read again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self._read: dict[str, int] = {}

    def look(self) -> str:
        """How many by now, of how many once the run has said it. Where a file is damaged nothing: the run says so."""
        try:
            return self._look()
        except ValueError:
            return ""

    def _look(self) -> str:
        for name in inside.names(self.folder, FILES):
            with inside.opened(self.folder, name) as lines:
                lines.seek(self._read.get(name, 0))
                for _ in range(64):  # of a file that is larger the rest is counted at the next look
                    self.count += lines.read(1 << 20).count(b"\n")
                self._read[name] = lines.tell()
        if not inside.has(self.folder, "env.json"):
            return "starting"
        total = (fingerprints.record(self.folder)["starts"] or [{}])[-1].get("samples")
        return f"{self.count:,}{f' of {total:,}' if total else ''} samples"


class Live:
    """Trials done of all, the best so far and the time that is left; beneath it a line for each trial that ended."""

    def __init__(self, ranks: Ranks, total: int) -> None:
        self.ranks, self.sweep, self.total = ranks, ranks.sweep, total
        self.seen: list[Trial] = []
        self.console = console()
        self.best: Trial | None = None
        self.rows: Rows | None = None
        self._looked = 0.0
        columns = [
            TextColumn("trial {task.completed}/{task.total}"),
            BarColumn(20),
            TextColumn("{task.description}{task.fields[samples]}"),
        ]
        times = [TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()]
        # no thread of its own draws it: it would be lost, with its locks, in a process that is forked
        self.bar = Progress(
            *columns,
            *times,
            console=self.console,
            auto_refresh=False,
            speed_estimate_period=86400,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task("", total=total, samples="")
        self.bar.advance(self.task, 0)  # the time that the first trial is measured from

    def known(self, trials: Iterable[Trial]) -> None:
        """Trials of an earlier start, which count but took no time."""
        for trial in trials:
            self._rank(trial)
            self.bar.update(self.task, completed=self.bar.tasks[0].completed + 1)

    def ended(self, trial: Trial) -> None:
        """One more trial; its line stays."""
        self._rank(trial)
        said = trial.error if trial.error else f"{self.sweep.metric} {quantity(self.sweep.metric, trial.figure)}"
        named = ", ".join(f"{name}={plain(given)}" for name, given in short(trial.values, self.sweep).items())
        self.bar.update(self.task, advance=1, samples="")
        done = f"{self.bar.tasks[0].completed:.0f}/{self.total}"
        line = f"{done} trial {trial.number}: {printable(str(said))} ({printable(named)})"
        self.console.print(Text(line, style="red" if trial.error else ""), soft_wrap=True)

    def begun(self, folder: Path, log: Path) -> None:
        """The trial in `folder` is in hand; where trials say what they do is told once."""
        if self.rows is None:
            self.console.print(Text(f"what trials say: {printable(str(log.parent))}/N.txt"), soft_wrap=True)
        self.rows = Rows(folder)

    def tick(self) -> None:
        """Draw it again, once a second with the samples of the trial in hand; to be called now and then."""
        if self.rows is not None and self.console.is_terminal and time.monotonic() > self._looked + 1:
            self._looked = time.monotonic()
            self.bar.update(self.task, samples=f"trial {self.rows.folder.name}: {self.rows.look()}")
        self.bar.refresh()

    def _rank(self, trial: Trial) -> None:
        self.seen.append(trial)
        self.best = self.ranks.best(self.seen)
        if self.best:
            self.bar.update(self.task, description=f"best {quantity(self.sweep.metric, self.best.figure)}, ")


def console(file: Any = None) -> Console:
    """The terminal, or a file of fixed width."""
    return Console(file=file, width=None if (file or sys.stdout).isatty() else WIDTH, highlight=False)


def short(values: Mapping[str, Any], sweep: Sweep) -> dict[str, Any]:
    """The values that differ from trial to trial, by the last part of their names where that tells them apart."""
    names = list(searched(sweep)) or list(values)
    last = [name.rpartition(".")[2] for name in names]
    return {(part if last.count(part) == 1 else name): values[name] for name, part in zip(names, last, strict=True)}


def value(metric: str, figure: float | int | None) -> str:
    """A figure as a table has it: a share in percent, a count as it is."""
    if figure is None:
        return ABSENT
    return percent(figure) if logged.share(metric) else str(figure)


def quantity(metric: str, figure: float | int | None) -> str:
    """A figure with its unit."""
    return value(metric, figure) + (" %" if logged.share(metric) and figure is not None else "")


def table(sweep: Sweep, record: Record, title: str, file: Any = None) -> None:
    """Print every trial that ended, the highest or lowest figure first. One that lacks samples is not the best."""
    metric, ranks = sweep.metric, Ranks(sweep, record)
    beside = [name for name in BESIDE if name != metric]
    trials = ranks.ordered(one for one in record.trials if one.status != "started")
    first, lack = ranks.best(trials), ranks.lacking(trials)
    found = [figures(record, trial) for trial in trials]
    bounds = [interval(metric, of) for of in found]
    bounded = any(bound != ABSENT for bound in bounds)
    made = Table(title=Text(title), title_justify="left", caption_justify="left")
    unit = "in percent" if logged.share(metric) else "a count, the others in percent"
    goal = "maximised" if sweep.maximize else "minimised"
    made.caption = f"by {metric}, {goal}, {unit}{'; with its 95 % interval over images' if bounded else ''}; * best"
    made.caption += " of those with all samples" if lack else ""
    made.add_column("Trial", justify="right")
    for name in short(sweep.parameters, sweep):
        made.add_column(Text(name), justify="right", overflow="fold")
    for name in (metric, *(["95 %"] if bounded else []), *beside):
        made.add_column(Text(COLUMNS.get(name, name)), justify="right", no_wrap=True)
    given = [
        {name: json.dumps(one, ensure_ascii=False) for name, one in short(trial.values, sweep).items()}
        for trial in trials
    ]
    among = {name: [values[name] for values in given] for name in short(sweep.parameters, sweep)}
    for trial, values, of, bound in zip(trials, given, found, bounds, strict=True):
        star = "*" if trial is first else " "
        cells = [value(metric, of.get(metric)) + star, *([bound] if bounded else [])]
        cells += [value(name, of.get(name)) for name in beside]
        if trial.error:
            cells = ["failed", *[ABSENT] * (len(cells) - 1)]
        made.add_row(str(trial.number), *(Text(brief(one, among[name])) for name, one in values.items()), *cells)
    screen = console(file)
    screen.print(made)
    for number, count in sorted(lack.items()):
        many = f"{count:,} sample{'s' if count != 1 else ''}"
        screen.print(Text(f"trial {number} lacks {many} that other trials have, so it is not called the best"))
    for trial in trials:
        if trial.error:
            screen.print(Text(f"trial {trial.number} failed: {printable(trial.error)}", style="red"), soft_wrap=True)


def interval(metric: str, found: Mapping[str, float | int]) -> str:
    """The 95 % interval of a figure, in percent."""
    profile, _, name = metric.rpartition("/")
    low, high = (found.get("/".join(filter(None, (profile, end, name)))) for end in ("low", "high"))
    return ABSENT if low is None or high is None else notation.interval({"low": low, "high": high})


def figures(record: Record, trial: Trial) -> dict[str, float | int]:
    """The figures of a trial by W&B's names."""
    summary = record.summary(trial.number)
    return logged.figures(summary, next(iter(summary["explainers"]))) if summary else {}


def write(sweep: Sweep, record: Record, path: Path) -> None:
    """Every trial with all its values, and its figures if it is complete, as a csv file, in their order."""
    rows = [(trial, figures(record, trial) if trial.status == "complete" else {}) for trial in record.trials]
    metrics = [name for name in (*METRICS, sweep.metric) if any(name in found for _, found in rows)]
    columns = ["trial", "status", *sweep.parameters, *dict.fromkeys(metrics), "error"]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(columns)
    for trial, found in rows:
        given = [plain(trial.values[name]) for name in sweep.parameters]
        lines.writerow(
            [trial.number, trial.status, *given, *(found.get(name) for name in dict.fromkeys(metrics)), trial.error]
        )
    write_atomic(path, text.getvalue(), record.verify)
