"""Do two ranks explain twice as many images a second as one? The demo on one process and on two, one thread each.

Start-up does not count: the clock runs from the first batch that any rank has written to the last row of all. It needs
two cores that nothing else uses.

    python benchmarks/bench_ranks.py
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, status

SCENES, BATCH, ROUNDS, GOAL = 256, 8, 3, 1.7
QUIET = ["--figures", "0", "--wandb.mode", "disabled"]
ENV = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def rate(ranks: int) -> float:
    """Images a second after start-up."""
    with tempfile.TemporaryDirectory() as folder:
        size = ["--limit", str(SCENES), "--batch_size", str(BATCH), "--run_dir", folder]
        devices = ["--trainer.accelerator", "cpu", "--trainer.devices", str(ranks)]
        command = [sys.executable, str(ROOT / "run_eval.py"), *size, *devices, *QUIET]
        process = subprocess.Popen(command, cwd=ROOT, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        files = [Path(folder) / f"rows.{rank}.jsonl" for rank in range(ranks)]
        start: dict[Path, float] = {}
        while len(start) < ranks and process.poll() is None:
            time.sleep(0.02)
            start |= {file: written(file) for file in files if file not in start and written(file)}
        if process.wait() or len(start) < ranks:
            raise SystemExit(f"failed: {' '.join(command)}")
        return (SCENES - ranks * BATCH) / (max(map(written, files)) - min(start.values()))


def written(file: Path) -> float:
    """When the last row was written; 0 before the first."""
    return file.stat().st_mtime if file.exists() and file.stat().st_size else 0.0


def main() -> int:
    """One line; the two take turns."""
    pairs = [(rate(1), rate(2)) for _ in range(ROUNDS)]
    one, two = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    ratios = sorted(both / alone for alone, both in pairs)
    ratio = statistics.median(ratios)
    print(
        f"2 ranks / 1 rank: {ratio:.2f} (goal {GOAL}; {ratios[0]:.2f} to {ratios[-1]:.2f} in "
        f"{ROUNDS} rounds; {two:.1f} / {one:.1f} images a second)",
        flush=True,
    )
    return status(ratio >= GOAL)


if __name__ == "__main__":
    sys.exit(main())
