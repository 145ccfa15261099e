"""`summary.json` and `timing.json`: pure functions of the rows, the same to the last bit in any order of rows.

One pass over the rows, which may be too many to be held at a time, feeds both.
"""

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import combinations
from typing import Any

from metrics import interval as intervals
from metrics.base import Sum, gather
from metrics.interval import Bootstrap
from pipeline.outputs.fingerprint import write_json
from pipeline.outputs.records import Row
from pipeline.outputs.tally import Scores, Tally

__all__ = ["Timing", "prove", "summarise", "write_json"]

METRICS = ("obj_iou", "func_iou", "f1_iou", "punct_iou", "precision", "recall", "pointing")
PROFILES = ("corrected", "reference")
FEW = 10
"""Of fewer answers than this a share says little."""


def prove(rows: Collection[str], expected: Sequence[str]) -> tuple[list[str], list[str]]:
    """Keys without a row, in the manifest's order, and keys of rows that the manifest lacks. Both empty: whole."""
    if len(set(expected)) != len(expected):
        raise ValueError("a key occurs twice in the manifest")
    wanted, present = set(expected), set(rows)
    return [key for key in expected if key not in present], sorted(present - wanted)


def summarise(
    rows: Mapping[str, Row],
    expected: Sequence[str],
    explainers: Sequence[str],
    words: str,
    observe: Callable[[Row], None] = lambda row: None,
) -> dict[str, Any]:
    """All data set figures. Raises ValueError unless there is one row for each key of the manifest, no more.

    explainers: names in the order of the run; `differences.<a>-<b>` is a minus b for each pair in that order, over the
    images that neither failed on. `failed` counts, for explainers that failed, samples by kind of error; `whole`
    names those that have every sample which one of them has, so that their figures may be ranked.
    words: name of the word backend. observe: is shown every row; reading them once more would take as long again.
    """
    missing, superfluous = prove(rows, expected)
    if missing or superfluous:
        raise ValueError(f"rows and manifest disagree: missing {missing[:5]}, superfluous {superfluous[:5]}")
    tally = Tally(explainers, PROFILES)
    for key in sorted(rows):
        row = rows[key]
        tally.add(row)
        observe(row)
    found, captions = _drawn(tally, [])
    known = {frozenset[int](): found}
    shared = set.intersection(*tally.missing.values()) if explainers else set[int]()

    def among(*names: str) -> Mapping[tuple[str, str], Bootstrap]:
        """Return figures over the images that all these explainers have."""
        missing = frozenset().union(*(tally.missing[name] for name in names))
        if missing not in known:
            known[missing], _ = _drawn(tally, missing)
        return known[missing]

    return _plain(
        {
            "explainers": {
                name: {
                    profile: {m: intervals.interval(among(name)[name, profile], m) for m in METRICS}
                    for profile in PROFILES
                }
                for name in explainers
            },
            "differences": {
                f"{a}-{b}": {
                    profile: {
                        m: intervals.difference(among(a, b)[a, profile], among(a, b)[b, profile], m) for m in METRICS
                    }
                    for profile in PROFILES
                }
                for a, b in combinations(explainers, 2)
            },
            "captions": {m: intervals.interval(captions, m) for m in tally.captions.names if m in tally.metrics},
            "breakdowns": {
                name: {profile: _breakdown(tally.scores[name, profile]) for profile in PROFILES} for name in explainers
            },
            "samples": {"expected": len(expected), "scored": tally.scored, "quarantined": len(rows) - tally.scored},
            "ground_truth": tally.with_masks,
            "quarantine": dict(tally.quarantine),
            "failed": {name: dict(kinds) for name, kinds in tally.failed.items() if kinds},
            "whole": [name for name in explainers if tally.missing[name] == shared],
            "redone": dict(tally.redone),
            "objects": {profile: dict(counts) for profile, counts in tally.mentions.items()},
            "words": {
                "backend": words,
                "count": tally.words,
                "tokens": tally.tokens,
                "by_label": dict(tally.labels),
                "unfinished": tally.unfinished,
            },
        }
    )


def many_cut(summary: Mapping[str, Any]) -> bool:
    """Return whether many answers were cut off at the limit of tokens: a tenth of ten or more, or all of fewer."""
    cut, scored = summary["words"]["unfinished"], summary["samples"]["scored"]
    return bool(cut and (10 * cut >= scored if scored >= FEW else cut == scored))


def _drawn(tally: Tally, missing: Collection[int]) -> tuple[dict[tuple[str, str], Bootstrap], Bootstrap]:
    """Return figures with their resamples over all scored images but those whose places are `missing`: of every profile
    of the explainers that have all these images, and of the captions."""
    whole = [(name, profile) for name, profile in tally.scores if tally.missing[name] <= set(missing)]
    tables = [*(tally.scores[of].images for of in whole), tally.captions]
    *figures, captions = intervals.bootstrap([table.without(missing) if missing else table for table in tables])
    return dict(zip(whole, figures, strict=True)), captions


class Timing:
    """The seconds of every row that it is shown; `figures` are those of `timing.json`."""

    def __init__(self) -> None:
        self.stages: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self.samples = 0

    def __call__(self, row: Row) -> None:
        self.samples += bool(row.seconds)
        for stage, seconds in row.seconds.items():
            self.stages[stage].append(seconds)

    def figures(self) -> dict[str, Any]:
        """Mean seconds a sample of each stage, and their sum, over the samples that have times."""
        totals = {stage: math.fsum(seconds) for stage, seconds in sorted(self.stages.items())}
        means = {stage: total / self.samples for stage, total in totals.items()}
        mean = math.fsum(means.values()) if means else None
        return {"seconds": means, "mean": mean, "total": math.fsum(totals.values()), "samples": self.samples}


def _breakdown(of: Scores) -> dict[str, Any]:
    """Obj-IoU by category; Obj-IoU and Func-IoU by caption length in words. No intervals: the classes are small."""
    return {
        "category": {name: _mean(gather(values)) for name, values in of.categories.items()},
        "length": {
            name: {
                "images": one.images,
                "obj_iou": _mean(gather(one.obj_iou)),
                "func_iou": _mean(gather(one.func_iou)),
            }
            for name, one in of.lengths.items()
        },
    }


def _mean(value: Sum) -> dict[str, Any]:
    return {"value": value.mean, "count": value.count}


def _plain(value: Any) -> Any:
    """Absence (NaN) as None."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
