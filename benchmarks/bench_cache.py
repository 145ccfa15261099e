"""What does `--cache` save, cost and take? Whole runs of cam,tam,msea_arc on the embedded model, without pictures.

Each run is a command from its parsing to its summary, after imports: without a cache, filling one, and out of it. They
take turns, and the median round counts.

    python benchmarks/bench_cache.py
"""

import io
import statistics
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from common import report, seconds, status

from pipeline.cache import readable
from pipeline.store import held
from run_eval import main as run_eval

SCENES, ROUNDS = 96, 3
WARM, COLD = 0.4, 1.1
"""Goals: seconds of a run out of a cache, and of one that fills it, by those of a run without."""


def run(folder: Path, *args: str, scenes: int = SCENES) -> str:
    """One run; what it says to stderr comes back."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        fixed = ["--limit", str(scenes), "--figures", "0", "--wandb.mode", "disabled"]
        ended = run_eval([*fixed, "--run_dir", str(folder), *args])
    assert ended == 0, said.getvalue()
    return said.getvalue()


def turns(folder: Path) -> tuple[dict[str, float], str]:
    """Seconds of each kind of run, and what the last, out of the cache, says of it."""
    told: list[str] = []
    kinds = {"plain": (), "cold": ("--cache", str(folder / "cache")), "warm": ("--cache", str(folder / "cache"))}
    wall = {
        name: seconds(lambda to=folder / name, args=args: told.append(run(to, *args))) for name, args in kinds.items()
    }
    return wall, next(line for line in told[-1].splitlines() if "requests known" in line)


def main() -> int:
    """One line a question; 1 where an answer misses its goal."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        run(folder / "imports", scenes=8)
        walls, known = zip(*(turns(folder / str(number)) for number in range(ROUNDS)), strict=True)
        size = held(folder / "0" / "cache")
        figures = {path.read_bytes() for path in folder.glob("[0-9]/*/summary.json")}
    plain, cold, warm = (statistics.median(wall[name] for wall in walls) for name in ("plain", "cold", "warm"))
    saved, costs = (statistics.median(wall[name] / wall["plain"] for wall in walls) for name in ("warm", "cold"))
    report(f"out of a cache / without, {SCENES} scenes", saved, WARM, warm, plain)
    report(f"filling a cache / without, {SCENES} scenes", costs, COLD, cold, plain)
    print(known[-1])
    print(f"a cache takes {readable(size // SCENES)} an image")
    print(f"summaries are the same to the byte: {len(figures) == 1}")
    unloaded = all(line.endswith("the model was not loaded") for line in known)
    return status(saved <= WARM, costs <= COLD, unloaded, len(figures) == 1)


if __name__ == "__main__":
    sys.exit(main())
