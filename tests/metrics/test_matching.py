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


SIGNS = [
    "“dog”",
    "dog…",
    "«dog»",
    "dogs’",
    "dog，",
    "dog🐶",
    "‘dog’s",
    "dog。",
    "（dog）",
    "dog™",
    "¿dog?",
    "dog—",
    "–dog",
    "dog\u200b",
]
SIGNS += [
    "\ufeffdog",
    "do\u00adg",
    "ｄｏｇ",
    "dog\u2060!",
    "„dog“",
    "dog❤\ufe0f",
    "dog👨\u200d👩",
    "DOG‼",
    "dog—a",
    "dog.A",
    "a—dog",
    "♪dog♪",
]


@pytest.mark.parametrize("text", SIGNS)
def test_any_punctuation_symbol_or_zero_width_mark_counts_as_ascii_does(text):
    assert [one[2] for one in found(f"the {text}")] == ["dog"]
    assert [one[2] for one in found(f"a hot {text}")] == ["hot dog"]


@pytest.mark.parametrize(
    "sign", [*"…，。“”‘’«»—–™°🐶€†", "\u200b", "\u2060", "\ufe0f", "\u00ad", "⁉\ufe0f", "👩\u200d💻"]
)
def test_a_token_of_other_punctuation_stands_apart_as_a_full_stop_does(sign):
    hanta = tagger("hanta")
    for pieces in (
        [" a", " dog", "{}", " cat"],
        ["A", " dog", "{}"],
        [" {}", "dog", " runs"],
        ["{}", "A", " dog", "{}\n"],
    ):
        twin, own = (words_of([one.format(mark) for one in pieces], hanta) for mark in (".", sign))
        assert [(w.tokens, w.label) for w in own] == [(w.tokens, w.label) for w in twin]
        assert [w.lemma for w in own if w.label == "noun"] == [w.lemma for w in twin if w.label == "noun"]


@pytest.mark.parametrize("one", ["café", "cafe\u0301", "CAFÉ", "ｃａｆé", "“Cafe\u0301”"])
@pytest.mark.parametrize("other", ["café", "cafe\u0301"])
def test_names_and_answers_are_spelled_alike(one, other):
    assert [match[2] for match in found(f"a {one}", (other,))] == [other]
    assert found("a cafe", (other,)) == []


@pytest.mark.parametrize("name", ["t shirt", "t-shirt", "T‑shirt", "T-Shirts"])
@pytest.mark.parametrize("sentence", ["a T-shirt", "a t shirt", "two T‑shirts", "a “T-shirt”", "two t shirts"])
def test_a_hyphen_is_nothing_or_a_space(name, sentence):
    assert [match[2] for match in found(sentence, (name,))] == [name]


@pytest.mark.parametrize(
    ("sentence", "name"), [("a hot-dog", "hot dog"), ("two teddy-bears", "teddy bear"), ("a dog", "dog")]
)
def test_a_phrase_with_a_hyphen(sentence, name):
    assert [match[2] for match in found(sentence)] == [name]


def test_people_are_persons_unless_a_category_is_called_people():
    assert found("two people", ("person",)) == [(1, 1, "person")]
    assert found("People sit", ("dog", "person")) == [(0, 1, "person")]
    assert found("two people", ("person", "people")) == [(1, 1, "people")]
    assert found("two people", ("person riding a horse",)) == [(1, 1, "person riding a horse")]
    words = words_of(("two", " people"), tagger("hanta"))
    assert matching.reference(words.reference, matching.vocabulary(("person",), tagger("hanta"))) == {}


@pytest.mark.parametrize(
    ("sentence", "matches"),
    [
        ("a woman", [(1, 1, "person")]),
        ("two Women", [(1, 1, "person")]),
        ("two young ladies", [(1, 2, "person")]),
        ("a “puppy”", [(1, 1, "dog")]),
        ("a hot dog", [(1, 2, "hot dog")]),
        ("a dog", [(1, 1, "dog")]),
        ("a stop-light", [(1, 1, "traffic light")]),
        ("a lady", []),
    ],
)
def test_synonyms_name_their_category(sentence, matches):
    hanta = tagger("hanta")
    synonyms = {
        "woman": "person",
        "young lady": "person",
        "puppy": "dog",
        "stop light": "traffic light",
        "dog": "person",
    }
    words = words_of(sentence.replace(" ", "\0 ").split("\0"), hanta)
    names = matching.vocabulary((*NAMES, "person"), hanta, synonyms)
    assert [(one.first, one.length, one.category) for one in matching.corrected(words, names)] == matches
    plain = matching.vocabulary((*NAMES, "person"), hanta)
    assert matching.reference(words.reference, names) == matching.reference(words.reference, plain)


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
