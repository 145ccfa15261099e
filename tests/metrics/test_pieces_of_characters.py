"""Tokens that add no text: halves of characters, special tokens, bytes that no character follows from."""

import numpy as np
import pytest

from metrics.localisation import score
from metrics.words import group, tagger, words_of
from tests.metrics.scenes import evidence, square

HALF = "\ufffd"


def said(*pieces: str, alone: tuple[str, ...] = ()) -> list[tuple[str, tuple[int, ...]]]:
    return [(word.text, word.tokens) for word in words_of(pieces, tagger("hanta"), alone)]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (("A", " dog", "", "", "狗"), [("A", (0,)), ("dog", (1,)), ("狗", (2, 3, 4))]),
        (("", "", "一", "", "", "只", "", "", "狗"), [("一", (0, 1, 2)), ("只", (3, 4, 5)), ("狗", (6, 7, 8))]),
        ((" caf", "", "é", "s", "."), [("cafés", (0, 1, 2, 3)), (".", (4,))]),
        ((" dog", "", "", "🐶", " runs"), [("dog", (0,)), ("🐶", (1, 2, 3)), ("runs", (4,))]),
        ((" dog", "", "…", " runs"), [("dog", (0,)), ("…", (1, 2)), ("runs", (3,))]),
        ((" dog", "", ""), [("dog", (0,))]),
        ((" dog", "", HALF), [("dog", (0,))]),
        ((" dog", " " + HALF), [("dog", (0,))]),
        ((" dog", HALF, " cat"), [("dog", (0,)), ("cat", (2,))]),
        (("", ""), []),
    ],
)
def test_bytes_belong_to_the_character_that_they_complete(pieces, words):
    assert said(*pieces) == words


@pytest.mark.parametrize(
    ("pieces", "alone", "words"),
    [
        (("A", " dog", "", " cat"), ("A", " dog", "<sep>", " cat"), [("A", (0,)), ("dog", (1,)), ("cat", (3,))]),
        (("", "A", ""), ("<ref>", "A", "</ref>"), [("A", (1,))]),
        ((" do", "", "gs"), (" do", "<sep>", "gs"), [("dogs", (0, 2))]),
        (("", "", "", "狗"), ("<ref>", HALF, HALF, HALF), [("狗", (1, 2, 3))]),
        ((" dog", " ", "", "🐶"), (" dog", " " + HALF, HALF, HALF), [("dog", (0,)), ("🐶", (1, 2, 3))]),
        (("", "狗", "."), ("", "狗", "."), [("狗", (0, 1)), (".", (2,))]),
        (("", ""), ("<ref>", "</ref>"), []),
    ],
)
def test_a_special_token_belongs_to_no_word(pieces, alone, words):
    assert said(*pieces, alone=alone) == words


def test_the_maps_of_bytes_do_not_count_for_the_word_before():
    mask = square(8, 8, 0, 0, 4, 4)
    good, useless = mask * np.uint8(255), (~mask) * np.uint8(255)
    given = evidence(np.stack([useless, useless, good, good, useless]), {"dog": mask})
    words = words_of(("A", " dog", "", "", "狗"), tagger("hanta"))
    (entry,) = score(given, words, "corrected", tagger("hanta")).objects
    assert (entry.first, entry.iou) == (1, 0.0)


def test_a_special_token_inside_a_word_is_none_of_its_tokens():
    mask = square(8, 8, 0, 0, 4, 4)
    good, useless = mask * np.uint8(255), (~mask) * np.uint8(255)
    given = evidence(np.stack([useless, good, useless]), {"dog": mask})
    words = words_of((" do", "", "g"), tagger("hanta"), (" do", "<sep>", "g"))
    (entry,) = score(given, words, "corrected", tagger("hanta")).objects
    assert entry.iou == 0.0


def test_long_answers_are_grouped_in_time_that_grows_with_their_length():
    for piece in ("", "ba", "狗", "."):
        assert len(group((piece,) * 20000)) == {"": 0, "ba": 1, "狗": 20000, ".": 20000}[piece]
