"""Which word names which category."""

import pytest

from metrics import matching
from metrics.words import Plain, label, tagger, words_of

NAMES = ("dog", "hot dog", "bear", "teddy bear", "traffic light", "baseball bat", "baseball glove", "potted plant")


def found(sentence: str, names: tuple[str, ...] = NAMES) -> list[tuple[int, int, str]]:
    hanta = tagger("hanta")
    words = words_of(sentence.replace(" ", "\0 ").split("\0"), hanta)
    matches = matching.corrected(words, matching.vocabulary(names, hanta))
    return [(match.first, match.length, match.category) for match in matches]


@pytest.mark.parametrize(
    ("sentence", "matches"),
    [
        ("a dog", [(1, 1, "dog")]),
        ("two Dogs", [(1, 1, "dog")]),
        ("a hot dog", [(1, 2, "hot dog")]),
        ("a hot red dog", [(3, 1, "dog")]),
        ("two teddy bears and a bear", [(1, 2, "teddy bear"), (5, 1, "bear")]),
        ("a light", [(1, 1, "traffic light")]),
        ("a glove", [(1, 1, "baseball glove")]),
        ("a baseball", []),
        ("the traffic", []),
        ("some plants", [(1, 1, "potted plant")]),
        ("a potted plant", [(1, 2, "potted plant")]),
        ("traffic light traffic lights", [(0, 2, "traffic light"), (2, 2, "traffic light")]),
        ("", []),
    ],
)
def test_phrases_heads_and_nothing(sentence, matches):
    assert found(sentence) == matches


def test_a_head_that_two_names_have_matches_neither():
    assert found("a bat", ("baseball bat", "cricket bat")) == []
    assert found("a bat", ("baseball bat", "cricket ball")) == [(1, 1, "baseball bat")]


def test_the_last_word_of_a_phrase_must_be_a_noun():
    assert found("the red", ("red",)) == []


def test_of_names_with_equal_lemmas_the_first_wins():
    assert found("a man", ("men", "man")) == [(1, 1, "men")]


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("man in a red shirt", "man"),
        ("woman riding a horse", "woman"),
        ("girl who laughs", "girl"),
        ("dog, cat", "dog"),
        ("bowl of soup", "bowl"),
        ("potted plant", "plant"),
        ("dining table", "table"),
        ("hair drier", "drier"),
        ("fire hydrant", "hydrant"),
        ("traffic light", "light"),
        ("parking meter", "meter"),
        ("teddy bear", "bear"),
    ],
)
def test_heads(name, head):
    assert list(matching.vocabulary((name,), tagger("hanta")).heads) == [head]


def test_reference_takes_the_last_name_that_has_the_word():
    words = words_of(("a", " dog", " bear", " light", " the", " hot"), tagger("hanta"))
    categories = matching.reference(words, matching.vocabulary(NAMES, tagger("hanta")))
    assert categories == {1: "hot dog", 2: "teddy bear", 3: "traffic light"}


def test_a_name_without_a_word_is_refused():
    with pytest.raises(ValueError, match="without a word"):
        matching.vocabulary(("dog", " "), Plain())


def test_labels_of_the_reference_come_from_the_tag_alone():
    words = words_of(("%",), Plain())
    assert label("%", "NN") == "punctuation"
    assert matching.reference(words, matching.vocabulary(("%",), Plain())) == {0: "%"}
