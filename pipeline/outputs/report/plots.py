"""The plots of a page: figures of explainers over all groups, and breakdowns of one group."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pipeline.outputs.report.read import Entrant, Group
from pipeline.outputs.report.style import (
    BAR,
    FAINT,
    FILLED,
    INK,
    PAPER,
    RULE,
    Plot,
    colour,
    columns,
    figure,
    mark,
    rendered,
    series,
    short,
)

SHOWN, CATEGORIES = 6, 24
"""Where there are more explainers or categories, the best and the most frequent are drawn."""


def scatter(groups: Sequence[Group], profile: str) -> Plot | None:
    """Obj-IoU against Func-IoU with 95 % intervals on contours of F1-IoU. The number in a marker is the explainer's,
    its shape the group's; what the paper says of the same model and data is hollow."""
    points = [(number, entrant) for number, group in enumerate(groups) for entrant in _known(group.entrants, profile)]
    if not points:
        return None
    names = list(dict.fromkeys(entrant.label for _, entrant in points))
    with figure(5.4, 4.4) as drawn:
        axes = drawn.add_subplot()
        for number, entrant in points:
            place, marker = names.index(entrant.label), FILLED[number % len(FILLED)]
            tint = colour(place)
            (x, across), (y, along) = (_percent(entrant.figures[profile][name]) for name in ("func_iou", "obj_iou"))
            axes.errorbar(x, y, yerr=along, xerr=across, fmt="", color=tint, elinewidth=1.1, zorder=2)
            _numbered(axes, x, y, place, marker, face=tint, edge=PAPER, ink=PAPER, level=3)
            if entrant.paper and not groups[number].whose:
                at = entrant.paper["func_iou"], entrant.paper["obj_iou"]
                _numbered(axes, *at, place, marker, face="none", edge=FAINT, ink=FAINT, level=1)
        axes.margins(0.1)
        axes.set(xlabel="Func-IoU, %", ylabel="Obj-IoU, %")
        _contours(axes)
        handles = [mark("o", colour(at), f"{at + 1}  {short(name)}") for at, name in enumerate(names)]
        if len(groups) > 1:
            handles += [mark(FILLED[at % len(FILLED)], FAINT, _titled(group)) for at, group in enumerate(groups)]
        drawn.legend(handles=handles, loc="outside upper center", ncols=columns(names), fontsize=8.5, handletextpad=0.1)
        return rendered(f"{profile}-scatter", "Obj-IoU against Func-IoU of every explainer, on lines of F1-IoU", drawn)


def bars(groups: Sequence[Group], profile: str) -> Plot | None:
    """F1-IoU of every explainer with its interval; a diamond where the paper has a figure."""
    shown = [(group, _known(group.entrants, profile)) for group in groups]
    shown = [(group, entrants) for group, entrants in shown if entrants]
    if not shown:
        return None
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
                if entrant.paper:
                    axes.plot(entrant.paper["f1_iou"], place, "D", color=FAINT, markeredgecolor=PAPER, markersize=6)
                    published = True
            axes.set_yticks(at, [short(entrant.label, 34) for entrant in entrants])
            axes.tick_params(axis="y", length=0)
            axes.invert_yaxis()
            axes.grid(axis="x", linewidth=0.6)
            if len(shown) > 1:
                axes.set_title(_titled(group), loc="left", size=9.5)
        places[-1].set_xlabel("F1-IoU, %")
        if published:
            drawn.legend(handles=[mark("D", FAINT, "published")], loc="outside upper right", fontsize=8.5)
        return rendered(f"{profile}-f1", "F1-IoU of every explainer with its 95 % interval", drawn)


def categories(group: Group, profile: str, number: int) -> Plot | None:
    """Obj-IoU by category, a marker for each explainer; the most frequent categories, by their mean."""
    shown = _best(group, profile)
    tables = [_breakdown(entrant, profile)["category"] for entrant in shown]
    counts = {name: max(of[name]["count"] for of in tables if name in of) for of in tables for name in of}
    frequent = sorted(counts, key=lambda name: (-counts[name], name))[:CATEGORIES]
    if not frequent:
        return None
    means = {name: np.mean([of[name]["value"] for of in tables if name in of]) for name in frequent}
    names = sorted(frequent, key=lambda name: (-means[name], name))
    with figure(5.4, 1.2 + 0.225 * len(names)) as drawn:
        axes = drawn.add_subplot()
        for at, (entrant, of) in enumerate(zip(shown, tables, strict=True)):
            values = [100 * of[name]["value"] if name in of else np.nan for name in names]
            axes.plot(values, range(len(names)), linestyle="", **series(at), label=short(entrant.label))
        axes.set_yticks(range(len(names)), [f"{short(name)}  ({counts[name]})" for name in names])
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="Obj-IoU, %", ylim=(len(names) - 0.4, -0.6))
        axes.grid(linewidth=0.6)
        labels = [entrant.label for entrant in shown]
        drawn.legend(loc="outside upper center", ncols=columns(labels), fontsize=8.5, handletextpad=0.2)
        return rendered(f"{profile}-category-{number}", "Obj-IoU by category, for each explainer", drawn)


