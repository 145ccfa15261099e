"""What do 24 combinations of ARC's parameters cost, in units of one run without a cache? On the embedded model.

Both are commands from their start to their end, imports and pictures and the page of the sweep included.

    python benchmarks/bench_sweep.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from common import ROOT, report, seconds

from pipeline.sweep.search import load, size

SWEEP = ROOT / "configs" / "sweep" / "msea_arc.yaml"
SAME = 8
"""The trial whose values are the defaults of `run_eval.py`."""


def run(*command: str) -> None:
    """One program, to its end."""
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)


def main() -> None:
    """One line a question."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        alone, trials = folder / "alone", folder / "sweep" / "trials"
        single = ["run_eval.py", "--explainers", "msea_arc", "--wandb.mode", "disabled", "--run_dir", str(alone)]
        unit = seconds(lambda: run(*single))
        work = seconds(lambda: run("-m", "pipeline.sweep", str(SWEEP), "--out", str(folder / "sweep")))
        report(f"{size(load(SWEEP))} trials / one run without a cache, 256 scenes", work / unit, 3, work, unit)
        same = (alone / "summary.json").read_bytes() == (trials / str(SAME) / "summary.json").read_bytes()
        print(f"summaries are the same to the byte: {same}")


if __name__ == "__main__":
    main()
