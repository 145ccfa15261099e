"""What the tables of a page say, as plain values. No markup here, no file."""

import json
import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline import notation
from pipeline.notation import percent
from pipeline.outputs import fingerprint as fingerprints
from pipeline.outputs.report.compare import HEADLINE, Pair, scored, whole
from pipeline.outputs.report.failures import lost
from pipeline.outputs.report.grids import Grid
from pipeline.outputs.report.read import FORM, Entrant, Group, Run, differing, plain
from pipeline.outputs.report.style import named
from pipeline.outputs.report.times import cached, took
from pipeline.outputs.table import COLUMNS, best, lack

METRICS = COLUMNS | {"precision": "Precision", "recall": "Recall"}
CAPTIONS = {
    "rouge_l": "ROUGE-L",
    "rouge_l_reference": "ROUGE-L (reference)",
    "meteor": "METEOR",
    "noun_recall": "noun recall",
    "noun_precision": "noun precision",
}
LEVELS = 9


class Cell(NamedTuple):
    """A figure with its interval in [0, 1], whether it is the best of its column, and the paper's in percent."""

    figure: Mapping[str, Any]
    best: bool
    paper: float | None


class Line(NamedTuple):
    """An explainer's figures in the order of `METRICS`. lack: how many samples it has, where others have more.

    seconds: what it takes a sample, beyond what explainers share; None where a cache may have answered, since that says
    who asked first and not what an explainer costs.
    """

    label: str
    lack: str
    cells: Sequence[Cell]
    seconds: float | None


class Shade(NamedTuple):
    """A figure in [0, 1] and its place between the least and the greatest of its table, 0 to LEVELS - 1."""

    value: float
    level: int
    note: str


def standings(group: Group, profile: str) -> list[Line]:
    """Return a line per explainer. Only those that have every sample can be the best."""
    among = {one.label: one.figures[profile] for one in whole(group.entrants)}
    tops = {name: best(among, name) for name in METRICS}
    have = {one: scored(one.run, one.explainer) for one in group.entrants}
    every = len(frozenset().union(*have.values()))
    return [
        Line(
            entrant.label,
            lack(len(have[entrant]), every),
            [Cell(entrant.figures[profile][m], entrant.label in tops[m], entrant.paper.get(m)) for m in METRICS],
            None if cached(entrant.run) else entrant.run.timing["seconds"].get(f"explain/{entrant.explainer}"),
        )
        for entrant in group.entrants
    ]


def paper(group: Group) -> str:
    """Whose published figures stand in a table; which explainers have whose, where these are not all the same's."""
    by_whose: dict[str, list[str]] = {}
    for entrant in group.entrants:
        if entrant.paper:
            by_whose.setdefault(entrant.whose, []).append(entrant.label)
    alone = len(by_whose) == 1
    return "; ".join(
        f"as published{whose}" + ("" if alone else f" ({', '.join(of)})") for whose, of in by_whose.items()
    )


def entries(group: Group, profile: str) -> list[str]:
    """On how many words, or for F1-IoU images, each column stands; a range where explainers differ. Without a figure it
    stands on none, also where there is half of what F1-IoU needs."""
    figures = [[entrant.figures[profile][name] for entrant in group.entrants] for name in METRICS]
    columns = [sorted({0 if one["value"] is None else one["count"] for one in of}) for of in figures]
    return [f"{of[0]:,}" if of[0] == of[-1] else f"{of[0]:,}–{of[-1]:,}" for of in columns if of]


def by_category(group: Group, profile: str) -> list[tuple[str, int, list[Shade | None]]]:
    """Category, entries, Obj-IoU under each explainer; the most frequent first."""
    tables = [e.run.summary["breakdowns"][e.explainer][profile]["category"] for e in group.entrants]
    counts = {name: max(of[name]["count"] for of in tables if name in of) for of in tables for name in of}
    scale = _scale([cell["value"] for of in tables for cell in of.values()])
    return [
        (name, counts[name], [_shade(of[name]["value"], scale) if name in of else None for of in tables])
        for name in sorted(counts, key=lambda name: (-counts[name], name))
    ]


def shaded(grid: Grid, profile: str) -> list[tuple[str, list[Shade | None]]]:
    """The F1-IoU of a grid's cells; the note has Obj- and Func-IoU."""
    everyone = [entrant for _, cells in grid.rows for entrant in cells if entrant is not None]
    scale = _scale([entrant.figures[profile][HEADLINE]["value"] for entrant in everyone])

    def shade(entrant: Entrant | None) -> Shade | None:
        if entrant is None:
            return None
        figures = {name: figure["value"] for name, figure in entrant.figures[profile].items()}
        return _shade(figures[HEADLINE], scale, f"{percent(figures['obj_iou'])} / {percent(figures['func_iou'])}")

    return [(name, [shade(entrant) for entrant in cells]) for name, cells in grid.rows]


def _scale(values: Sequence[float | None]) -> tuple[float, float]:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else (0.0, 0.0)


def _shade(value: float | None, scale: tuple[float, float], note: str = "") -> Shade | None:
    if value is None:
        return None
    low, high = scale
    return Shade(value, min(LEVELS - 1, int(LEVELS * (value - low) / (high - low))) if high > low else 0, note)


def every(pairs: Sequence[Pair]) -> str:
    """How many pairs there are, and which: of explainers of different runs only those with a leader are known."""
    names = {name for pair in pairs for name in (pair.first, pair.second)}
    whole = len(pairs) == math.comb(len(names), 2)
    return f"All {len(pairs)} pairs" if whole else f"{len(pairs)} pairs: with a leader, and within a run"


