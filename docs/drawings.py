"""What each metric looks at, drawn from what the metric's own functions return."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from datamodules.sample import Sample
from metrics import localisation
from metrics.base import Evidence
from metrics.entries import Entries, Object
from metrics.pixels import WHOLE, Maps, Placed, decode
from metrics.words import Word, tagger
from pipeline.outputs import draw
from pipeline.outputs.panel import colour
from pipeline.outputs.records import Row

MAPS, UNEVEN = "cam", "attention_rollout"
"""Explainers whose maps the metrics' pictures show: of objects, and of words that name nothing."""
GREEN, RED, BLUE, GREY = "#009e73", "#d55e00", "#0072b2", "#e8e8e8"


@dataclass(frozen=True, eq=False)
class Seen:
    """One explained sample: what is known of it, what was said, and the maps."""

    sample: Sample
    row: Row
    words: Sequence[Word]
    maps: Mapping[str, np.ndarray]

    @property
    def masks(self) -> dict[str, np.ndarray]:
        """Name -> mask."""
        return {name: decode(rle) for name, rle in (self.sample.masks or {}).items()}

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        assert self.sample.image is not None
        return self.sample.image.height, self.sample.image.width

    @property
    def said(self) -> str:
        """The answer."""
        return str(self.row.answer["text"]) if self.row.answer else ""

    def evidence(self, explainer: str) -> Evidence:
        """All that a metric may know."""
        pieces = tuple(self.row.answer["pieces"]) if self.row.answer else ()
        known = {"masks": self.sample.masks or {}, "categories": self.sample.categories}
        return Evidence(self.maps[explainer], pieces, **known, captions=self.sample.captions)

    def scored(self, explainer: str) -> Entries:
        """Its entries in profile `corrected`."""
        return localisation.score(self.evidence(explainer), self.words, "corrected", tagger("hanta"))


def explained(path: Path, scene: Seen, name: str) -> None:
    """The scene, and the maps of its object words and of one function word."""
    maps = {name: scene.maps[name]}
    masks = scene.masks
    words = draw.shown(scene.row)
    figure, (whole, *cells) = sheet(len(words) + 1)
    figure.suptitle(scene.said, fontsize=9)
    whole.imshow(scene.sample.image)
    for number, mask in enumerate(masks.values()):
        outline(whole, mask, colour(number))
    bare(whole, "the scene", name)
    for cell, word in zip(cells, words, strict=True):
        found = draw.column(scene.row, word, maps)
        height, width = scene.size
        drawn = cell.imshow(found.maps[name], vmin=0, vmax=255, extent=(0, width, height, 0), interpolation="nearest")
        if word.category in masks:
            outline(cell, masks[word.category], "white")
        bare(cell, f"“{found.title}”", found.figures[name])
    figure.colorbar(drawn, ax=[whole, *cells], ticks=[0, 128, 255], shrink=0.5, pad=0.02).ax.tick_params(labelsize=8)
    save(figure, path)


def outline(place: Axes, mask: np.ndarray, stroke: str) -> None:
    """The border of a mask, closed at the image's edge, on a dark rim."""
    padded = np.pad(mask, 1).astype(float)
    lines = place.contour(
        np.arange(padded.shape[1]) - 1, np.arange(padded.shape[0]) - 1, padded, levels=[0.5], colors=[stroke]
    )
    lines.set_path_effects([withStroke(linewidth=2.6, foreground="#222222")])
    place.set(xlim=(0, mask.shape[1]), ylim=(mask.shape[0], 0))


