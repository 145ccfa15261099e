"""A page of runs: read, drawn, rendered and put in place whole."""

import re
import shutil
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

import pipeline
from pipeline.notation import interval, number, percent
from pipeline.outputs import inside, table
from pipeline.outputs.report import breakdowns, compare, failures, gallery, grids, plots, read, tables, times
from pipeline.outputs.report.style import Plot
from pipeline.outputs.report.verdict import verdict
from pipeline.outputs.summary import PROFILES

GENERATOR = "seewhy"
MOST = 200
"""So many quarantined samples are listed."""
HEAD = 1 << 16
"""Bytes of a page among which its first lines are."""
OPEN = 3
"""Of more runs than this what was run is folded up."""


class Figure(NamedTuple):
    """A plot as the template places it; width and height in pixels."""

    name: str
    text: str
    width: int
    height: int


def make(folders: Sequence[Path], out: Path) -> Path:
    """Write the page of these runs into `out`, in place of an earlier page; its index.html comes back.

    Raises ValueError, or OSError, where a folder is no finished run or `out` is not a page's to replace.
    """
    runs, index = read.read_runs(folders), out / "index.html"
    out = out.resolve()
    if out.exists() and not (ours(out) or (out.is_dir() and not any(out.iterdir()))):
        raise ValueError(f"--out: {out} is not a page of ours; choose a folder that does not exist yet")
    part = out.with_name(f".{out.name}.part")
    inside.remove(out.parent, part.name)
    part.mkdir(parents=True)
    try:
        _write(part, runs)
        if out.exists():
            shutil.rmtree(out)
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return index


def ours(folder: Path) -> bool:
    """Whether that is a page which this module made."""
    if not inside.is_file(folder, "index.html"):
        return False
    with inside.opened(folder, "index.html") as index:
        return f'<meta name="generator" content="{GENERATOR} '.encode() in index.read(HEAD)


def _write(folder: Path, runs: Sequence[read.Run]) -> None:
    with as_file(files(__package__) / "static") as static:
        shutil.copytree(static, folder / "static")
    scored = read.grouped([run for run in runs if run.summary["ground_truth"]])
    galleries = [gallery.write(folder / "runs", str(number), run) for number, run in enumerate(runs)]
    shown = [(number, run, found.samples) for number, (run, found) in enumerate(zip(runs, galleries, strict=True))]
    context = {
        "runs": runs,
        "title": ", ".join(dict.fromkeys(f"{run.model} on {run.data}" for run in runs)),
        "counts": tables.counts(runs),
        "scored": [(group, compare.pairs_within(group)) for group in scored],
        "between": compare.pairs_between(scored),
        "grids": grids.grids(scored),
        **_plots(folder / "plots", scored),
        "titles": tables.titles(runs, scored),
        "gallery": [one for one in shown if one[2]],
        "quarantined": [
            (run, key, run.rows.heads[key]) for run in runs for key in run.keys if run.rows.heads[key].error
        ],
        "damaged": [
            (run, run.rows.heads[key].index, key, why)
            for run, found in zip(runs, galleries, strict=True)
            for key, why in found.damaged.items()
        ],
        "reasons": tables.reasons(runs),
        "failed": failures.failed(runs),
        "partly": [(run, run.rows[key]) for run, key, _ in failures.lost(runs)[:MOST]],
        "lost": len(failures.lost(runs)),
        "apart": tables.apart(runs) if len(runs) > 1 else ([], []),
    }
    page = environment().get_template("page.html.j2").render(context)
    (folder / "index.html").write_text(page, encoding="utf-8", errors="replace")


def environment() -> Environment:
    """Templates that escape whatever is put into them."""
    options: dict[str, Any] = {"autoescape": True, "undefined": StrictUndefined}
    made = Environment(loader=PackageLoader(__package__), trim_blocks=True, lstrip_blocks=True, **options)
    figures = (tables.standings, tables.paper, tables.entries, tables.by_category, tables.shaded, tables.every, verdict)
    texts = (read.forms, tables.kept, tables.facts, tables.resolved, percent, interval, tables.points, tables.between)
    spent = (times.shared, times.milliseconds, number)
    made.filters |= {function.__name__: function for function in (*figures, *texts, *spent)}
    made.tests["clear"] = table.clear
    made.globals |= {
        "profiles": PROFILES,
        "columns": tables.METRICS,
        "of_captions": tables.CAPTIONS,
        "most": MOST,
        "open": OPEN,
    }
    made.globals |= {"generator": f"{GENERATOR} {pipeline.__version__}"}
    return made


def _plots(folder: Path, groups: Sequence[read.Group]) -> dict[str, Any]:
    """Draw every plot; what the templates place by profile: `overview` of all groups, `breakdowns` of those that have
    some."""
    folder.mkdir()

    def kept(drawn: Sequence[Plot | None]) -> list[Figure]:
        return [_saved(folder, plot) for plot in drawn if plot is not None]

    overview = {profile: kept([plots.scatter(groups, profile), plots.bars(groups, profile)]) for profile in PROFILES}
    each = [
        (group, {p: kept([breakdowns.categories(group, p, at), breakdowns.lengths(group, p, at)]) for p in PROFILES})
        for at, group in enumerate(groups)
    ]
    return {"overview": overview, "breakdowns": [(group, drawn) for group, drawn in each if any(drawn.values())]}


def _saved(folder: Path, plot: Plot) -> Figure:
    (folder / f"{plot.name}.svg").write_text(plot.light, encoding="utf-8")
    (folder / f"{plot.name}-dark.svg").write_text(plot.dark, encoding="utf-8")
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', plot.light)
    assert size is not None
    width, height = (round(float(points) * 4 / 3) for points in size.groups())
    return Figure(plot.name, plot.text, width, height)
