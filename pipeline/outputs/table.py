"""The table at the end of a run: percent with 95 % intervals, differences, the paper's figures where it has some."""

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datamodules.printable import printable
from pipeline.outputs.published import Published, alongside
from pipeline.outputs.records import Row

COLUMNS = {"f1_iou": "F1-IoU", "obj_iou": "Obj-IoU", "func_iou": "Func-IoU", "punct_iou": "Punct-IoU"} | {
    "pointing": "Pointing"
}
ABSENT = "–"
WIDTH, PAIRS = 100, 6
"""Columns where there is no terminal; of more pairs than this only those with the best explainer are shown."""

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
    for kind, count in summary["redone"].items():
        console.print(f"{count} samples redone in smaller batches after {kind}", style="bold", markup=False)
    for profile in ("corrected", "reference") if beside else ("corrected",):
        console.print(_figures(summary, profile, beside, whose))
    if summary["differences"]:
        console.print(_differences(summary, "corrected"))
    captions = [f"{name} {_percent(figure['value'])}" for name, figure in summary["captions"].items()]
    if captions:
        console.print(Text("captions: " + " · ".join(captions)))


def captions(rows: Mapping[str, Row], model: str, dataset: str, limit: int = 20, file: Any = None) -> None:
    """Print what the model said, where nothing is known of the images that could be scored."""
    said = sorted((row.index, row.key, row.answer["text"]) for row in rows.values() if row.answer)
    lines = [f"\n{model} on {dataset}: {len(said)} of {len(rows)} images captioned; no ground truth, so no figures"]
    lines += [f"{index:5d}  {key}: {printable(text)}" for index, key, text in said[:limit]]
    lines += [f"       and {len(said) - limit} more in rows.*.jsonl"] if len(said) > limit else []
    print(*lines, sep="\n", file=file)


def _figures(summary: Mapping[str, Any], profile: str, beside: Mapping[str, Mapping[str, float]], whose: str) -> Table:
    """A row per explainer; the interval below each figure, the published figure below that."""
    by_name: dict[str, Figures] = {name: of[profile] for name, of in summary["explainers"].items()}
    note = "in percent, below it the 95 % interval over images; * best"
    note += f"; paper: as published{whose}, scored by the public code (profile reference)" if beside else ""
    table = Table(title=f"Profile {profile}", caption=note, title_justify="left", caption_justify="left")
    table.add_column("Explainer", overflow="fold")
    for title in COLUMNS.values():
        table.add_column(title, justify="right", no_wrap=True)
    leaders = {metric: best(by_name, metric) for metric in COLUMNS}
    for name, figures in by_name.items():
        cells = [_cell(figures[m], beside.get(name, {}).get(m), name in leaders[m]) for m in COLUMNS]
        table.add_row(Text(name), *cells, end_section=True)
    return table


def _differences(summary: Mapping[str, Any], profile: str) -> Table:
    """A row per pair, the first minus the second on the same images; bold where the interval leaves out zero."""
    pairs = summary["differences"]
    if len(pairs) > PAIRS:
        leaders = best({name: of[profile] for name, of in summary["explainers"].items()}, "f1_iou")
        pairs = {pair: of for pair, of in pairs.items() if set(pair.split("-")) & leaders}
    table = Table(title=f"Paired differences, profile {profile}", title_justify="left")
    table.caption, table.caption_justify = (
        "percentage points on the same images, 95 % interval; ! leaves out zero",
        "left",
    )
    table.add_column("Difference", overflow="fold")
    metrics = [metric for metric in COLUMNS if metric in ("f1_iou", "obj_iou", "func_iou")]
    for metric in metrics:
        table.add_column(COLUMNS[metric], justify="right", no_wrap=True)
    for pair, of in pairs.items():
        table.add_row(Text(pair.replace("-", " - ")), *(_difference(of[profile][metric]) for metric in metrics))
    return table


def _cell(figure: Mapping[str, Any], paper: float | None, best: bool) -> Text:
    cell = Text(_percent(figure["value"], 2) + ("*" if best else " "), style="bold" if best else "")
    if figure["low"] is not None:
        cell.append(f"\n{_percent(figure['low'])}–{_percent(figure['high'])}", style="dim not bold")
    if paper is not None:
        cell.append(f"\npaper {paper:.2f}", style="cyan not bold")
    return cell


def _difference(figure: Mapping[str, Any]) -> Text:
    if figure["value"] is None or figure["low"] is None:
        return Text(ABSENT)
    value, low, high = (100 * figure[part] for part in ("value", "low", "high"))
    clear = low > 0 or high < 0
    return Text(f"{value:+z.2f} [{low:+z.1f}, {high:+z.1f}]{'!' if clear else ' '}", style="bold" if clear else "")


def best(by_name: Mapping[str, Figures], metric: str) -> set[str]:
    """The explainers with the highest figure; none where there is nothing to compare."""
    values = {name: of[metric]["value"] for name, of in by_name.items() if of[metric]["value"] is not None}
    return {name for name, value in values.items() if value == max(values.values())} if len(values) > 1 else set()


def _percent(value: float | None, digits: int = 1) -> str:
    return ABSENT if value is None else f"{100 * value:.{digits}f}"