def lengths(group: Group, profile: str, number: int) -> Plot | None:
    """Obj-IoU and Func-IoU by the caption's length in words, a line for each explainer."""
    shown = _best(group, profile)
    tables = [_breakdown(entrant, profile)["length"] for entrant in shown]
    classes = sorted({name for of in tables for name in of}, key=lambda name: int(name.split("-")[0]))
    if not any(of[name]["obj_iou"]["count"] for of in tables for name in of):
        return None
    images = {name: max(of[name]["images"] for of in tables if name in of) for name in classes}
    with figure(5.4, 2.9) as drawn:
        for axes, metric, title in zip(drawn.subplots(1, 2), ("obj_iou", "func_iou"), ("Obj", "Func"), strict=True):
            for at, (entrant, of) in enumerate(zip(shown, tables, strict=True)):
                values = [_hundred(of[name][metric]["value"]) if name in of else np.nan for name in classes]
                axes.plot(values, **series(at), linewidth=1.2, label=short(entrant.label))
            axes.set_xticks(range(len(classes)), [_class(name, images[name]) for name in classes], size=8.5)
            axes.set(ylabel=f"{title}-IoU, %", xlim=(-0.4, len(classes) - 0.6))
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.grid(axis="y", linewidth=0.6)
        drawn.supxlabel("words in the caption, and how many captions", size=9)
        wide = columns([entrant.label for entrant in shown])
        drawn.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=wide, fontsize=8.5)
        return rendered(f"{profile}-length-{number}", "Obj-IoU and Func-IoU by the length of the caption", drawn)


def _contours(axes: Axes) -> None:
    """Lines of equal F1-IoU under what is drawn, inside its limits and [0, 100]."""
    limits = [np.clip(limit, 0, 100) for limit in (axes.get_xlim(), axes.get_ylim())]
    func, obj = np.meshgrid(*(np.linspace(low, high, 200) for low, high in limits))
    f1 = 2 * func * obj / np.maximum(func + obj, 1e-9)
    lines = axes.contour(func, obj, f1, MaxNLocator(7).tick_values(f1.min(), f1.max()), colors=RULE, linewidths=0.9)
    axes.clabel(lines, fmt="F1 %g", fontsize=7.5, colors=FAINT)
    axes.set(xlim=limits[0], ylim=limits[1])


def _numbered(axes: Axes, x: float, y: float, number: int, marker: str, **look: Any) -> None:
    """A marker with its number, counted from one."""
    face, edge, ink, level = (look[name] for name in ("face", "edge", "ink", "level"))
    look = {"markersize": 11, "markerfacecolor": face, "markeredgecolor": edge}
    axes.plot(x, y, marker, **look, zorder=level, clip_on=False)
    place = {"ha": "center", "va": "center_baseline", "zorder": level, "clip_on": False}
    axes.text(x, y, str(number + 1), size=7, color=ink, weight="bold", **place)


def _known(entrants: Sequence[Entrant], profile: str) -> list[Entrant]:
    """Those with a figure and its interval."""
    return [entrant for entrant in entrants if entrant.figures[profile]["f1_iou"]["low"] is not None]


def _best(group: Group, profile: str) -> list[Entrant]:
    """The explainers with the highest F1-IoU, else the highest Obj-IoU, in the group's order."""

    def rank(entrant: Entrant) -> list[float]:
        return [-(entrant.figures[profile][metric]["value"] or 0.0) for metric in ("f1_iou", "obj_iou")]

    ranked = sorted(group.entrants, key=rank)[:SHOWN]
    return [entrant for entrant in group.entrants if entrant in ranked]


def _breakdown(entrant: Entrant, profile: str) -> dict[str, Any]:
    return dict(entrant.run.summary["breakdowns"][entrant.explainer][profile])


def _percent(figure: Mapping[str, Any]) -> tuple[float, np.ndarray]:
    """A figure in percent, and how far its interval reaches below and above, as `errorbar` takes it."""
    value = figure["value"]
    reach = [max(value - figure["low"], 0), max(figure["high"] - value, 0)]
    return 100 * value, 100 * np.array(reach)[:, None]


def _hundred(value: float | None) -> float:
    return np.nan if value is None else 100 * value


def _class(name: str, images: int) -> str:
    return f"{name.removesuffix('-') + '+' if name.endswith('-') else name.replace('-', '–')}\nn={images}"


def _titled(group: Group) -> str:
    return short(f"{group.model} on {group.data}", 48)
