"""The guide's Markdown, taken apart: blocks of code, links, anchors."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
GUIDE = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *GUIDE]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, "" where it says none, and its text."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def tokens(page: Path) -> list[Token]:
    """Of the whole page."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block that is no directive of the generator."""
    for token in tokens(page):
        if token.type == "fence" and not token.info.startswith("{"):
            assert token.map is not None
            yield Block(page, token.map[0] + 1, token.info.strip(), token.content)


def links(page: Path) -> Iterator[str]:
    """Targets of links and pictures."""
    for token in tokens(page):
        for child in token.children or ():
            target = child.attrGet("src" if child.type == "image" else "href")
            if isinstance(target, str):
                yield target


def anchors(page: Path) -> set[str]:
    """What `#...` may lead to: headings, as GitHub names them."""
    found = tokens(page)
    titles = [found[n + 1].content for n, token in enumerate(found) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
