"""Rows made up for the tests of the views."""

import random

from metrics.base import Sum
from metrics.entries import Absent, Entries, Object, Share
from pipeline.outputs.records import Row

CANARY = "0123456789abcdef0123456789abcdef01234567"
"""A key that is to be seen nowhere."""
EXPLAINERS = ("cam", "tam", "msea_arc")
PIECES = ("A", " do", "g", " by", " a", " traffic", " light", ".")
WORDS = (
    ("A", "function", "a", 0, 1),
    ("dog", "noun", "dog", 1, 2),
    ("by", "other", "by", 3, 1),
    ("a", "function", "a", 4, 1),
    ("traffic", "noun", "traffic", 5, 1),
    ("light", "noun", "light", 6, 1),
    (".", "punctuation", ".", 7, 1),
)


def answer(pieces: tuple[str, ...] = PIECES) -> dict[str, object]:
    return {"ids": list(range(len(pieces))), "pieces": list(pieces), "text": "".join(pieces), "ended": True}


def rows(count: int = 40) -> dict[str, Row]:
    """Samples with and without objects, of uneven worth; one of them quarantined."""
    made = {}
    for index in range(count):
        key = f"image {index:03d}"
        explainers = {
            name: {profile: entries(index, name, profile) for profile in ("corrected", "reference")}
            for name in EXPLAINERS
        }
        captions = {"rouge_l": Sum(random.Random(key).random(), 1), "noun_recall": Sum(float(index % 2), 2)}
        made[key] = Row(
            key, index, answer(), WORDS, captions, explainers, {"answer": 0.1 * (index + 1), "explain.cam": 0.1}, 8
        )
    made["broken"] = Row("broken", count, error="OSError: cannot read /data/x.tar on node17")
    return made


def entries(index: int, name: str, profile: str) -> Entries:
    """Scores of one answer: every third image has no object, every fourth no noun."""
    drawn = random.Random(f"{index} {name} {profile}")
    objects = tuple(
        Object(1, category, *(drawn.random() for _ in range(4))) for category in ("dog", "cat")[: index % 3]
    )
    functions = tuple(Share(at, drawn.random()) for at in (0, 3)) if index % 4 else ()
    return Entries(
        objects, functions, functions[:1], (Absent(4, "traffic light"),) * (index % 2), drawn.random(), index
    )
