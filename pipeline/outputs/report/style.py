"""How the plots of a page look: each is drawn once, and becomes SVG in colours for light and for dark grounds.

The same figures give the same bytes. Text stays text, in the reader's own font.
"""

import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from datamodules.printable import printable

SERIES = {
    **{"#0072b2": "#56b4e9", "#d55e00": "#ff8c42", "#009e73": "#2ccf9c"},
    **{"#b5508c": "#e58fc0", "#c9a800": "#f0e442", "#3a3f47": "#c9d1d9"},
}
"""Colours on light ground -> on dark ground, told apart with any colour vision; markers repeat what they say."""
# no two alike, so that each has its fellow: PAPER is white but for one bit
INK, FAINT, RULE, BAR, PAPER = "#1f2329", "#6a737d", "#d4d9de", "#8fc1e3", "#fffffe"
DARK = SERIES | {INK: "#e6edf3", FAINT: "#9aa4ae", RULE: "#3a424c", BAR: "#2d6c9c", PAPER: "#0d1117"}
MARKERS = "osD^vP"
STYLE: Any = {
    **{"svg.hashsalt": "seewhy", "svg.fonttype": "none", "text.parse_math": False, "font.size": 9.5},
    **{"figure.facecolor": "none", "axes.facecolor": "none", "legend.frameon": False, "errorbar.capsize": 2.5},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": FAINT, "axes.labelcolor": INK},
    **{"text.color": INK, "xtick.color": FAINT, "ytick.color": FAINT, "grid.color": RULE, "axes.axisbelow": True},
    **{"xtick.labelcolor": INK, "ytick.labelcolor": INK},
}


@dataclass(frozen=True)
class Plot:
    """name: stem of its files. text: what it shows, for those who do not see it. light, dark: SVG."""

    name: str
    text: str
    light: str
    dark: str


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of so many inches in the style of the page; its dots are points, as in SVG."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # measured only: the reader's fonts draw it
        yield Figure(figsize=(width, height), dpi=72, layout="constrained")


def rendered(name: str, text: str, drawn: Figure) -> Plot:
    """The finished figure; on a dark ground each colour is replaced by its fellow."""
    buffer = io.StringIO()
    FigureCanvasSVG(drawn).print_svg(buffer, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    light = re.sub(r"font-family: [^;]*", "font-family: system-ui, sans-serif", buffer.getvalue())
    light = light[light.index("<svg") :]
    dark = light
    for ours, theirs in DARK.items():
        dark = dark.replace(ours, theirs)
    return Plot(name, text, light, dark)


def mark(marker: str, colour: str, label: str, **look: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], linestyle="", marker=marker, color=colour, markersize=6, label=label, **look)


def columns(labels: Sequence[str]) -> int:
    """How many columns of a legend find room."""
    longest = max(len(named(label)) for label in labels)
    return 3 if longest < 20 else 2 if longest < 38 else 1


def tall(labels: Sequence[str]) -> float:
    """Inches that a legend takes beyond its second line."""
    return 0.17 * max(0, math.ceil(len(labels) / columns(labels)) - 2)


def colour(number: int) -> str:
    return list(SERIES)[number % len(SERIES)]


def series(number: int) -> dict[str, Any]:
    """How a series is drawn: hollow, and finer than the one before, so that what lies beneath it shows."""
    look = {"color": colour(number), "marker": MARKERS[number], "markerfacecolor": "none"}
    return look | {"markersize": 6.5, "markeredgewidth": 1.5, "linewidth": 2.4 - 0.3 * number}


def short(text: str, limit: int = 26) -> str:
    """How a text begins, as XML and a plot can hold it: one line, nothing unprintable, not too long."""
    text = printable(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def named(text: str, limit: int = 60) -> str:
    """A name in the same way; of a long one both ends, since those of one kind begin alike."""
    text = printable(text)
    half = (limit - 1) // 2
    return text if len(text) <= limit else f"{text[:half]}…{text[-half:]}"
