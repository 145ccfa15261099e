"""The numbers of the discs of a scatter plot: none is hidden, and none stands where it could be another's."""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text
from scipy.sparse.csgraph import connected_components

from pipeline.outputs.report.style import PAPER

SIZE, EDGE = 11.0, 1.0
"""Of a disc and of its border, in points."""
GAP = 1.5
"""Points that stay free around a number."""
LOOK: Any = {
    **{"size": 7, "weight": "bold", "ha": "center", "va": "center_baseline", "zorder": 6},
    **{"annotation_clip": False, "textcoords": "offset points"},
}
GROUND = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.5}

Boxes = Float[np.ndarray, "boxes 2 2"]
"""Middle and size of each, in points."""


class Disc(NamedTuple):
    """Where a disc lies in the data, its number, and the number's colour in the disc and beside it."""

    x: float
    y: float
    number: int
    inside: str
    beside: str


def write(axes: Axes, discs: Sequence[Disc]) -> list[Annotation]:
    """The number of each disc: in it where no other touches it, else beside it at the end of a line.

    Discs that hide most of each other share a label, those of one colour. The figure must have its final layout, at 72
    dots an inch.
    """
    middles = axes.transData.transform([(disc.x, disc.y) for disc in discs])
    apart = np.hypot(*np.moveaxis(middles[:, None] - middles, 2, 0))
    alike = np.array([[one.beside == other.beside for other in discs] for one in discs])
    heaps = connected_components((apart < SIZE / 2) & alike, directed=False)[1]
    alone = (apart < SIZE + EDGE).sum(1) == 1
    seen = [text.get_window_extent() for text in axes.texts]
    taken = [np.array([middle, [SIZE + EDGE] * 2]) for middle in middles]
    taken += [np.array([(box.p0 + box.p1) / 2, box.size]) for box in seen]
    made = []
    for members in (np.flatnonzero(heaps == heap).tolist() for heap in dict.fromkeys(heaps)):
        at, first = middles[members[0]], discs[members[0]]
        inside = bool(alone[members[0]])
        text = textwrap.fill(", ".join(str(discs[member].number) for member in members), 24)
        look = LOOK if inside else LOOK | {"bbox": GROUND}
        label = axes.annotate(text, first[:2], (0, 0), color=first.inside if inside else first.beside, **look)
        made.append(label)
        if not inside:
            size = np.array(Text.get_window_extent(label).size)
            place = _room(axes, at, size, np.array(taken))
            taken.append(np.array([place, size]))
            label.set_position(tuple(place - at))
            ends = axes.transData.inverted().transform([at, place])
            axes.plot(*ends.T, color=first.beside, linewidth=0.7, zorder=5, clip_on=False, scalex=False, scaley=False)
    return made


def _room(
    axes: Axes, middle: Float[np.ndarray, "2"], size: Float[np.ndarray, "2"], taken: Boxes
) -> Float[np.ndarray, "2"]:
    """Where in the plot a box of this size covers least of what is taken, and of such places the nearest."""
    box = axes.bbox
    sides = [np.linspace(low + s / 2, high - s / 2, 120) for low, high, s in zip(box.p0, box.p1, size, strict=True)]
    places = np.stack(np.meshgrid(*sides), -1).reshape(-1, 2)
    away = abs(places[:, None] - taken[:, 0]) - (size + taken[:, 1]) / 2
    covered = (away < GAP).all(2).sum(1)
    distance = np.hypot(*np.maximum(abs(places - middle) - size / 2, 0).T)
    return np.asarray(places[np.lexsort((distance, covered))[0]])
