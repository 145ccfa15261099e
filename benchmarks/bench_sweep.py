"""What do 24 combinations of ARC's parameters cost, in units of one run without a cache? On the embedded model.

Both are commands from their start to their end, imports and the page of the sweep included; the run is one of the
trials, with its own options less the cache, once before the sweep and once after it. `--compare`, which takes ten times
as long, carries out the sweep a second time, kills it in the middle of a trial and resumes it, and holds every trial of
both against a run without a cache.

    python benchmarks/bench_sweep.py [--compare]
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common import ROOT, report, seconds, status

from pipeline.sweep.record import Record, Trial
from pipeline.sweep.runner import arguments_of
from pipeline.sweep.search import Result, load, propose, size

SWEEP = ROOT / "configs" / "sweep" / "msea_arc.yaml"
GRID = load(SWEEP)
TRIALS = size(GRID) or 0
UNIT, KILLED = 8, 12
"""The trial whose values are the defaults of `run_eval.py`, and that which is killed."""


def begun(*command: str) -> subprocess.Popen[bytes]:
    """A program that was started."""
    return subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(*command: str) -> None:
    """One program, to its end."""
    if code := begun(*command).wait():
        raise SystemExit(f"status {code}: {' '.join(command)}")


def sweep(folder: Path) -> tuple[str, ...]:
    """The command of the sweep."""
    return "-m", "pipeline.sweep", str(SWEEP), "--out", str(folder)


def starts(folder: Path, trial: int) -> list[dict[str, list[str]]]:
    """What is on record of every start of a trial."""
    return list(json.loads((folder / "trials" / str(trial) / "env.json").read_text())["starts"])


def uncached(folder: Path, trial: int) -> bytes:
    """The summary of a run in `folder` by the command of a trial, less its cache."""
    values = next(itertools.islice(trials(), trial, None))
    command = arguments_of(Trial(trial, values), ["--cache", "null"], Record(folder, {}))
    run("run_eval.py", *command)
    return summary(folder, trial)


def trials() -> Iterator[dict[str, Any]]:
    """The values of every trial."""
    results: list[Result] = []
    while (values := propose(GRID, 0, results)) is not None:
        yield values
        results.append((values, None))


def summary(folder: Path, trial: int) -> bytes:
    """The summary of a trial."""
    return (folder / "trials" / str(trial) / "summary.json").read_bytes()


def killed(folder: Path) -> list[int]:
    """How often each trial is started of a sweep that is killed in the middle of one, and resumed."""
    process = begun(*sweep(folder))
    rows = folder / "trials" / str(KILLED) / "rows.0.jsonl"
    while process.poll() is None and not (rows.exists() and rows.stat().st_size):
        time.sleep(0.01)
    process.kill()
    process.wait()
    run(*sweep(folder))
    return [len(starts(folder, trial)) for trial in range(TRIALS)]


def main() -> int:
    """One line a question. The exit status says whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", action="store_true", help="every trial with a run without a cache; killed, too")
    everything = parser.parse_args().compare
    with tempfile.TemporaryDirectory() as made:
        whole, resumed, alone = (Path(made) / name for name in ("whole", "resumed", "alone"))
        before = seconds(lambda: uncached(Path(made) / "before", UNIT))
        work = seconds(lambda: run(*sweep(whole)))
        unit = (before + seconds(lambda: uncached(alone, UNIT))) / 2
        plain = {UNIT: summary(alone, UNIT)}
        report(f"{TRIALS} trials / one run without a cache, 256 scenes", work / unit, 3, work, unit)
        met = [work / unit <= 3]
        if everything:
            count = killed(resumed)
            met.append(count == [1 + (trial == KILLED) for trial in range(TRIALS)])
            print(f"starts of each trial, killed in trial {KILLED} and resumed: {count}", flush=True)
            plain |= {trial: uncached(alone, trial) for trial in range(TRIALS) if trial != UNIT}
            met.append(same(plain, lambda trial: summary(resumed, trial), "killed and resumed"))
        met.append(same(plain, lambda trial: summary(whole, trial), "without a stop"))
    return status(*met)


def same(plain: dict[int, bytes], trial: Callable[[int], bytes], how: str) -> bool:
    """Whether summaries of runs without a cache are those of the trials to the byte."""
    differ = [number for number, content in plain.items() if content != trial(number)]
    print(f"summaries of {len(plain)} trials, {how}, that differ from runs without a cache: {differ or 'none'}")
    return not differ


if __name__ == "__main__":
    sys.exit(main())
