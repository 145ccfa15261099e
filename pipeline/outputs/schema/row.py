"""The fields of a row, as JSON has them.

A new field of `records.Row`, of an answer or of `Entries` gets its line here, in the class of its name;
`tests/outputs/test_schema.py` says where one is missing.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, Strict, with_config
from typing_extensions import TypedDict

from pipeline.outputs.inside import Damaged
from pipeline.outputs.schema.values import (
    STRICT,
    TOKENS,
    Count,
    Index,
    Name,
    Positive,
    Reason,
    Seconds,
    Share,
    Some,
    Stage,
    Text,
    check,
)

REMEDY = "delete the line: the run's own command then does that sample anew"


@with_config(STRICT)
class AnswerFields(TypedDict):
    ids: Annotated[list[Annotated[int, Field(ge=0, lt=1 << 31)]], Field(max_length=TOKENS)]
    pieces: Annotated[list[str], Field(max_length=TOKENS)]
    text: str
    ended: bool
    end: NotRequired[str | None]


Label = Literal["noun", "function", "punctuation", "other"]
Whole = Annotated[tuple[str, Label, str, Index, Positive], Strict(False)]
Parted = Annotated[
    tuple[str, Label, str, Index, Positive, Annotated[list[Index], Field(max_length=TOKENS)]], Strict(False)
]
Spoken = Whole | Parted
"""A word, and one with tokens between its own that belong to no word."""
Object = Annotated[tuple[Index, Text, Share | None, Share | None, Share | None, Share | None], Strict(False)]
OfWord = Annotated[tuple[Index, Share | None], Strict(False)]
Absent = Annotated[tuple[Index, Text], Strict(False)]
Phrase = Annotated[tuple[Index, Positive], Strict(False)]
Total = Annotated[tuple[Annotated[float, Field(ge=0)], Count], Strict(False)]


@with_config(STRICT)
class EntriesFields(TypedDict):
    objects: Annotated[list[Object], Field(max_length=TOKENS)]
    functions: Annotated[list[OfWord], Field(max_length=TOKENS)]
    punctuation: Annotated[list[OfWord], Field(max_length=TOKENS)]
    absent: Annotated[list[Absent], Field(max_length=TOKENS)]
    threshold: Annotated[float, Field(ge=0, le=256)] | None
    lost: Count


@with_config(STRICT)
class RowFields(TypedDict):
    key: Text
    index: Index
    answer: AnswerFields | None
    words: Annotated[list[Spoken], Field(max_length=TOKENS)]
    phrases: Annotated[list[Phrase], Field(max_length=TOKENS)]
    captions: Annotated[dict[Name, Total], Some]
    explainers: Annotated[dict[Name, Annotated[dict[Name, EntriesFields], Some]], Some]
    seconds: Annotated[dict[Stage, Seconds], Field(max_length=1024)]
    batch: Positive
    redone: NotRequired[Text | None]
    error: Reason | None
    failed: Annotated[dict[Name, Reason], Some]
    schema: int


def row(fields: Mapping[str, Any], where: str) -> None:
    """Check the fields of a row, as JSON has them. where: file and line. Raises Damaged."""
    check(RowFields, fields, where, REMEDY)
    if wrong := _contradiction(fields):
        raise Damaged(f"{where}: {wrong}; {REMEDY}")


def _contradiction(fields: Mapping[str, Any]) -> str:
    """Return which field of a row contradicts another; empty where none does."""
    answer, words = fields["answer"], fields["words"]
    if fields["error"] is not None:
        more = [name for name in ("answer", "words", "phrases", "captions", "explainers", "failed") if fields[name]]
        return f"{more[0]}: a quarantined sample has none" if more else ""
    if answer is None:
        return "answer: none, and no error says why"
    pieces = answer["pieces"]
    if len(answer["ids"]) != len(pieces):
        return "answer: ids and pieces are not equally many"
    if "".join(pieces) != answer["text"]:
        return "answer: its text is not that of its pieces"
    ends = [word[3] + word[4] + (len(word[5]) if len(word) > 5 else 0) for word in words]
    if any(end > len(pieces) for end in ends):
        return "words: one has tokens beyond the end of the answer"
    if any(later[3] < end for end, later in zip(ends, words[1:], strict=False)):
        return "words: two share a token, or their order is not that of the answer"
    if any(first + length > len(words) for first, length in fields["phrases"]):
        return "phrases: one goes beyond the last word"
    for total, count in fields["captions"].values():
        if total > count + 1e-6:
            return "captions: a total above its count"
    if both := fields["failed"].keys() & fields["explainers"].keys():
        return f"failed: {min(both)} has entries too"
    for name, profiles in fields["explainers"].items():
        for profile, entries in profiles.items():
            last = len(words) if profile == "corrected" else max(len(words), len(pieces))
            lists = (entries["objects"], entries["functions"], entries["punctuation"], entries["absent"])
            if any(entry[0] >= last for listed in lists for entry in listed):
                return f"explainers.{name}.{profile}: an entry of a word that the answer does not have"
    return ""
