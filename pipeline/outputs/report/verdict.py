"""What may be said of who leads."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.notation import interval, percent
from pipeline.outputs.report.compare import HEADLINE, Pair, leaders, scored, whole
from pipeline.outputs.report.failures import failures
from pipeline.outputs.report.read import Entrant, Group, Run, differing, forms

NAMED = 3
"""So many explainers are named, the others counted."""


def verdict(group: Group, pairs: Sequence[Pair], profile: str) -> str:
    """Return a few sentences on the highest F1-IoU: over whom the lead is clear, and over whom it is not or unknown.

    The highest is sought among explainers with the same samples, which are all that any of them has. Only a difference
    on the same images makes a lead, and only one whose interval lies above zero a clear one; of several explainers that
    share the highest figure each must have it. Where a run has no such figure: why. Empty where it has, and there is
    nothing to lead.
    """
    first = leaders(group.entrants, profile)
    lacking = _lacking(group, profile)
    if not first:
        return " ".join(lacking)
    top = [entrant.label for entrant in first]
    others = [entrant.label for entrant in group.entrants if entrant not in first]
    found = {name: _differences(pairs, top, name, profile) for name in others}
    known = {name: figures for name, figures in found.items() if len(figures) == len(top)}
    unknown = [name for name in others if name not in known]
    clear = [name for name, figures in known.items() if all(figure["low"] > 0 for figure in figures)]
    ahead = [name for name, figures in known.items() if any(figure["high"] < 0 for figure in figures)]
    chance = [name for name in known if name not in (*clear, *ahead)]
    comparisons, kinds = len(known) * len(top), {scored(run) for run in group.runs}
    failed = [f"{one.label} on {count:,}" for one in group.entrants if (count := failures(one))]
    head = f"In profile {profile}{_whose(group)}"
    besides = [name for name in differing(group.runs) if name.partition(".")[0] not in ("explainers", "limit")]
    told = [
        (True, f"{head}, {_highest(group, first, profile)}."),
        (clear or chance, f"On the same images the lead {_lead(clear, chance, len(others))}."),
        (ahead, f"Ahead on the images that both scored: {listed(ahead)}."),
        (unknown, f"Not compared on the same images: {listed(unknown)}."),
        (len(kinds) > 1, "The runs scored different images: look at differences rather than at single figures."),
        (failed, f"Failed on samples: {listed(failed)}; a difference is over the samples that both have."),
        (besides, f"The runs differ in more than their explainers: {listed(besides)}."),
        (comparisons > 1, f"Intervals are not adjusted for {comparisons} comparisons."),
    ]
    return " ".join([*(text for holds, text in told if holds), *lacking])


def listed(names: Sequence[str]) -> str:
    """The names one after the other; of many only the first."""
    few = [*names[:NAMED], *([f"{len(names) - NAMED} more"] if len(names) > NAMED else [])]
    between = "; " if any("," in name for name in few) else ", "
    return " and ".join(filter(None, [between.join(few[:-1]), *few[-1:]]))


def _lacking(group: Group, profile: str) -> list[str]:
    """A sentence for each run in which no explainer has an F1-IoU."""
    figures = {run: [one.figures[profile] for one in group.entrants if one.run is run] for run in group.runs}
    return [
        _why(run, any(one["obj_iou"]["count"] for one in of), profile, len(group.runs) > 1)
        for run, of in figures.items()
        if all(one[HEADLINE]["value"] is None for one in of)
    ]


def _why(run: Run, objects: bool, profile: str, several: bool) -> str:
    """Why a run has no F1-IoU. objects: whether objects were scored. several: whether the run must be named."""
    where = f"In profile {profile}" + (f" of {run.name}" if several else "")
    found = f"{where} none of the {run.summary['ground_truth']:,} captions is found to"
    absent = run.summary["objects"][profile]["absent"]
    if objects:
        return f"{found} have both a noun and a function word, so there is no Func-IoU and no F1-IoU."
    object_ = f"an object of its image ({absent:,} named are not there)" if absent else "a category of the data"
    return f"{found} name {object_}, so there is no Obj-IoU and no F1-IoU."


def _lead(clear: Sequence[str], chance: Sequence[str], others: int) -> str:
    """Over whom it is clear, and over whom not; all or many of those over whom it is clear are counted."""
    many = "each of the others" if len(clear) == others > 1 else f"{len(clear)} of the others"
    over = many if len(clear) == others > 1 or len(clear) > NAMED else listed(clear)
    told = [(clear, f"is clear of zero over {over}"), (chance, f"may be chance over {listed(chance)}")]
    return "; it ".join(text for names, text in told if names)


def _whose(group: Group) -> str:
    kind = forms(group.entrants)
    return f", of the forms of {kind}" if kind else ""


def _highest(group: Group, first: Sequence[Entrant], profile: str) -> str:
    """Return who has the highest F1-IoU, and among whom where not all have the same samples."""
    top = [entrant.label for entrant in first]
    known = [entrant for entrant in group.entrants if entrant.figures[profile][HEADLINE]["value"] is not None]
    ranked = whole(known)
    every = len(frozenset().union(*(scored(one.run, one.explainer) for one in known)))
    figure = first[0].figures[profile][HEADLINE]
    value = f"{percent(figure['value'])} %" + (f" {interval(figure)}" if interval(figure) and len(top) == 1 else "")
    if not ranked:
        return f"no explainer has all {every:,} samples, so none is called the best; {listed(top)} has {value}"
    if len(ranked) == 1:
        return f"only {top[0]} has all {every:,} samples, so none is called the best; its F1-IoU is {value}"
    among = "" if len(ranked) == len(known) else f"of the explainers with all {every:,} samples "
    return f"{among}{listed(top)} {'share' if len(top) > 1 else 'has'} the highest F1-IoU: {value}"


def _differences(pairs: Sequence[Pair], top: Sequence[str], other: str, profile: str) -> list[Mapping[str, Any]]:
    """What each at the top is ahead of another by, as far as that is known with its interval."""
    figures = [pair.figures[profile][HEADLINE] for pair in pairs if pair.first in top and pair.second == other]
    return [figure for figure in figures if figure["low"] is not None]
