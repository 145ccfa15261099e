"""Kill -9 random ranks at random moments; rerun; is `summary.json` the same to the byte, and how much was done twice?

    python -m tests.kill_ranks [--kills 50] [--seed 0] [--keep DIR]

What a moment is: `tests.kills`. Exit status 1 unless every kill left the same summary, no row was lost or written
twice, and no rank had to redo more than one batch.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from tests.kills import BATCH, PHASES, Trial, Trials


def main() -> int:
    """The table, and a line for each fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill_ranks", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="runs that are killed, each at its own moment")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="where the run folders and what the ranks said stay")
    given = parser.parse_args()
    if given.keep and given.keep.exists():
        parser.error(f"--keep: {given.keep} is there already; name a folder that is not")
    with tempfile.TemporaryDirectory() as scratch:
        trials = Trials(given.keep or Path(scratch), given.seed)
        alike = len({trials.summary(ranks) for ranks in (1, 2, 3)}) == 1
        done = [trials.trial(number) for number in tqdm(range(given.kills), "kills", unit="kill", dynamic_ncols=True)]
    Console().print(table(done))
    faults = [f"trial {number}: {fault}" for number, trial in enumerate(done) for fault in trial.faults]
    if not alike:
        faults.insert(0, "1, 2 and 3 ranks left different summaries")
    for fault in faults:
        print(fault)
    return bool(faults)


def table(done: list[Trial]) -> Table:
    """A line for each phase, told by the first kill of a trial; kills of reruns are counted beside."""
    made = Table("killed while", "runs", "identical", "reruns", "worst redone", title="kill -9 of one rank or of all")
    for column in made.columns[1:]:
        column.justify = "right"
    by_phase = {phase: [trial for trial in done if trial.phases[0] == phase] for phase in PHASES}
    for phase, of in [*by_phase.items(), ("all", done)]:
        identical, worst = sum(not trial.faults for trial in of), max((trial.redone for trial in of), default=0)
        reruns = sum(len(trial.attempts) - 1 for trial in of)
        made.add_row(
            phase, str(len(of)), str(identical), str(reruns), f"{worst} samples", end_section=phase == PHASES[-1]
        )
    again = Counter(phase for trial in done for phase in trial.phases[1:])
    met = ", ".join(f"{number} {phase}" for phase, number in again.items()) or "none"
    unmoved = sum(attempt.unmoved for trial in done for attempt in trial.attempts)
    made.caption = (
        f"redone: of one rank by one kill; a batch has {BATCH}. Kills of reruns besides: {met}. "
        f"Survivors that SIGTERM did not end: {unmoved}."
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
