"""Does a page of 1,000 samples under twelve explainers stay usable? Made, sent and shown, images of 640 x 480.

The run folders are made up of twenty scenes, scored once and repeated: once with captions of about 25 tokens, once with
answers of about 190, which name nine objects. The maps are noise, which hardly compresses. The page is made in one
process and opened from disk in headless Chromium. The first view is every file that it asks for until it asks no more:
the page, its index, what the list shows and the first sample. Without Chromium the goals are missed.

    python benchmarks/bench_page.py
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlparse

from common import seconds, status

from pipeline.outputs.report import page
from tests.outputs.report import reader
from tests.outputs.report.built import Scene, run_folder

MAKE, TABLE, MEGABYTES = 180, 2, 2
"""Goals: seconds to make the page, seconds to its first table, size of the first view."""
SCENES, AGAIN = 20, 50
NAMES = ("dog", "cat", "skateboard", "traffic light", "kite", "boat")
METHODS = [f"explainer_{at}" for at in range(12)]
REST = (
    "In the whole of the picture there is a wall of green and blue bricks, and a window at the far end of it is open."
)


class Opened(NamedTuple):
    """Seconds until the first table is there and until the first maps are; the bytes of the first view."""

    table: float
    maps: float
    size: int


def scenes(sentences: int) -> list[Scene]:
    """Captions of so many sentences: the first, and every third after it, name three or four objects of which the
    image has two or three."""
    made = []
    for at in range(SCENES):
        first, second, third = (NAMES[(at + step) % len(NAMES)] for step in (0, 1, 2))
        said = f"A {first} sits by the {second} of a man and looks at the {third} that is not there, in green light."
        text = " ".join(REST if number % 3 else said for number in range(sentences))
        made.append(Scene(f"scene {at}", text, (first, second, "man")))
    return made


def opened(index: Path) -> Opened:
    """The page, opened from disk."""
    with reader.chromium() as browser:
        read = browser.new_page(viewport={"width": 1400, "height": 900})
        asked: set[str] = set()
        read.on("request", lambda request: asked.add(request.url))
        start = time.perf_counter()
        read.goto(index.as_uri(), wait_until="commit")
        read.wait_for_selector(".standings")
        table = time.perf_counter() - start
        read.wait_for_selector("#tiles canvas", state="attached")
        maps = time.perf_counter() - start
        read.wait_for_load_state("networkidle")
        read.wait_for_timeout(500)
        size = sum(Path(unquote(urlparse(url).path)).stat().st_size for url in asked)
    return Opened(table, maps, size)


def measured(sentences: int) -> bool:
    """A line for making, a line for opening; whether every goal is met."""
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "run", Path(name) / "page"
        explainers = {method: {"class": method} for method in METHODS}
        run_folder(folder, scenes(sentences), explainers, size=(480, 640), grid=(17, 23), again=AGAIN)
        before = time.process_time()
        taken = seconds(lambda: page.make([folder], out))
        cpu = time.process_time() - before
        size = sum(path.stat().st_size for path in out.glob("**/*") if path.is_file())
        made = f"page made in {taken:.1f} s (goal {MAKE}; {cpu:.1f} s of CPU), {size / 1e6:.0f} MB"
        print(f"{SCENES * AGAIN} samples x {len(METHODS)} explainers, {sentences} sentences: {made}", flush=True)
        view = opened(out / "index.html")
        times = f"first table after {view.table:.2f} s (goal {TABLE}), first maps after {view.maps:.2f} s"
        print(f"{times}, first view {view.size / 1e6:.2f} MB (goal {MEGABYTES})", flush=True)
        return taken <= MAKE and view.table <= TABLE and view.size <= 1e6 * MEGABYTES


def main() -> int:
    """Both lengths of answers."""
    if reader.CHROMIUM is None:
        print(f"the page cannot be opened: {reader.MISSING}", file=sys.stderr)
        return 1
    return status(*[measured(sentences) for sentences in (1, 7)])


if __name__ == "__main__":
    sys.exit(main())
