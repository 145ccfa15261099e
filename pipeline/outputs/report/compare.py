"""Who leads, and pairs of explainers on the same images."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from metrics import entries as scores
from metrics import interval as intervals
from metrics.entries import Entries
from metrics.interval import Interval, Table
from pipeline.outputs.report.read import Entrant, Group, Run
from pipeline.outputs.summary import PROFILES
from pipeline.outputs.table import PAIRS

Profiles = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Profile -> metric -> interval; None where there is no figure."""
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


def leaders(entrants: Sequence[Entrant], profile: str) -> list[Entrant]:
    """Return the entrant with the highest F1-IoU, or those that share it; none where there is nothing to compare.

    Means over other samples cannot be ranked, so only entrants count that have every sample which one of them
    has, be it a single one. Where there is none such, all count.
    """
    known = [entrant for entrant in entrants if entrant.figures[profile][HEADLINE]["value"] is not None]
    if len(known) < 2:
        return []
    among = whole(known) or known
    top = max(entrant.figures[profile][HEADLINE]["value"] for entrant in among)
    return [entrant for entrant in among if entrant.figures[profile][HEADLINE]["value"] == top]


def whole(entrants: Sequence[Entrant]) -> list[Entrant]:
    """Return the entrants that have every sample which one of them has: their figures may be ranked."""
    have = {entrant: scored(entrant.run, entrant.explainer) for entrant in entrants}
    every = frozenset().union(*have.values())
    return [entrant for entrant, keys in have.items() if keys == every]


def pairs_within(group: Group) -> dict[str, list[Pair]]:
    """Profile -> its leader minus each of the others, then every other pair of a run, as its summary has it."""
    titles = {entrant: entrant.label for entrant in group.entrants}
    return _led(titles, [pair for run in group.runs for pair in _of(run, titles)], lambda a, b: a.run is not b.run)


def pairs_between(groups: Sequence[Group]) -> dict[str, list[Pair]]:
    """Profile -> the best entrant under each explainer's name, minus its namesakes of other models on the same data."""
    namesakes: dict[tuple[str, str], dict[Entrant, str]] = {}
    for group in groups:
        for entrant in group.entrants:
            among = namesakes.setdefault((entrant.explainer, entrant.run.fingerprint["manifest"]), {})
            among[entrant] = f"{entrant.label}, {group.model} on {group.data}"
    place = {run: group for group in groups for run in group.runs}
    found = [_led(titles, [], lambda a, b: place[a.run] is not place[b.run]) for titles in namesakes.values()]
    return {profile: [pair for one in found for pair in one[profile]] for profile in PROFILES}


def scored(run: Run, explainer: str | None = None) -> frozenset[str]:
    """Return the keys of the samples that were scored; of one explainer, those that it did not fail on."""
    heads = run.rows.heads.items()
    return frozenset(key for key, head in heads if head.error is None and explainer not in head.failed)


def _of(run: Run, titles: Mapping[Entrant, str]) -> Iterator[Pair]:
    """The pairs of a run's summary."""
    named = {entrant.explainer: title for entrant, title in titles.items() if entrant.run is run}
    few = len(run.summary["differences"]) <= PAIRS
    for pair, figures in run.summary["differences"].items():
        first, second = (named[name] for name in pair.split("-"))
        yield Pair(first, second, figures, few)


def _led(
    titles: Mapping[Entrant, str], known: Sequence[Pair], apart: Callable[[Entrant, Entrant], bool]
) -> dict[str, list[Pair]]:
    """Profile -> the pairs that have a figure there, those of a leader before the others.

    A leader is paired with all from which `apart` says that no pair is known.
    """
    tops = {profile: leaders(list(titles), profile) for profile in PROFILES}
    couples = {frozenset((a, b)): (a, b) for top in tops.values() for a in top for b in titles if apart(a, b)}
    pairs = [*known, *_paired(list(couples.values()), titles)]
    return {profile: _ordered(pairs, profile, {titles[entrant] for entrant in top}) for profile, top in tops.items()}


def _ordered(pairs: Sequence[Pair], profile: str, first: set[str]) -> list[Pair]:
    """The pairs of those in `first` come first, and turned so that these are what the others are taken from."""
    shown = [pair for pair in pairs if any(pair.figures[profile][metric]["value"] is not None for metric in METRICS)]
    turned = [_reversed(pair) if pair.second in first and pair.first not in first else pair for pair in shown]
    led = [replace(pair, chief=True) for pair in turned if pair.first in first]
    return led + [pair for pair in turned if pair.first not in first]


def _reversed(pair: Pair) -> Pair:
    """The second minus the first."""

    def negative(value: float | None) -> float | None:
        return None if value is None else -value

    figures = {
        profile: {
            metric: {"value": negative(of["value"]), "low": negative(of["high"]), "high": negative(of["low"])}
            for metric, of in metrics.items()
        }
        for profile, metrics in pair.figures.items()
    }
    return Pair(pair.second, pair.first, figures, pair.chief)


def _paired(couples: Sequence[tuple[Entrant, Entrant]], titles: Mapping[Entrant, str]) -> Iterator[Pair]:
    """Differences over the images that both explainers have; couples without such images are left out."""
    tables: dict[tuple[Run, tuple[str, ...]], Tables] = {}
    for first, second in couples:
        keys = tuple(sorted(scored(first.run, first.explainer) & scored(second.run, second.explainer)))
        if not keys:
            continue
        for run in (first.run, second.run):
            if (run, keys) not in tables:
                tables[run, keys] = _tables(run, keys)
        of = [tables[one.run, keys][one.explainer, profile] for one in (first, second) for profile in PROFILES]
        drawn = intervals.bootstrap(of)
        found = {
            profile: {metric: _known(intervals.difference(one, other, metric)) for metric in METRICS}
            for profile, one, other in zip(PROFILES, drawn[: len(PROFILES)], drawn[len(PROFILES) :], strict=True)
        }
        yield Pair(titles[first], titles[second], found, False)


def _known(figure: Interval) -> dict[str, float | None]:
    """As a summary has it: None where there is no figure."""
    parts = {"value": figure["value"], "low": figure["low"], "high": figure["high"]}
    return {part: None if math.isnan(value) else value for part, value in parts.items()}


def _tables(run: Run, keys: Sequence[str]) -> Tables:
    """The sums of these images under each explainer and profile."""
    tables = {(name, profile): Table(scores.METRICS) for name in run.summary["explainers"] for profile in PROFILES}
    for key in keys:
        explainers = run.rows[key].explainers
        for (name, profile), table in tables.items():
            table.append(scores.sums(explainers.get(name, {}).get(profile, Entries())))
    return tables
