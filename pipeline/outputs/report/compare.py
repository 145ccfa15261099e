"""What explainers differ by: pairs on the same images, and grids of parameters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics import entries as scores
from metrics import interval as intervals
from metrics.entries import Entries
from metrics.interval import Table
from pipeline.outputs.report.read import Entrant, Group, Run, plain
from pipeline.outputs.summary import PROFILES
from pipeline.outputs.table import PAIRS, best

Profiles = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Profile -> metric -> interval."""
Tables = dict[tuple[str, str], Table]
"""Explainer and profile -> the sums of each image."""
METRICS = ("f1_iou", "obj_iou", "func_iou")
HEADLINE = "f1_iou"


@dataclass(frozen=True, eq=False)
class Pair:
    """`first` minus `second` on the same images. chief: among those that are shown where there are many."""

    first: str
    second: str
    figures: Profiles
    chief: bool


@dataclass(frozen=True, eq=False)
class Grid:
    """Explainers that differ in two parameters, or in one and a combination of others. cells: by row and column."""

    title: str
    row: str
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Entrant | None]]]


def leader(entrants: Sequence[Entrant], profile: str = "corrected") -> Entrant | None:
    """The entrant with the highest F1-IoU; none where there is nothing to compare."""
    top = best({entrant.label: entrant.figures[profile] for entrant in entrants}, HEADLINE)
    return next((entrant for entrant in entrants if entrant.label in top), None)


def pairs_within(group: Group) -> list[Pair]:
    """The group's leader minus each of the others, then every other pair of a run, as its summary has it."""
    first = leader(group.entrants)
    led, rest = [], []
    for run in group.runs:
        labels = {entrant.explainer: entrant.label for entrant in group.entrants if entrant.run is run}
        few = len(run.summary["differences"]) <= PAIRS
        for pair, figures in run.summary["differences"].items():
            a, b = (labels[name] for name in pair.split("-"))
            if first is not None and first.label == a:
                led.append(Pair(a, b, figures, True))
            elif first is not None and first.label == b:
                led.append(Pair(b, a, _reversed(figures), True))
            else:
                rest.append(Pair(a, b, figures, few))
    others = [entrant for entrant in group.entrants if first is not None and entrant.run is not first.run]
    elsewhere = _paired([(first, other) for other in others if first is not None], lambda one: one.label)
    return [*led, *elsewhere, *rest]


def _reversed(figures: Profiles) -> Profiles:
    """The second minus the first."""

    def negative(value: float | None) -> float | None:
        return None if value is None else -value

    return {
        profile: {
            metric: {"value": negative(of["value"]), "low": negative(of["high"]), "high": negative(of["low"])}
            for metric, of in metrics.items()
        }
        for profile, metrics in figures.items()
    }


def pairs_between(groups: Sequence[Group]) -> list[Pair]:
    """The best entrant under each explainer's name against its namesakes in other groups, on the images they share."""
    by_name: dict[str, list[tuple[Group, Entrant]]] = {}
    for group in groups:
        for entrant in group.entrants:
            by_name.setdefault(entrant.explainer, []).append((group, entrant))
    couples: list[tuple[Entrant, Entrant]] = []
    titles: dict[Entrant, str] = {}
    for members in by_name.values():
        titles |= {entrant: f"{entrant.label}, {group.model} on {group.data}" for group, entrant in members}
        # labels of different groups may be the same, so the leader is found by place
        top = max(members, key=lambda member: member[1].figures["corrected"][HEADLINE]["value"] or -1.0)
        couples += [(top[1], entrant) for group, entrant in members if group is not top[0]]
    return list(_paired(couples, titles.__getitem__))


