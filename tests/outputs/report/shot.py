"""The picture of a page's gallery in the README.

python -m tests.outputs.report.shot runs/demo/page/index.html assets/page.png
"""

import sys
from pathlib import Path

from PIL import Image

from tests.outputs.report.reader import chromium

SAMPLE = 4


def main(index: Path, picture: Path) -> None:
    """1,400 x 790 pixels: the gallery with one sample, its first object chosen."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 790}, color_scheme="light")
        page.goto(index.resolve().as_uri())
        page.locator("#list button").nth(SAMPLE).click()
        page.locator("#gallery").evaluate("(node) => node.scrollIntoView()")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=picture)
    Image.open(picture).convert("RGB").save(picture, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