def sheet(count: int, width: float = 2.6, height: float = 2.8, across: int = 2) -> tuple[Figure, list[Axes]]:
    """Empty pictures, two in a row, so that they can be read on a narrow screen."""
    down = -(-count // across)
    figure = Figure(figsize=(across * width, down * height), dpi=120, facecolor="white", layout="constrained")
    places = list(np.ravel(figure.subplots(down, across, squeeze=False)))
    for place in places[count:]:
        place.set_axis_off()
    return figure, places[:count]


def bare(place: Axes, title: str, below: str = "") -> None:
    """No ticks; a title above, a line below."""
    place.set(xticks=[], yticks=[])
    place.set_title(title, fontsize=9)
    place.set_xlabel(below, fontsize=9)


def save(figure: Figure, path: Path) -> None:
    """As a PNG file."""
    FigureCanvasAgg(figure).print_png(path)


def overlap(path: Path, scene: Seen) -> None:
    """From the map of one object word to its IoU: grid, image, threshold, overlap."""
    entry, token, mask, placed = best(scene)
    figure, (image, grid, histogram, hits) = sheet(4)
    image.imshow(scene.sample.image)
    outline(image, mask, "white")
    bare(image, f"mask of “{entry.category}”")
    grid.imshow(scene.maps[MAPS][token], vmin=0, vmax=255)
    bare(grid, f"map of “{entry.category}”, 16 × 16")
    histogram.hist(placed.values.ravel(), bins=64, color="#888888")
    histogram.axvline(placed.threshold, color=RED)
    histogram.set_yscale("log")
    histogram.set_title("its pixels on the image", fontsize=9)
    histogram.set_xlabel(f"Otsu's threshold: {placed.threshold:.0f}", fontsize=9)
    kinds = placed.foreground.astype(int) + 2 * mask
    hits.imshow(kinds, cmap=ListedColormap([GREY, RED, BLUE, GREEN]), vmin=0, vmax=3, interpolation="nearest")
    figures = f"IoU {entry.iou:.2f}\nprecision {entry.precision:.2f}, recall {entry.recall:.2f}"
    bare(hits, "foreground against mask", figures)
    save(figure, path)


def best(scene: Seen) -> tuple[Object, int, np.ndarray, Placed]:
    """The last object of the answer: its entry, the token that was scored, its mask, and that token's map."""
    entry = scene.scored(MAPS).objects[-1]
    mask = scene.masks[entry.category]
    maps = Maps(scene.maps[MAPS], mask.shape)
    area = int(np.count_nonzero(mask))
    token = max(scene.words[entry.first].tokens, key=lambda token: maps.placed(token, WHOLE).overlap(mask, area)[0])
    return entry, token, mask, maps.placed(token, WHOLE)


def shares(path: Path, scene: Seen) -> None:
    """The foreground threshold of the image, and the words that should stay below it."""
    found = scene.scored(UNEVEN)
    assert found.threshold is not None
    worst = min(found.functions, key=lambda entry: entry.share)
    chosen = [worst, max(found.functions, key=lambda entry: entry.share), found.punctuation[-1]]
    noun = next(word for word in scene.words if word.label == "noun")
    figure, places = sheet(4)
    places[0].imshow(scene.maps[UNEVEN][noun.tokens[0]], vmin=0, vmax=255)
    bare(places[0], f"a noun: “{noun.text}”", f"threshold of the image: {found.threshold:.0f}")
    for place, entry in zip(places[1:], chosen, strict=True):
        word = scene.words[entry.first]
        values = scene.maps[UNEVEN][word.tokens[0]]
        place.imshow(values, vmin=0, vmax=255)
        down, across = np.nonzero(values >= found.threshold)
        place.plot(across, down, "x", color=RED, markersize=5)
        kind = "punctuation" if word.label == "punctuation" else "a function word"
        bare(place, f"{kind}: “{word.text}”", f"{entry.share:.0%} of the cells below")
    save(figure, path)


def pointing(path: Path, scene: Seen) -> None:
    """The plateau of maxima against the mask."""
    entry, _, mask, placed = best(scene)
    plateau = placed.values == placed.values.max()
    down, across = np.nonzero(plateau)
    figure, (values, hits) = sheet(2, height=3.2)
    values.imshow(placed.values, vmin=0, vmax=255)
    outline(values, mask, "white")
    bare(values, f"map of “{entry.category}” on the image")
    kinds = plateau.astype(int) + 2 * mask
    hits.imshow(kinds, cmap=ListedColormap([GREY, RED, "#cfe3f2", GREEN]), vmin=0, vmax=3, interpolation="nearest")
    hits.plot(across.mean(), down.mean(), "o", markersize=22, markerfacecolor="none", markeredgecolor="black")
    bare(hits, f"pixels of the largest value, {placed.values.max()}: {len(down)}", f"pointing {entry.pointing:.2f}")
    save(figure, path)


def hide(place: Axes) -> None:
    """Without a frame, from 0 to 1 both ways."""
    place.set(xlim=(0, 1), ylim=(0, 1))
    for side in place.spines.values():
        side.set_visible(False)
