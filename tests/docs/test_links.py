"""Relative links of README, CONTRIBUTING and the guide lead somewhere, anchors too. Nothing is asked of the network."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs import markdown

ALL = [*markdown.PAGES, markdown.ROOT / "assets" / "demo" / "MODEL_CARD.md", markdown.ROOT / "CHANGELOG.md"]


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(markdown.ROOT)))
def test_links(page: Path) -> None:
    for target in markdown.links(page):
        if target.startswith("https://"):
            continue
        path, _, anchor = unquote(target).partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page}: {target} leads nowhere"
        assert found.is_relative_to(markdown.ROOT), f"{page}: {target} leads out of the project"
        assert not anchor or anchor in markdown.anchors(found), f"{page}: {target}: no such heading"


def test_every_page_of_the_guide_can_be_reached() -> None:
    start = markdown.ROOT / "docs" / "index.md"
    seen, left = {start}, [start]
    while left:
        page = left.pop()
        near = {(page.parent / target.partition("#")[0]).resolve() for target in markdown.links(page)}
        new = {path for path in near if path in markdown.GUIDE} - seen
        seen |= new
        left += new
    assert seen == set(markdown.GUIDE) - {start.parent / "changelog.md"} | {start}


def test_every_picture_is_shown() -> None:
    shown = {Path(target).name for page in markdown.PAGES for target in markdown.links(page)}
    pictures = list((markdown.ROOT / "docs" / "pictures").iterdir())
    assert {path.name for path in pictures} <= shown
    assert sum(path.stat().st_size for path in pictures) < 1_500_000
