"""Do a hundred thousand rows become figures in a minute? Time and memory of what follows the last row of a run.

Synthetic rows of three explainers in both profiles, as long as those of captions of nine words: read, proved, added
up, with intervals and paired differences, and timed. The peak is that of a whole process, torch and all.

    python benchmarks/bench_summary.py
"""

import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from common import status

from metrics.base import Sum
from metrics.entries import Entries, Object, Share
from pipeline.outputs.records import Row, RowWriter, Spoken, read_rows
from pipeline.outputs.summary import PROFILES, Timing, summarise, write_json

ROWS = 100_000
SECONDS, GIGABYTES = 60, 2
EXPLAINERS = ("cam", "tam", "msea_arc")
CATEGORIES = [f"category {at}" for at in range(80)]
TEXT = "A man and a woman ride a horse ."
LABELS = {"A": "function", "a": "function", "and": "function", ".": "punctuation"}
LABELS |= dict.fromkeys(("man", "woman", "horse"), "noun")
WORDS = tuple(Spoken(word, LABELS.get(word, "other"), word, at, 1) for at, word in enumerate(TEXT.split()))
PIECES = [f" {word.text}" if word.first_token else word.text for word in WORDS]
ANSWER = {"ids": list(range(300, 300 + len(WORDS))), "pieces": PIECES, "text": TEXT, "ended": True}


def entries(random: np.random.Generator) -> Entries:
    """Three objects, every function word and the full stop."""
    objects = [Object(at, CATEGORIES[random.integers(80)], *random.random(4).tolist()) for at in (1, 4, 7)]
    shares = [Share(word.first_token, random.random()) for word in WORDS if word.label in ("function", "punctuation")]
    return Entries(tuple(objects), tuple(shares[:-1]), tuple(shares[-1:]), (), 256 * random.random())


def write(folder: Path) -> None:
    """The rows, as two ranks would leave them."""
    random = np.random.default_rng(0)
    with RowWriter(folder / "rows.0.jsonl") as first, RowWriter(folder / "rows.1.jsonl") as second:
        for index in range(ROWS):
            scored = {name: {profile: entries(random) for profile in PROFILES} for name in EXPLAINERS}
            captions = {"rouge_l": Sum(random.random(), 1), "noun_recall": Sum(2.0, 3), "noun_precision": Sum(2.0, 2)}
            stages = ("ask", "answer", *(f"explain/{name}" for name in EXPLAINERS), "finish", "score")
            times = dict(zip(stages, random.random(len(stages)).tolist(), strict=True))
            row = Row(f"{index:012d}", index, ANSWER, WORDS, captions, scored, times, 8)
            (second if 2 * index >= ROWS else first).write(row)


def summarised(folder: Path) -> tuple[float, float, float]:
    """Seconds to find the rows and to make both files of them, and the peak memory of this process in GB."""
    start = time.perf_counter()
    rows, timing = read_rows(folder), Timing()
    found = time.perf_counter()
    expected = [f"{index:012d}" for index in range(ROWS)]
    write_json(folder / "summary.json", summarise(rows, expected, EXPLAINERS, "hanta", timing))
    write_json(folder / "timing.json", timing.figures())
    done = time.perf_counter()
    return found - start, done - found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> int:
    """One line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        size = sum(path.stat().st_size for path in folder.iterdir()) / ROWS
        with ProcessPoolExecutor(1, get_context("spawn")) as child:
            found, figures, peak = child.submit(summarised, folder).result()
    print(
        f"{ROWS} rows of {size / 1000:.1f} kB: {found + figures:.1f} s (goal {SECONDS}; rows found in {found:.1f} s, "
        f"figures in {figures:.1f} s), peak {peak:.2f} GB (goal {GIGABYTES})",
        flush=True,
    )
    return status(found + figures <= SECONDS, peak <= GIGABYTES)


if __name__ == "__main__":
    sys.exit(main())
