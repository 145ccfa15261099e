"""The fields of `summary.json` and `timing.json`."""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, Field, with_config
from typing_extensions import TypedDict

from pipeline.outputs.schema.values import (
    MANY,
    OPEN,
    WORD,
    Change,
    Count,
    Kinds,
    Name,
    Seconds,
    Share,
    Some,
    Stage,
    Text,
    shaped,
)


def _interval(figure: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the figure. Raises ValueError where its interval lacks an end or stands on its head."""
    value, low, high = figure["value"], figure["low"], figure["high"]
    if (low is None) != (high is None) or (value is None and low is not None):
        raise ValueError("an interval has two ends and a value, or none")
    if low is not None and low > high:
        raise ValueError("the low end of an interval is above its high end")
    return figure


@with_config(OPEN)
class FigureFields(TypedDict):
    value: Share | None
    low: Share | None
    high: Share | None
    count: Count


@with_config(OPEN)
class DifferenceFields(TypedDict):
    value: Change | None
    low: Change | None
    high: Change | None
    count: Count


Figures = dict[Name, Annotated[dict[Name, Annotated[FigureFields, AfterValidator(_interval)]], Some]]
Differences = dict[Name, Annotated[dict[Name, Annotated[DifferenceFields, AfterValidator(_interval)]], Some]]
Pair = Annotated[str, shaped(f"{WORD}-{WORD}", "the names of two explainers")]
Length = Annotated[str, shaped(r"\d{1,6}-(\d{1,6})?", "a range of lengths")]


@with_config(OPEN)
class MeanFields(TypedDict):
    value: Share | None
    count: Count


@with_config(OPEN)
class CategoryFields(TypedDict):
    value: Share
    count: Count


@with_config(OPEN)
class LengthFields(TypedDict):
    images: Count
    obj_iou: MeanFields
    func_iou: MeanFields


@with_config(OPEN)
class BreakdownFields(TypedDict):
    category: Annotated[dict[Text, CategoryFields], Field(max_length=100_000)]
    length: Annotated[dict[Length, LengthFields], Some]


@with_config(OPEN)
class SaidFields(TypedDict):
    backend: Text
    count: Count
    tokens: Count
    by_label: Kinds
    unfinished: Count


@with_config(OPEN)
class SamplesFields(TypedDict):
    expected: Count
    scored: Count
    quarantined: Count


@with_config(OPEN)
class MentionFields(TypedDict):
    captions_without_object: Count
    present: Count
    absent: Count


@with_config(OPEN)
class FiguresFields(TypedDict):
    """`summary.json` as far as a sweep and W&B read it."""

    explainers: Annotated[dict[Name, Annotated[Figures, Some]], Field(min_length=1, max_length=MANY)]
    captions: NotRequired[dict[Name, Annotated[FigureFields, AfterValidator(_interval)]]]
    samples: Kinds
    failed: NotRequired[dict[Name, Kinds]]


@with_config(OPEN)
class SummaryFields(TypedDict):
    """`summary.json` as a page reads it."""

    explainers: Annotated[dict[Name, Annotated[Figures, Some]], Field(min_length=1, max_length=MANY)]
    differences: Annotated[dict[Pair, Differences], Field(max_length=MANY * MANY)]
    captions: dict[Name, Annotated[FigureFields, AfterValidator(_interval)]]
    breakdowns: dict[Name, dict[Name, BreakdownFields]]
    samples: SamplesFields
    ground_truth: Count
    quarantine: Kinds
    failed: NotRequired[dict[Name, Kinds]]
    whole: NotRequired[Annotated[list[Name], Some]]
    redone: Kinds
    objects: dict[Name, MentionFields]
    words: SaidFields


@with_config(OPEN)
class TimingFields(TypedDict):
    seconds: Annotated[dict[Stage, Seconds], Field(max_length=2 * MANY)]
    mean: Seconds | None
    total: Seconds
    samples: Count