def facts(run: Run) -> list[tuple[str, str]]:
    """What was run, in the order in which one asks."""
    of, last = run.fingerprint, run.starts[-1]
    checkpoint = run.config.get("vlm", {}).get("init_args", {}).get("checkpoint", run.model)
    identity = [pair for pair in fingerprints.flat(of["model"]) if not pair[0].startswith(("generation", "template"))]
    again = f"; started {len(run.starts)} times" if len(run.starts) > 1 else ""
    limit = f", the first {of['limit']:,}" if of["limit"] else ""
    threads = f"{of['threads']} thread{'s' if of['threads'] != 1 else ''} a process"
    return [
        ("command", shlex.join(map(str, last.get("command", ()))) + again),
        ("model", f"{run.model}: {checkpoint}, " + ", ".join(f"{name} {plain(value)}" for name, value in identity)),
        ("data", f"{run.data}: manifest {of['manifest']}{limit}"),
        ("samples", _samples(run.summary)),
        *(_said(run.summary) if run.summary["samples"]["scored"] else ()),
        ("batches", f"{of['batch_size']} samples, {threads}, answers {of['answers']}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in _versions(run).items())),
        ("fingerprint", run.sha256),
        *(took(run) if run.timing["mean"] is not None else ()),
    ]


def _samples(summary: Mapping[str, Any]) -> str:
    """How many there are of each kind; without ground truth none was scored."""
    done = "scored" if summary["ground_truth"] else "explained"
    samples = summary["samples"]
    return _counted({"expected": samples["expected"], done: samples["scored"], "quarantined": samples["quarantined"]})


def _said(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the captions have that was scored, and what they name."""
    words, samples, objects = summary["words"], summary["samples"], summary["objects"]["corrected"]
    known = f"of {summary['ground_truth']:,} of {samples['scored']:,} samples" if summary["ground_truth"] else "none"
    mentions = f"{objects['present']:,} in the image, {objects['absent']:,} not"
    lines = [
        ("captions", f"{words['count']:,} words, {words['tokens']:,} tokens, {words['unfinished']:,} cut at the limit"),
        ("words", f"{_counted(words['by_label'])} ({words['backend']})"),
        ("ground truth", known),
        ("objects named", f"{mentions}; {objects['captions_without_object']:,} captions name none"),
    ]
    return lines if summary["ground_truth"] else lines[:-1]


def _versions(run: Run) -> dict[str, Any]:
    return {"python": run.starts[-1].get("python"), **run.fingerprint["versions"]}


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def resolved(run: Run) -> str:
    """The whole fingerprint, to be read."""
    return json.dumps(run.fingerprint, indent=2, ensure_ascii=False)


def points(value: float | int | None) -> str:
    """Return a difference as the terminal has it, with a true minus."""
    return notation.points(value).replace("-", "−")


def between(figure: Mapping[str, Any]) -> str:
    """Return the interval of a difference."""
    return notation.interval(figure, points)


def counts(runs: Sequence[Run]) -> str:
    """How much was done, in one line; a sample of the data counts once, in however many runs it was."""
    names = {name for run in runs for name in run.summary["explainers"]}
    done = {(run.fingerprint["manifest"], key) for run in runs for key in scored(run)}
    bad = {(run.fingerprint["manifest"], key) for run in runs for key in run.rows.heads.keys() - scored(run)}
    many = f"{len(runs)} runs, " if len(runs) > 1 else ""
    ones = f"{len(names)} explainers" if len(names) != 1 else f"explainer {min(names)}"
    gone = f", {len(bad):,} quarantined{' in some runs' if bad & done else ''}" if bad else ""
    partly = {(run.fingerprint["manifest"], key) for run, key, _ in lost(runs)}
    some = f", {len(partly):,} without an explainer that failed" if partly else ""
    return f"{many}{ones}, {len(done):,} of {len(done | bad):,} samples{gone}{some}"


def titles(runs: Sequence[Run], groups: Sequence[Group]) -> dict[Run, str]:
    """Run -> its name, and how tables call its explainers where that is not the same of all runs."""
    labels: dict[Run, list[str]] = {run: [] for run in runs}
    for entrant in (entrant for group in groups for entrant in group.entrants):
        name = entrant.run.name
        labels[entrant.run] += [entrant.label.removesuffix(FORM + name)] if entrant.label != name else []
    apart = len({tuple(of) for of in labels.values() if of}) > 1
    between = "; " if any("," in label for of in labels.values() for label in of) else ", "
    return {run: f"{run.name}: {named(between.join(of))}" if of and apart else run.name for run, of in labels.items()}


def apart(runs: Sequence[Run]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The head and the lines of a table of where runs differ: of runs and options, those that are more stand below one
    another."""
    found, names = differing(runs), [run.name for run in runs]
    if len(names) <= len(found):
        return ["option", *names], list(found.items())
    lines = zip(*found.values(), strict=True)
    return ["run", *found], [(name, list(line)) for name, line in zip(names, lines, strict=False)]


def kept(shown: Sequence[tuple[int, Run, int]]) -> list[tuple[str, int, int]]:
    """Of runs that kept images of some samples only: their names, of how many samples, and of how many; runs that kept
    as many are one line. shown: as the gallery has them, number, run and samples."""
    found: dict[tuple[int, int], list[str]] = {}
    for _, run, count in shown:
        found.setdefault((count, run.summary["samples"]["scored"]), []).append(run.name)
    alike = len(found) == 1 < len(shown)
    return [("each run" if alike else ", ".join(names), *of) for of, names in found.items() if of[0] < of[1]]


def reasons(runs: Sequence[Run]) -> str:
    """Why samples were quarantined, and how many for each kind of reason; the most frequent first."""
    kinds = sum((Counter(run.summary["quarantine"]) for run in runs), Counter[str]())
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items(), key=lambda one: (-one[1], one[0])))