def _paired(couples: Sequence[tuple[Entrant, Entrant]], title: Callable[[Entrant], str]) -> Iterator[Pair]:
    """Differences over the images that both runs scored; couples without such images are left out."""
    tables: dict[tuple[Run, tuple[str, ...]], Tables] = {}
    for first, second in couples:
        keys = tuple(sorted(_scored(first.run) & _scored(second.run)))
        if not keys or first.run.fingerprint["manifest"] != second.run.fingerprint["manifest"]:
            continue
        for run in (first.run, second.run):
            if (run, keys) not in tables:
                tables[run, keys] = _tables(run, keys)
        of = [tables[one.run, keys][one.explainer, profile] for one in (first, second) for profile in PROFILES]
        drawn = intervals.bootstrap(of)
        found = {
            profile: {metric: intervals.difference(one, other, metric) for metric in METRICS}
            for profile, one, other in zip(PROFILES, drawn[: len(PROFILES)], drawn[len(PROFILES) :], strict=True)
        }
        yield Pair(title(first), title(second), found, True)


def _scored(run: Run) -> set[str]:
    return {key for key, head in run.rows.heads.items() if head.error is None}


def _tables(run: Run, keys: Sequence[str]) -> Tables:
    """The sums of these images under each explainer and profile."""
    tables = {(name, profile): Table(scores.METRICS) for name in run.summary["explainers"] for profile in PROFILES}
    for key in keys:
        explainers = run.rows[key].explainers
        for (name, profile), table in tables.items():
            table.append(scores.sums(explainers.get(name, {}).get(profile, Entries())))
    return tables


def grids(groups: Sequence[Group]) -> list[Grid]:
    """A grid of every explainer against every group, and one for each class whose parameters were varied."""
    everyone = [(group, entrant) for group in groups for entrant in group.entrants]
    found = []
    if len(groups) > 1:
        factors = [{"": f"{g.model} on {g.data}", "explainer": e.label} for g, e in everyone]
        found.append(_grid("Every explainer on every model and data set", factors, [e for _, e in everyone]))
    classes: dict[str, list[tuple[Group, Entrant]]] = {}
    for group, entrant in everyone:
        classes.setdefault(entrant.parameters.get("class", ""), []).append((group, entrant))
    for name, members in classes.items():
        factors = [{"model": g.model, "data": g.data, **_values(entrant)} for g, entrant in members]
        found.append(_grid(f"Parameters of {plain(name).rpartition('.')[2]}", factors, [e for _, e in members]))
    return [grid for grid in found if grid is not None]


def _values(entrant: Entrant) -> dict[str, str]:
    return {name: plain(value) for name, value in entrant.parameters.items() if name != "class"}


def _grid(title: str, factors: Sequence[Mapping[str, str]], entrants: Sequence[Entrant]) -> Grid | None:
    """Rows are the values of the factor that has most, columns the combinations of the others that occur.

    None unless two factors vary, each combination stands for one entrant, and half of the cells are filled.
    """
    names = [name for name in factors[0] if len({of.get(name) for of in factors}) > 1]
    if len(names) < 2:
        return None
    row = max(names, key=lambda name: len({of.get(name) for of in factors}))
    others = [name for name in names if name != row]
    cells = {
        (of.get(row, ""), tuple(of.get(name, "") for name in others)): entrant
        for of, entrant in zip(factors, entrants, strict=True)
    }
    heads, lines = (_ordered(part) for part in zip(*((column, line) for line, column in cells), strict=True))
    if len(cells) < len(entrants) or 2 * len(cells) < len(heads) * len(lines):
        return None
    rows = [(line, [cells.get((line, column)) for column in heads]) for line in lines]
    return Grid(
        title,
        row,
        [" · ".join(f"{name} {value}".strip() for name, value in zip(others, head, strict=True)) for head in heads],
        rows,
    )


def _ordered(values: Sequence[Any]) -> list[Any]:
    """Each once: by size where they are numbers, else in order of appearance."""
    once = list(dict.fromkeys(values))
    try:
        return sorted(once, key=lambda value: [float(part) for part in ([value] if isinstance(value, str) else value)])
    except ValueError:
        return once
