"""Samples that went wrong: what a run says of them at its end, and whether they are too many."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice

from pipeline.outputs.records import Rows

TOLD = 5
"""So many reasons are told; all stand in the rows."""


def reasons(rows: Rows) -> Iterator[str]:
    """Return a line for each of the first things that went wrong: a quarantined sample, an explainer without one."""
    return islice(chain.from_iterable(_reasons(rows, key) for key, head in rows.heads.items() if head.lacking), TOLD)


def _reasons(rows: Rows, key: str) -> list[str]:
    """Return a line for each thing that went wrong with one sample."""
    row = rows[key]
    if row.error is not None:
        return [f"quarantined {key}: {row.error}"]
    return [f"{key} without {name}: {reason}" for name, reason in row.failed.items()]


def too_many(rows: Rows, limit: int | str) -> str:
    """Return a sentence if more samples went wrong than `limit` allows, else an empty string.

    A sample counts once, whether it is quarantined or lacks one explainer or several.
    """
    lost = sum(head.error is not None for head in rows.heads.values())
    partly = sum(bool(head.failed) for head in rows.heads.values() if head.error is None)
    if lost + partly <= allowed(limit, len(rows)):
        return ""
    counts = {"quarantined": lost, "without an explainer that failed": partly}
    told = [f"{count} sample{'s' if count != 1 else ''} {what}" for what, count in counts.items() if count]
    mend = f"--max_bad {lost + partly} accepts them, --retry_quarantined true does them again"
    return f"{' and '.join(told)}; --max_bad is {limit}: {mend}"


def allowed(limit: int | str, samples: int) -> Fraction:
    """Return how many samples may be bad, by a number or by a percentage such as "0.5%"."""
    return Fraction(limit[:-1]) / 100 * samples if isinstance(limit, str) else Fraction(limit)
