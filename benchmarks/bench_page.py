"""Does a page of 1,000 samples under twelve explainers stay usable? Made, sent and shown, images of 640 x 480.

The run folder is made up of twenty scenes, scored once and repeated. The page is made in one process of one thread and
opened from disk in headless Chromium. The first view is every file that it asks for until it asks no more: the page,
its index, what the list shows and the first sample. Without Chromium only the first line comes.

    python benchmarks/bench_page.py
"""

import sys
import tempfile
import time
from pathlib import Path
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


def scenes() -> list[Scene]:
    """Captions of about 22 words that name three objects, two of them in the image."""
    made = []
    for at in range(SCENES):
        first, second, third = (NAMES[(at + step) % len(NAMES)] for step in (0, 1, 2))
        said = f"A {first} sits by the {second} of a man and looks at the {third} that is not there, in green light."
        made.append(Scene(f"scene {at}", said, (first, second, "man")))
    return made


def opened(index: Path) -> tuple[float, float, int]:
    """Seconds until the first table is there, until the first maps are, and the bytes of the first view."""
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
    return table, maps, size


def main() -> int:
    """A line for making, a line for opening."""
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "run", Path(name) / "page"
        explainers = {method: {"class": method} for method in METHODS}
        run_folder(folder, scenes(), explainers, size=(480, 640), grid=(17, 23), again=AGAIN)
        taken = seconds(lambda: page.make([folder], out))
        size = sum(path.stat().st_size for path in out.glob("**/*") if path.is_file())
        made = f"{SCENES * AGAIN} samples x {len(METHODS)} explainers: page made in {taken:.1f} s (goal {MAKE})"
        print(f"{made}, {size / 1e6:.0f} MB", flush=True)
        if reader.CHROMIUM is None:
            return status(taken <= MAKE)
        table, maps, first = opened(out / "index.html")
        times = f"first table after {table:.2f} s (goal {TABLE}), first maps after {maps:.2f} s"
        print(f"{times}, first view {first / 1e6:.2f} MB (goal {MEGABYTES})", flush=True)
        return status(taken <= MAKE, table <= TABLE, first <= 1e6 * MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
