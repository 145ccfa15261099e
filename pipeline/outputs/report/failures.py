"""What a page says of explainers that failed on some samples."""

from collections.abc import Sequence

from pipeline.outputs import table
from pipeline.outputs.records import Head
from pipeline.outputs.report.read import Entrant, Run


def failures(entrant: Entrant) -> int:
    """Return on how many samples of its run an explainer failed."""
    return sum(entrant.run.summary.get("failed", {}).get(entrant.explainer, {}).values())


def failed(runs: Sequence[Run]) -> list[str]:
    """Return a sentence for each explainer that failed on some samples of a run."""
    named = [(f"{run.name}: " if len(runs) > 1 else "", run.summary) for run in runs]
    return [
        before + table.failure(name, kinds, of["samples"]["scored"])
        for before, of in named
        for name, kinds in of.get("failed", {}).items()
    ]


def lost(runs: Sequence[Run]) -> list[tuple[Run, str, Head]]:
    """Return run, key and place of the samples that lack an explainer which failed on them."""
    return [
        (run, key, head) for run in runs for key in run.keys if (head := run.rows.heads[key]).failed and not head.error
    ]
