"""What figures of a data set look like: F1-IoU over its two parts, intervals as resamples make them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from docs.drawings import BLUE, GREEN, RED, save, sheet
from metrics import entries, interval
from pipeline.outputs.records import Row


def harmonic(path: Path, summary: Mapping[str, Any]) -> None:
    """Lines of equal F1-IoU over the two figures it is made of, and every explainer of the run."""
    figure, (place,) = sheet(1, 6.6, 4.2, across=1)
    funcs, objs = np.meshgrid(np.linspace(0.4, 1, 200), np.linspace(0.001, 0.6, 200))
    levels = 200 * funcs * objs / (funcs + objs)
    lines = place.contour(100 * funcs, 100 * objs, levels, range(10, 80, 10), colors="#bbbbbb", linewidths=0.8)
    place.clabel(lines, fontsize=7, fmt="F1 %d")
    found = {
        name: [100 * profiles["corrected"][metric]["value"] for metric in ("func_iou", "obj_iou")]
        for name, profiles in summary["explainers"].items()
    }
    ordered = sorted(found, key=lambda name: found[name][1])
    for name, height in zip(ordered, np.linspace(2, 58, len(ordered)), strict=True):
        place.plot(*found[name], "o", color=BLUE, markersize=4)
        arrow = {"arrowstyle": "-", "color": "#9ecae1", "linewidth": 0.6}
        place.annotate(
            name, found[name], (103, height), fontsize=7.5, va="center", arrowprops=arrow, annotation_clip=False
        )
    place.set(xlim=(40, 101), ylim=(0, 60), xlabel="Func-IoU, %", ylabel="Obj-IoU, %")
    save(figure, path)


def resampled(path: Path, rows: Sequence[Row]) -> None:
    """What F1-IoU becomes on resamples of the images, and what a difference becomes on the same resamples."""
    names = ("msea_arc", "cam")
    scored = [row for row in rows if row.error is None]
    sums = ([entries.sums(row.explainers[name]["corrected"]) for row in scored] for name in names)
    found = interval.bootstrap([interval.Table(entries.METRICS, images) for images in sums])
    figure, (alone, apart) = sheet(2, 3.6, 2.9)
    for name, each, ink in zip(names, found, (BLUE, RED), strict=True):
        spread(alone, 100 * each.resampled[interval.F1], interval.interval(each, interval.F1), ink, name)
    alone.legend(fontsize=8)
    alone.set_xlabel("F1-IoU, %", fontsize=9)
    difference = 100 * (found[0].resampled[interval.F1] - found[1].resampled[interval.F1])
    spread(apart, difference, interval.difference(*found, interval.F1), GREEN, "msea_arc - cam")
    apart.axvline(0, color="black", linewidth=0.8, linestyle=":")
    apart.legend(fontsize=8)
    apart.set_xlabel("difference of F1-IoU, percentage points", fontsize=9)
    save(figure, path)


def spread(place: Axes, values: np.ndarray, found: interval.Interval, colour: str, name: str) -> None:
    """A histogram with the figure and its interval."""
    place.hist(values, bins=30, color=colour, alpha=0.45, label=name)
    place.axvline(100 * found["value"], color=colour)
    for end in ("low", "high"):
        place.axvline(100 * found[end], color=colour, linestyle="--", linewidth=0.9)  # type: ignore[literal-required]
    place.set_yticks([])
