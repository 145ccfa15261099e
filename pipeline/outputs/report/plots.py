"""The plots of explainers over all groups: Obj-IoU against Func-IoU, and F1-IoU."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from pipeline.outputs.report import numbers
from pipeline.outputs.report.numbers import Disc
from pipeline.outputs.report.read import Entrant, Group, forms
from pipeline.outputs.report.style import (
    BAR,
    FAINT,
    INK,
    PAPER,
    RULE,
    Plot,
    colour,
    columns,
    figure,
    mark,
    named,
    rendered,
    short,
    tall,
)

Shown = list[tuple[Group, list[Entrant]]]
SCORER, PUBLISHED = "reference", "published, public scorer"
"""The profile that reproduces the scorer of the published figures, and what a legend says of them."""
DISC: Any = {
    "marker": "o",
    "markersize": numbers.SIZE,
    "markeredgewidth": numbers.EDGE,
    "linestyle": "",
    "clip_on": False,
}


def scatter(groups: Sequence[Group], profile: str) -> Plot | None:
    """Obj-IoU against Func-IoU with 95 % intervals on contours of F1-IoU, a panel for each group. The number in a
    marker is the explainer's; what the paper says of the same model and data is hollow."""
    shown = _shown(groups, profile)
    if not shown:
        return None
    everyone = [entrant for _, entrants in shown for entrant in entrants]
    names = _names(everyone)
    handles = [mark("o", colour(at), text) for at, text in enumerate(names.values())]
    if any(_paper(entrant, profile) for entrant in everyone):
        handles.append(mark("o", FAINT, PUBLISHED, markerfacecolor="none"))
    labels = [str(handle.get_label()) for handle in handles]
    with figure(5.4, 1.1 + 3.3 * len(shown) + tall(labels)) as drawn:
        panels = drawn.subplots(len(shown), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        discs = [_discs(axes, entrants, [*names], profile) for axes, (_, entrants) in zip(panels, shown, strict=True)]
        for axes, (group, _) in zip(panels, shown, strict=True):
            _contours(axes)
            axes.set_ylabel("Obj-IoU, %")
            axes.set_title(_title(group, shown), loc="left", size=9.5)
        panels[-1].set_xlabel("Func-IoU, %")
        drawn.legend(
            handles=handles, loc="outside upper center", ncols=columns(labels), fontsize=8.5, handletextpad=0.1
        )
        drawn.draw_without_rendering()
        drawn.set_layout_engine("none")  # what numbers are placed by stays where it is
        for axes, of in zip(panels, discs, strict=True):
            numbers.write(axes, of)
        text = "Obj-IoU against Func-IoU of every explainer with 95 % intervals, on lines of equal F1-IoU"
        return rendered(f"{profile}-scatter", text + _elsewhere(groups, profile), drawn)


def bars(groups: Sequence[Group], profile: str) -> Plot | None:
    """F1-IoU of every explainer with its interval; a diamond where the paper has a figure of this model and data."""
    shown = _shown(groups, profile)
    if not shown:
        return None
    names = _names([entrant for _, entrants in shown for entrant in entrants])
    heights = [len(entrants) + 1.2 for _, entrants in shown]
    with figure(5.4, 0.9 + 0.27 * sum(heights)) as drawn:
        places = drawn.subplots(len(shown), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        published = False
        for axes, (group, entrants) in zip(places, shown, strict=True):
            figures = [_percent(entrant.figures[profile]["f1_iou"]) for entrant in entrants]
            at = np.arange(len(entrants))
            errors = np.hstack([error for _, error in figures])
            axes.barh(at, [value for value, _ in figures], 0.66, color=BAR, xerr=errors, ecolor=INK)
            for place, entrant in zip(at, entrants, strict=True):
                if paper := _paper(entrant, profile):
                    axes.plot(paper["f1_iou"], place, "D", color=FAINT, markeredgecolor=PAPER, markersize=6)
                    published = True
            axes.set_yticks(at, [names[entrant.label] for entrant in entrants])
            axes.tick_params(axis="y", length=0)
            axes.set_ylim(len(entrants) - 0.4, -0.6)
            axes.grid(axis="x", linewidth=0.6)
            axes.set_title(_title(group, shown), loc="left", size=9.5)
        places[-1].set_xlabel("F1-IoU, %")
        if published:
            drawn.legend(handles=[mark("D", FAINT, PUBLISHED)], loc="outside upper right", fontsize=8.5)
        text = "F1-IoU of every explainer with its 95 % interval"
        return rendered(f"{profile}-f1", text + _elsewhere(groups, profile), drawn)


def _paper(entrant: Entrant, profile: str) -> Mapping[str, float]:
    """The published figures that a plot shows: of the same model and data, beside figures of their own scorer."""
    return entrant.paper if profile == SCORER and not entrant.whose else {}


def _elsewhere(groups: Sequence[Group], profile: str) -> str:
    """Where published figures are drawn, if there are some and not here."""
    some = any(_paper(entrant, SCORER) for group in groups for entrant in group.entrants)
    return f"; published figures are drawn in profile {SCORER}, their scorer" if some and profile != SCORER else ""


def _discs(axes: Axes, entrants: Sequence[Entrant], names: Sequence[str], profile: str) -> list[Disc]:
    """Draw the figures of each with its intervals, and the published ones; where both kinds lie comes back."""
    found = []
    for entrant in entrants:
        place = names.index(entrant.label)
        (x, across), (y, along) = (_percent(entrant.figures[profile][name]) for name in ("func_iou", "obj_iou"))
        axes.errorbar(x, y, yerr=along, xerr=across, fmt="", color=colour(place), elinewidth=1.1, zorder=2)
        axes.plot(x, y, **DISC, markerfacecolor=colour(place), markeredgecolor=PAPER, zorder=3)
        found.append(Disc(x, y, place + 1, PAPER, INK))
        if paper := _paper(entrant, profile):
            found.append(Disc(paper["func_iou"], paper["obj_iou"], place + 1, FAINT, FAINT))
            axes.plot(*found[-1][:2], **DISC, markerfacecolor="none", markeredgecolor=FAINT, zorder=1)
    axes.margins(0.1)
    return found


def _contours(axes: Axes) -> None:
    """Lines of equal F1-IoU under what is drawn, inside its limits and [0, 100]; each is named where there is room."""
    limits = [np.clip(limit, 0, 100) for limit in (axes.get_xlim(), axes.get_ylim())]
    axes.set(xlim=limits[0], ylim=limits[1])
    segments = [ends for bars in axes.collections if isinstance(bars, LineCollection) for ends in bars.get_segments()]
    reached = [np.linspace(ends[0], ends[1], 9) for ends in segments]
    busy = _shares(axes, np.concatenate([*(line.get_xydata() for line in axes.lines), *reached]))
    func, obj = np.meshgrid(*(np.linspace(low, high, 200) for low, high in limits))
    f1 = 2 * func * obj / np.maximum(func + obj, 1e-9)
    lines = axes.contour(func, obj, f1, MaxNLocator(7).tick_values(f1.min(), f1.max()), colors=RULE, linewidths=0.9)
    places = []
    for line in (part for parts in lines.allsegs for part in parts[:1] if len(part)):
        at = _shares(axes, line)
        room = np.hypot(*np.moveaxis(at[:, None] - busy, 2, 0)).min(1)
        inside = (abs(at - 0.5) < 0.42).all(1)
        if inside.any():
            best = np.where(inside, room, 0).argmax()
            busy = np.vstack([busy, at[best]])
            places.append(line[best])
    axes.clabel(lines, manual=places, fmt="F1 %g", fontsize=7.5, colors=FAINT)


def _shares(axes: Axes, places: Any) -> np.ndarray:
    """Where places lie, as shares of the plot's width and height."""
    return np.asarray((axes.transData + axes.transAxes.inverted()).transform(places))


def _shown(groups: Sequence[Group], profile: str) -> Shown:
    """The groups with their explainers that have a figure and its interval."""
    found = [(of, [one for one in of.entrants if one.figures[profile]["f1_iou"]["low"] is not None]) for of in groups]
    return [(group, entrants) for group, entrants in found if entrants]


def _percent(figure: Mapping[str, Any]) -> tuple[float, np.ndarray]:
    """A figure in percent, and how far its interval reaches below and above, as `errorbar` takes it."""
    value = figure["value"]
    reach = [max(value - figure["low"], 0), max(figure["high"] - value, 0)]
    return 100 * value, 100 * np.array(reach)[:, None]


def _names(entrants: Sequence[Entrant]) -> dict[str, str]:
    """Label -> number and name, as both plots have them."""
    labels = dict.fromkeys(entrant.label for entrant in entrants)
    return {label: f"{at}  {named(label, 42)}" for at, label in enumerate(labels, 1)}


def _title(group: Group, shown: Shown) -> str:
    """What stands above the panel of a group: what tells it from others, and the explainer that no name says."""
    several = f"{group.model} on {group.data}" if len(shown) > 1 else ""
    alone = forms([entrant for _, entrants in shown for entrant in entrants])
    return short(", ".join(filter(None, [alone, several])), 60)
