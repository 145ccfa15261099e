"""Lines of text for a figure: what the font can draw, broken where it must be. Nothing about what the text means."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from datamodules.printable import printable

PLAIN = FontProperties(family="DejaVu Sans", size=11)
BOLD = FontProperties(family="DejaVu Sans", size=11, weight="bold")
Segment = tuple[str, str | None]
"""A piece of the text and its mark; None is unmarked."""


class Placed(NamedTuple):
    """A piece of a line: inches from the left edge, line number, text, mark."""

    left: float
    line: int
    text: str
    mark: str | None


def drawable(text: str, limit: int | None = None) -> str:
    """`text` on one line, cut to `limit` characters, with □ for what the font lacks (emoji, private use)."""
    text = printable(text)
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    font = get_font(findfont(PLAIN))
    return "".join(char if char == " " or font.get_char_index(ord(char)) else "□" for char in text)


def typeset(segments: Sequence[Segment], width: float, limit: int = 6) -> list[Placed]:
    """Segments in lines of `width` inches, marked ones in bold; what does not fit into `limit` lines becomes `…`."""
    canvas = FigureCanvasAgg(Figure(dpi=100))

    def measure(text: str, mark: str | None) -> float:
        font = PLAIN if mark is None else BOLD
        return float(canvas.get_renderer().get_text_width_height_descent(text, font, False)[0]) / 100

    space = measure("a a", None) - measure("aa", None)
    placed: list[Placed] = []
    left, line = 0.0, 0
    for text, mark in segments:
        for gap, part in re.findall(r"(\s*)(\S{1,24})", drawable(text)):
            wide = measure(part, mark)
            start = left + (space if gap and left else 0)
            if start + wide > width and left and part.isalnum():
                start, line = 0.0, line + 1
            if line == limit:
                return [*placed, Placed(left + space, line - 1, "…", None)]
            placed.append(Placed(start, line, part, mark))
            left = start + wide + (0.02 if mark is not None else 0)
    return placed
