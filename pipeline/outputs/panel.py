"""One picture of one sample: image with mask outlines, caption, and a map per explainer and word. Layout only."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from PIL import Image

from metrics.base import Box
from pipeline.outputs.fingerprint import write_atomic
from pipeline.outputs.typeset import BOLD, PLAIN, Placed, Segment, drawable, typeset

COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#0072b2", "#f0e442", "#999999")
"""Okabe and Ito's palette: told apart with any colour vision."""
COLOUR_MAP = "viridis"
MARGIN, PICTURE, CELL, GAP, LINE = 0.2, 3.4, 1.7, 0.34, 0.3
"""Inches: around everything, the image's width, a map's width, between maps, a line of the caption."""
SIDE = 640
"""The image is drawn with at most so many pixels a side."""


@dataclass(frozen=True, eq=False)
class Column:
    """One word: its title, the category whose mask is outlined (None: a function word), map and figure by explainer."""

    title: str
    category: str | None
    maps: Mapping[str, UInt8[np.ndarray, "_ _"]]
    figures: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Panel:
    """box: the part of the image that the maps cover. A caption mark is a category, or "" for the function word."""

    image: Image.Image
    masks: Mapping[str, Bool[np.ndarray, "_ _"]]
    explainers: Sequence[str]
    columns: Sequence[Column]
    caption: Sequence[Segment]
    box: Box


def colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def draw_panel(path: Path, panel: Panel) -> None:
    """Draw `panel` into a PNG file. No pyplot and no global state."""
    image = panel.image.copy()
    image.thumbnail((SIDE, SIDE))
    masks = {name: _resized(mask, image.size) for name, mask in panel.masks.items() if mask.any()}
    colours = {name: colour(number) for number, name in enumerate(panel.masks)}
    across, down = len(panel.columns), len(panel.explainers) if panel.columns else 0
    ratio = min(max(image.height / image.width, 0.45), 1.8)
    width = MARGIN + PICTURE + (across * (CELL + 0.1) + 1.3 if down else 2.4)
    words = typeset(panel.caption, width - 2 * MARGIN)
    top = MARGIN + LINE * (words[-1].line + 1 if words else 0) + 0.15
    legend = 0.22 * -(-len(masks) // 2) + 0.1
    height = top + 0.25 + max(PICTURE * ratio + legend, down * (CELL * ratio + GAP)) + MARGIN
    figure = Figure(figsize=(width, height), dpi=130, facecolor="white")

    def axes(left: float, below: float, wide: float, high: float) -> Axes:
        """Empty axes, placed in inches from the top left corner."""
        made = figure.add_axes((left / width, 1 - (below + high) / height, wide / width, high / height))
        made.set(xticks=[], yticks=[])
        for spine in made.spines.values():
            spine.set_color("#bbbbbb")
        return made

    _write(figure, words, colours)
    whole = axes(MARGIN, top + 0.25, PICTURE, PICTURE * ratio)
    whole.imshow(np.asarray(image), extent=(0, image.width, image.height, 0))
    for name, mask in masks.items():
        _outline(whole, mask, colours[name], 2.2)
    _legend(whole, [(name, colours[name]) for name in masks])
    for number, name in enumerate(panel.explainers if down else ()):
        below = top + 0.25 + number * (CELL * ratio + GAP)
        for at, column in enumerate(panel.columns):
            cell = axes(MARGIN + PICTURE + 0.45 + at * (CELL + 0.1), below, CELL, CELL * ratio)
            drawn = _map(cell, column, name, panel.box, image.size)
            if column.category in masks:
                _outline(cell, masks[column.category], "white", 1.4)
            if number == 0:
                cell.set_title(drawable(column.title, 23), fontproperties=BOLD, size=9, pad=4, parse_math=False)
            if at == 0:
                cell.set_ylabel(drawable(name, 22), fontproperties=BOLD, size=9, parse_math=False)
        if number == 0:
            place = axes(width - 0.72, below, 0.13, down * (CELL * ratio + GAP) - GAP)
            bar = figure.colorbar(drawn, cax=place, ticks=[0, 64, 128, 192, 255])
            bar.ax.tick_params(labelsize=8, length=2)
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    write_atomic(path, png.getvalue())


def _map(cell: Axes, column: Column, name: str, box: Box, size: tuple[int, int]) -> AxesImage:
    """One map at its true grid, on the part of the image that it covers."""
    (top, left, bottom, right), (wide, high) = box, size
    extent = (left * wide, right * wide, bottom * high, top * high)
    drawn = cell.imshow(column.maps[name], COLOUR_MAP, vmin=0, vmax=255, interpolation="nearest", extent=extent)
    cell.set(xlim=(0, wide), ylim=(high, 0), facecolor="#eeeeee")
    cell.set_xlabel(drawable(column.figures[name]), fontproperties=PLAIN, size=8, labelpad=2, parse_math=False)
    return drawn


def _outline(place: Axes, mask: Bool[np.ndarray, "_ _"], stroke: str, thickness: float) -> None:
    """The border of `mask`, closed at the image's edge too, on a dark rim so that it shows on any ground."""
    padded = np.pad(mask, 1).astype(float)
    across, down = np.arange(padded.shape[1]) - 0.5, np.arange(padded.shape[0]) - 0.5
    lines = place.contour(across, down, padded, levels=[0.5], colors=[stroke], linewidths=thickness)
    lines.set_path_effects([withStroke(linewidth=thickness + 1.4, foreground="#222222")])


def _legend(place: Axes, names: Sequence[tuple[str, str]]) -> None:
    if not names:
        return
    handles = [Line2D([], [], color=tint, linewidth=3, label=" " + drawable(name, 24)) for name, tint in names]
    legend = place.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, -0.01), ncol=2, frameon=False, fontsize=8.5
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _write(figure: Figure, words: Sequence[Placed], colours: Mapping[str, str]) -> None:
    """The caption, from the top left corner; marked words on their category's colour, the function word on grey."""
    width, height = figure.get_size_inches()
    for left, line, text, mark in words:
        ground = {"boxstyle": "round,pad=0.12", "edgecolor": "none", "facecolor": colours.get(mark or "", "#d0d0d0")}
        figure.text(
            (MARGIN + left) / width,
            1 - (MARGIN + LINE * (line + 0.7)) / height,
            text,
            fontproperties=PLAIN if mark is None else BOLD,
            bbox=None if mark is None else ground | {"alpha": 0.55},
            parse_math=False,
        )


def _resized(mask: Bool[np.ndarray, "_ _"], size: tuple[int, int]) -> Bool[np.ndarray, "_ _"]:
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
