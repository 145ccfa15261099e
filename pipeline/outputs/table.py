"""The table at the end of a run: percent with 95 % intervals, differences, the paper's figures where it has some."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datamodules.printable import printable
from pipeline.notation import ABSENT, interval, percent, points
from pipeline.outputs.published import Published, alongside
from pipeline.outputs.records import Row

COLUMNS = {"f1_iou": "F1-IoU", "obj_iou": "Obj-IoU", "func_iou": "Func-IoU", "punct_iou": "Punct-IoU"} | {
    "pointing": "Pointing"
}
PAIRED = ("f1_iou", "obj_iou", "func_iou")
WIDTH, PAIRS = 110, 6
"""Columns where there is no terminal; of more pairs than this only those with the best explainer are shown."""
NAME = 16
"""Columns in which a name that is longer, folded, can still be read."""

Figures = Mapping[str, Mapping[str, Any]]


def show(
    summary: Mapping[str, Any], model: str, dataset: str, other: Published | None = None, file: Any = None
) -> None:
    """Print the figures of a run. model, dataset: stems of their configurations, by which the paper is looked up.

    other: whose published figures are shown where the paper has none of these. file: by default the standard output.
    """
    console = Console(file=file, width=None if (file or sys.stdout).isatty() else WIDTH, highlight=False)
    beside, whose = alongside(summary["explainers"], model, dataset, other)
    samples = summary["samples"]
    console.print(f"\n{model} on {dataset}: {samples['scored']} of {samples['expected']} samples scored", markup=False)
    if samples["quarantined"]:
        console.print(f"{samples['quarantined']} samples quarantined", style="bold")
    if cut := summary["words"]["unfinished"]:
        console.print(f"{cut} of {samples['scored']} answers cut off at the limit of tokens", style="bold")
    for kind, count in summary["redone"].items():
        console.print(f"{count} samples redone in smaller batches after {kind}", style="bold", markup=False)
    for name, kinds in summary.get("failed", {}).items():
        console.print(failure(name, kinds, samples["scored"]), style="bold", markup=False)
    for profile in ("corrected", "reference") if beside else ("corrected",):
        narrow = (_figures(summary, profile, beside, whose, metrics, ",\n ") for metrics in _fewer(tuple(COLUMNS)))
        console.print(_fitting(console, [_figures(summary, profile, beside, whose, tuple(COLUMNS)), *narrow]))
    if summary["differences"]:
        narrow = (_differences(summary, "corrected", metrics, "\n") for metrics in _fewer(PAIRED))
        console.print(_fitting(console, [_differences(summary, "corrected", PAIRED, " "), *narrow]))
    captions = [f"{name} {percent(figure['value'])}" for name, figure in summary["captions"].items()]
    if captions:
        console.print(Text("captions: " + " · ".join(captions)))


def failure(name: str, kinds: Mapping[str, int], scored: int) -> str:
    """Return a sentence on an explainer that failed on some of the scored samples. kinds: error -> how often."""
    counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
    return f"{name} failed on {sum(kinds.values()):,} of {scored:,} samples ({counts}): its figures are over the others"


def has(summary: Mapping[str, Any], name: str) -> tuple[int, int]:
    """Return on how many samples the figures of an explainer stand, and how many the run scored."""
    scored = summary["samples"]["scored"]
    return scored - sum(summary.get("failed", {}).get(name, {}).values()), scored


def whole(summary: Mapping[str, Any]) -> set[str]:
    """Return the explainers that have every sample which one of them has: their figures may be ranked."""
    return set(
        summary.get("whole", [name for name in summary["explainers"] if not summary.get("failed", {}).get(name)])
    )


def lack(have: int, samples: int) -> str:
    """Return what stands below the name of an explainer that has not all samples; nothing where it has."""
    return "" if have == samples else f"{have:,} of {samples:,} samples"


def captions(rows: Mapping[str, Row], model: str, dataset: str, limit: int = 20, file: Any = None) -> None:
    """Print what the model said, where nothing is known of the images that could be scored."""
    said = sorted((row.index, row.key, row.answer["text"]) for row in rows.values() if row.answer)
    cut = sum(not row.answer["ended"] for row in rows.values() if row.answer)
    lines = [f"\n{model} on {dataset}: {len(said)} of {len(rows)} images captioned; no ground truth, so no figures"]
    lines += [f"{index:5d}  {key}: {printable(text)}" for index, key, text in said[:limit]]
    lines += [f"       and {len(said) - limit} more in rows.*.jsonl"] if len(said) > limit else []
    lines += [f"{cut} of {len(said)} answers cut off at the limit of tokens"] if cut else []
    print(*lines, sep="\n", file=file)


def _fewer(metrics: Sequence[str]) -> list[Sequence[str]]:
    """All of them, then without the last one, and so on down to the first."""
    return [metrics[:count] for count in range(len(metrics), 0, -1)]


def _fitting(console: Console, forms: Iterable[Table]) -> Table:
    """The first that is no wider than the console, else the last."""
    for form in forms:
        if 1 + sum(3 + (column.min_width or 0) for column in form.columns) <= console.width:  # with lines and margins
            break
    return form


def _table(
    title: str, first: str, note: str, rows: Mapping[str, Sequence[Text]], metrics: Sequence[str], among: Sequence[str]
) -> Table:
    """Figures are not folded, long names are; the note says which metrics are left out."""
    absent = ", ".join(COLUMNS[metric] for metric in among if metric not in metrics)
    note += f"; on a wider terminal also {absent}" if absent else ""
    table = Table(title=title, caption=note, title_justify="left", caption_justify="left")
    named = max(len(word) for name in (first, *rows) for word in name.split())
    table.add_column(first, overflow="fold", min_width=min(NAME, named))
    for place, metric in enumerate(metrics):
        texts = (COLUMNS[metric], *(cells[place].plain for cells in rows.values()))
        width = max(len(line) for text in texts for line in text.split("\n"))
        table.add_column(COLUMNS[metric], justify="right", no_wrap=True, min_width=width)
    for name, cells in rows.items():
        table.add_row(Text(name), *cells, end_section=any("\n" in cell.plain for cell in cells))
    return table


def _figures(
    summary: Mapping[str, Any],
    profile: str,
    beside: Mapping[str, Mapping[str, float]],
    whose: str,
    metrics: Sequence[str],
    between: str = ", ",
) -> Table:
    """A row per explainer; the interval below each figure, the published figure below that. between: parts the ends of
    an interval."""
    by_name: dict[str, Figures] = {name: of[profile] for name, of in summary["explainers"].items()}
    ranked = whole(summary)
    note = "in percent, below it the 95 % interval over images; * best"
    note += "" if len(ranked) == len(by_name) else " of those with all samples"
    note += f"; paper: as published{whose}, scored by the public code (profile reference)" if beside else ""
    leaders = {metric: best({name: by_name[name] for name in by_name if name in ranked}, metric) for metric in metrics}
    rows = {
        "\n".join(filter(None, [name, lack(*has(summary, name))])): [
            _cell(figures[m], beside.get(name, {}).get(m), name in leaders[m], between) for m in metrics
        ]
        for name, figures in by_name.items()
    }
    return _table(f"Profile {profile}", "Explainer", note, rows, metrics, tuple(COLUMNS))


def _differences(summary: Mapping[str, Any], profile: str, metrics: Sequence[str], between: str) -> Table:
    """A row per pair, the first minus the second on the same images. between: what parts a difference from its
    interval, a space or the end of the line."""
    pairs = summary["differences"]
    if len(pairs) > PAIRS:
        among = whole(summary) or set(summary["explainers"])
        leaders = highest({name: summary["explainers"][name][profile] for name in among}, "f1_iou") or among
        pairs = {pair: of for pair, of in pairs.items() if set(pair.split("-")) & leaders}
    note = "percentage points on the same images, 95 % interval; ! leaves out zero"
    rows = {
        pair.replace("-", " - "): [_difference(of[profile][metric], between) for metric in metrics]
        for pair, of in pairs.items()
    }
    return _table(f"Paired differences, profile {profile}", "Difference", note, rows, metrics, PAIRED)


def _cell(figure: Mapping[str, Any], paper: float | None, best: bool, between: str) -> Text:
    cell = Text(percent(figure["value"]) + ("*" if best else " "), style="bold" if best else "")
    if ends := interval(figure, between=between):
        cell.append(f"\n{ends}", style="dim not bold")
    if paper is not None:
        cell.append(f"\npaper {paper:.2f}", style="cyan not bold")
    return cell


def _difference(figure: Mapping[str, Any], between: str = " ") -> Text:
    if figure["value"] is None or figure["low"] is None:
        return Text(ABSENT)
    mark = clear(figure)
    text = f"{points(figure['value'])}{between}{interval(figure, points)}{'!' if mark else ' '}"
    return Text(text, style="bold" if mark else "")


def clear(figure: Mapping[str, Any]) -> bool:
    """Whether the interval of a difference leaves out zero; `points` then gives both ends the same sign."""
    return bool(figure["low"] is not None and (figure["low"] > 0 or figure["high"] < 0))


def best(by_name: Mapping[str, Figures], metric: str) -> set[str]:
    """Return the explainers that are marked as the best of a column: those with the highest figure, unless that is 0 or
    all have the same."""
    top = highest(by_name, metric)
    known = {name for name, of in by_name.items() if of[metric]["value"] is not None}
    return top if top < known and any(by_name[name][metric]["value"] > 0 for name in top) else set()


def highest(by_name: Mapping[str, Figures], metric: str) -> set[str]:
    """Return the explainers with the highest figure; none where fewer than two have one."""
    values = {name: of[metric]["value"] for name, of in by_name.items() if of[metric]["value"] is not None}
    return {name for name, value in values.items() if value == max(values.values())} if len(values) > 1 else set()
