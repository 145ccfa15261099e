"""Grids of parameters, where explainers were run in many forms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.outputs.report.read import Entrant, Group, plain


@dataclass(frozen=True, eq=False)
class Grid:
    """Explainers that differ in two parameters, or in one and a combination of others. cells: by row and column."""

    title: str
    row: str
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Entrant | None]]]


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
        forms = [_values(entrant) for _, entrant in members]
        if all(form == forms[0] for form in forms):  # no parameter was varied, whatever models and data were
            continue
        factors = [{"model": g.model, "data": g.data, **form} for (g, _), form in zip(members, forms, strict=True)]
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
