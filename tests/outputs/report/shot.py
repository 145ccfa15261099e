"""Pictures of a page as readers see it: its figures and its gallery, wide and narrow, on light and on dark ground.

python -m tests.outputs.report.shot runs/demo/page/index.html build/shots
"""

import sys
from itertools import product
from pathlib import Path

from PIL import Image

from tests.outputs.report.reader import chromium

WIDTHS = {"wide": (1400, 790), "narrow": (400, 800)}
SCHEMES = ("light", "dark")
PARTS = {"figures": "#figures", "gallery": "#gallery", "maps": "#caption", "breakdowns": "#breakdowns"}
SAMPLE = 4


def main(index: Path, folder: Path) -> list[Path]:
    """Every part at every width in every scheme; in the gallery the first object of one sample is chosen."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with chromium() as browser:
        for width, scheme in product(WIDTHS, SCHEMES):
            size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
            page = browser.new_page(viewport=size, color_scheme=scheme)
            page.goto(index.resolve().as_uri())
            page.locator("#list button").nth(SAMPLE).click()
            for part, place in PARTS.items():
                page.locator(place).evaluate("(node) => node.scrollIntoView()")
                page.wait_for_load_state("networkidle")
                made.append(folder / f"{part}-{width}-{scheme}.png")
                page.screenshot(path=made[-1])
                Image.open(made[-1]).convert("RGB").save(made[-1], optimize=True)
            page.close()
    return made


if __name__ == "__main__":
    print(*main(*map(Path, sys.argv[1:])), sep="\n")
