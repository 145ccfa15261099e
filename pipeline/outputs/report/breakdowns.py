"""The plots of a group's breakdowns: by category and by the length of the caption."""

from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from pipeline.outputs.report.read import Entrant, Group
from pipeline.outputs.report.style import Plot, columns, figure, named, rendered, series, short, tall

SHOWN, CATEGORIES = 6, 24
"""Where there are more explainers or categories, the best and the most frequent are drawn."""


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
    labels = [entrant.label for entrant in shown]
    with figure(5.4, 1.2 + 0.225 * len(names) + tall(labels)) as drawn:
        axes = drawn.add_subplot()
        for at, (entrant, of) in enumerate(zip(shown, tables, strict=True)):
            values = [100 * of[name]["value"] if name in of else np.nan for name in names]
            axes.plot(values, range(len(names)), linestyle="", **series(at), label=named(entrant.label))
        axes.set_yticks(range(len(names)), [f"{short(name)}  ({counts[name]})" for name in names])
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="Obj-IoU, %", ylim=(len(names) - 0.4, -0.6))
        axes.grid(linewidth=0.6)
        drawn.legend(loc="outside upper center", ncols=columns(labels), fontsize=8.5, handletextpad=0.2)
        some = f", the {CATEGORIES} most frequent of {len(counts)}" if len(counts) > CATEGORIES else ""
        text = f"Obj-IoU by category{some}, in brackets the words; {_whom(group)}"
        return rendered(f"{profile}-category-{number}", text, drawn)


def lengths(group: Group, profile: str, number: int) -> Plot | None:
    """Obj-IoU and Func-IoU by the caption's length in words, a line for each explainer."""
    shown = _best(group, profile)
    tables = [_breakdown(entrant, profile)["length"] for entrant in shown]
    classes = sorted({name for of in tables for name in of}, key=lambda name: int(name.split("-")[0]))
    if not any(of[name]["obj_iou"]["count"] for of in tables for name in of):
        return None
    images = {name: max(of[name]["images"] for of in tables if name in of) for name in classes}
    labels = [entrant.label for entrant in shown]
    with figure(5.4, 2.9 + tall(labels)) as drawn:
        for axes, metric, title in zip(drawn.subplots(1, 2), ("obj_iou", "func_iou"), ("Obj", "Func"), strict=True):
            for at, (entrant, of) in enumerate(zip(shown, tables, strict=True)):
                values = [_hundred(of[name][metric]["value"]) if name in of else np.nan for name in classes]
                axes.plot(values, **series(at), label=named(entrant.label))
            axes.set_xticks(range(len(classes)), [_class(name, images[name]) for name in classes], size=8.5)
            axes.set(ylabel=f"{title}-IoU, %", xlim=(-0.4, len(classes) - 0.6))
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.grid(axis="y", linewidth=0.6)
        drawn.supxlabel("words in the caption, and how many captions", size=9)
        handles, _ = axes.get_legend_handles_labels()
        drawn.legend(handles=handles, loc="outside upper center", ncols=columns(labels), fontsize=8.5)
        text = f"Obj-IoU and Func-IoU by the length of the caption; {_whom(group)}"
        return rendered(f"{profile}-length-{number}", text, drawn)


def _best(group: Group, profile: str) -> list[Entrant]:
    """The explainers with the highest F1-IoU, else the highest Obj-IoU, in the group's order."""

    def rank(entrant: Entrant) -> list[float]:
        return [-(entrant.figures[profile][metric]["value"] or 0.0) for metric in ("f1_iou", "obj_iou")]

    ranked = sorted(group.entrants, key=rank)[:SHOWN]
    return [entrant for entrant in group.entrants if entrant in ranked]


def _whom(group: Group) -> str:
    """Which explainers are shown."""
    count = len(group.entrants)
    return "every explainer" if count <= SHOWN else f"the {SHOWN} best of {count} explainers"


def _breakdown(entrant: Entrant, profile: str) -> dict[str, Any]:
    return dict(entrant.run.summary["breakdowns"][entrant.explainer][profile])


def _hundred(value: float | None) -> float:
    return np.nan if value is None else 100 * value


def _class(name: str, images: int) -> str:
    return f"{name.removesuffix('-') + '+' if name.endswith('-') else name.replace('-', '–')}\nn={images}"
