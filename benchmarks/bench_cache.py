"""What does `--cache` save, cost and take? Whole runs of cam,tam,msea_arc on the embedded model, without pictures.

Each run is a command from its parsing to its summary, after imports: without a cache, filling one, and out of it.

    python benchmarks/bench_cache.py
"""

import io
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

from common import report, seconds

from pipeline.cache import readable
from pipeline.store import held
from run_eval import main as run_eval

SCENES = 256


def run(folder: Path, name: str, *args: str, scenes: int = SCENES) -> str:
    """One run; what it says to stderr comes back."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        fixed = ["--limit", str(scenes), "--figures", "0", "--wandb.mode", "disabled"]
        status = run_eval([*fixed, "--run_dir", str(folder / name), *args])
    assert status == 0, said.getvalue()
    return said.getvalue()


def main() -> None:
    """One line a question."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        cache = ("--cache", str(folder / "cache"))
        run(folder, "imports", scenes=8)
        plain = seconds(partial(run, folder, "plain"))
        cold = seconds(partial(run, folder, "cold", *cache))
        warm = seconds(lambda: print(run(folder, "warm", *cache).splitlines()[-1]))
        report(f"out of a cache / without, {SCENES} scenes", warm / plain, 0.4, warm, plain)
        report(f"filling a cache / without, {SCENES} scenes", cold / plain, 1.1, cold, plain)
        print(f"a cache takes {readable(held(folder / 'cache') // SCENES)} an image")
        figures = {(folder / name / "summary.json").read_bytes() for name in ("plain", "cold", "warm")}
        print(f"summaries are the same to the byte: {len(figures) == 1}")


if __name__ == "__main__":
    main()
