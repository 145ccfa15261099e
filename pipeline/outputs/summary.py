"""`summary.json` and `timing.json`: pure functions of the rows, the same to the last bit in any order of rows."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any

from metrics import entries as scores
from metrics import interval as intervals
from metrics import text
from metrics.base import Sum, gather
from metrics.entries import Entries
from pipeline.outputs.fingerprint import write_json
from pipeline.outputs.records import Row

__all__ = ["prove", "summarise", "timing", "write_json"]

METRICS = ("obj_iou", "func_iou", "f1_iou", "punct_iou", "precision", "recall", "pointing")
PROFILES = ("corrected", "reference")
LENGTHS = (10, 20, 40, 80)
"""Upper bounds, in words, of the classes of caption length; the last class has none."""


def prove(rows: Collection[str], expected: Sequence[str]) -> tuple[list[str], list[str]]:
    """Keys without a row, in the manifest's order, and keys of rows that the manifest lacks. Both empty: whole."""
    if len(set(expected)) != len(expected):
        raise ValueError("a key occurs twice in the manifest")
    wanted, present = set(expected), set(rows)
    return [key for key in expected if key not in present], sorted(present - wanted)


def summarise(
    rows: Mapping[str, Row], expected: Sequence[str], explainers: Sequence[str], words: str
) -> dict[str, Any]:
    """All data set figures. Raises ValueError unless there is one row for each key of the manifest, no more.

    explainers: names in the order of the run; `differences.<a>-<b>` is a minus b for each pair in that order.
    words: name of the word backend.
    """
    missing, superfluous = prove(rows, expected)
    if missing or superfluous:
        raise ValueError(f"rows and manifest disagree: missing {missing[:5]}, superfluous {superfluous[:5]}")
    scored = [row for _, row in sorted(rows.items()) if row.error is None]
    found = {
        name: {profile: _bootstrap(_entries(scored, name, profile)) for profile in PROFILES} for name in explainers
    }
    pairs = list(combinations(explainers, 2))
    reasons = Counter(_reason(row.error) for row in rows.values() if row.error is not None)
    return _plain(
        {
            "explainers": {
                name: {profile: {m: intervals.interval(of[profile], m) for m in METRICS} for profile in PROFILES}
                for name, of in found.items()
            },
            "differences": {
                f"{a}-{b}": {
                    profile: {m: intervals.difference(found[a][profile], found[b][profile], m) for m in METRICS}
                    for profile in PROFILES
                }
                for a, b in pairs
            },
            "captions": _captions(scored),
            "breakdowns": {
                name: {profile: _breakdown(scored, _entries(scored, name, profile)) for profile in PROFILES}
                for name in explainers
            },
            "samples": {"expected": len(expected), "scored": len(scored), "quarantined": len(rows) - len(scored)},
            "ground_truth": sum(bool(row.explainers) for row in scored),
            "quarantine": dict(reasons),
            "redone": dict(Counter(row.redone for row in scored if row.redone)),
            "objects": {profile: _objects(scored, explainers, profile) for profile in PROFILES},
            "words": {
                "backend": words,
                "count": sum(len(row.words) for row in scored),
                "tokens": sum(len(row.answer["ids"]) for row in scored if row.answer),
                "by_label": dict(Counter(word.label for row in scored for word in row.spoken)),
                "unfinished": sum(not row.answer["ended"] for row in scored if row.answer),
            },
        }
    )


def timing(rows: Mapping[str, Row]) -> dict[str, Any]:
    """Mean seconds a sample of each stage, and their sum, over the samples that have times."""
    timed = [row.seconds for _, row in sorted(rows.items()) if row.seconds]
    stages = sorted({stage for seconds in timed for stage in seconds})
    totals = {stage: math.fsum(seconds.get(stage, 0.0) for seconds in timed) for stage in stages}
    means = {stage: total / len(timed) for stage, total in totals.items()}
    mean = math.fsum(means.values()) if timed else None
    return {"seconds": means, "mean": mean, "total": math.fsum(totals.values()), "samples": len(timed)}


def _entries(scored: Sequence[Row], explainer: str, profile: str) -> list[Entries]:
    """The entries of every image; an image without masks has none."""
    return [row.explainers.get(explainer, {}).get(profile, Entries()) for row in scored]


def _bootstrap(entries: Sequence[Entries]) -> intervals.Bootstrap:
    totals, counts = intervals.table([scores.sums(one) for one in entries], scores.METRICS)
    return intervals.bootstrap(totals, counts, scores.METRICS)


def _captions(scored: Sequence[Row]) -> dict[str, Any]:
    """How good the answers are as captions: the metrics that any row has, in a fixed order."""
    names = [name for name in text.METRICS if any(name in row.captions for row in scored)]
    totals, counts = intervals.table([row.captions for row in scored], names)
    figures = intervals.bootstrap(totals, counts, names)
    return {name: intervals.interval(figures, name) for name in names}


def _breakdown(scored: Sequence[Row], entries: Sequence[Entries]) -> dict[str, Any]:
    """Obj-IoU by category; Obj-IoU and Func-IoU by caption length in words. No intervals: the classes are small."""
    categories: defaultdict[str, list[float]] = defaultdict(list)
    lengths: defaultdict[str, list[Entries]] = defaultdict(list)
    for row, one in zip(scored, entries, strict=True):
        lengths[_length(len(row.words))].append(one)
        for entry in one.objects:
            categories[entry.category].append(entry.iou)
    return {
        "category": {name: _mean(gather(values)) for name, values in categories.items()},
        "length": {
            name: {
                "images": len(of),
                "obj_iou": _mean(gather(entry.iou for one in of for entry in one.objects)),
                "func_iou": _mean(gather(entry.share for one in of for entry in one.functions)),
            }
            for name, of in lengths.items()
        },
    }


def _length(words: int) -> str:
    """The class of a caption's length: "0-10", "11-20", …, "81-"; an answer may have no word at all."""
    lower = 0
    for upper in LENGTHS:
        if words <= upper:
            return f"{lower}-{upper}"
        lower = upper + 1
    return f"{lower}-"


def _objects(scored: Sequence[Row], explainers: Sequence[str], profile: str) -> dict[str, int]:
    """What the captions mention, the same for every explainer: matches are made on words, not on maps."""
    entries = _entries(scored, explainers[0], profile) if explainers else []
    return {
        "captions_without_object": sum(not one.objects and not one.absent for one in entries),
        "present": sum(len(one.objects) for one in entries),
        "absent": sum(len(one.absent) for one in entries),
        "lost_pixels": sum(one.lost for one in entries),
    }


def _reason(error: str) -> str:
    """The kind of an error; its text may hold paths and hosts, which stay in the rows."""
    kind = error.split(":")[0]
    return kind if kind.isidentifier() else "unreadable"


def _mean(value: Sum) -> dict[str, Any]:
    return {"value": value.mean, "count": value.count}


def _plain(value: Any) -> Any:
    """Absence (NaN) as None."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
