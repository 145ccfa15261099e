"""Caption figures against slow readings; nothing is fetched."""

import itertools
import json
import math
import random
import socket
from pathlib import Path

import numpy as np
import pytest

from metrics import spelling, text
from metrics.base import Sum
from metrics.words import tagger, words_of
from tests.metrics.scenes import evidence, square

MASK = square(4, 4, 0, 0, 2, 2)
EMPTY = np.zeros_like(MASK)


def slow_rouge(answer: str, caption: str) -> float:
    """F1 of the longest common subsequence, by recursion over its definition."""
    one, two = answer.lower().replace(".", "").split(), caption.lower().replace(".", "").split()

    def longest(i: int, j: int) -> int:
        if i == len(one) or j == len(two):
            return 0
        if one[i] == two[j]:
            return 1 + longest(i + 1, j + 1)
        return max(longest(i + 1, j), longest(i, j + 1))

    common = longest(0, 0)
    return 2 * common / (len(one) + len(two))


@pytest.mark.parametrize(
    ("answer", "captions"),
    [
        ("A dog on the grass.", ["the dog sits on grass", "a cat"]),
        ("a dog", ["the tree", "A dog."]),
        ("a dog and a cat", ["a cat and a dog"]),
        ("a", ["b"]),
    ],
)
def test_rouge_l_is_the_best_f1_over_the_references(answer, captions, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    found = text.rouge_l(answer, captions)
    assert found.count == 1
    assert found.total == pytest.approx(max(slow_rouge(answer, caption) for caption in captions), abs=1e-6)


def test_rouge_l_of_an_empty_answer_is_0_and_without_references_absent():
    assert text.rouge_l("", ["a dog"]) == Sum(0.0, 1)
    assert text.rouge_l("...", ["a dog"]) == Sum(0.0, 1)
    assert text.rouge_l("a dog", []) == Sum(0.0, 0)
    assert math.isnan(text.rouge_l("a dog", ()).mean)


IDENTICAL = {
    "latin": "A dog runs on the grass.",
    "accents": "Un café près de l'été",
    "accents alone": "à é",
    "german": "Straße und Bär",
    "chinese": "一只狗在草地上奔跑。",
    "japanese": "草の上を走る犬",
    "korean": "개 한 마리가 달린다",
    "russian": "Собака бежит по траве.",
    "greek": "Ένας σκύλος τρέχει",
    "arabic": "كلب يجري على العشب",
    "hebrew": "כלב רץ על הדשא",
    "hindi": "कुत्ता घास पर दौड़ता है",
    "thai": "สุนัขวิ่งบนหญ้า",
    "mixed": "A 狗 named Бобик, 3 years",
}


@pytest.mark.parametrize("caption", IDENTICAL.values(), ids=IDENTICAL)
def test_rouge_l_of_an_identical_caption_is_1_in_every_script(caption):
    assert text.rouge_l(caption, [caption]) == Sum(1.0, 1)
    assert text.rouge_l(caption, ["a cat", caption]) == Sum(1.0, 1)
    assert text.rouge_l(caption, ["quite another one"]) == Sum(0.0, 1)


@pytest.mark.parametrize("caption", ["🐶🐶", "…", "— — —", " ", ""])
def test_rouge_l_of_a_reference_without_a_word_has_no_count(caption):
    assert text.rouge_l(caption, [caption]) == Sum()
    assert text.rouge_l(caption, [caption, "a dog"]) == Sum(0.0, 1)


@pytest.mark.parametrize(
    ("answer", "caption", "common", "said", "told"),
    [
        ("一只狗", "一只猫", 2, 3, 3),
        ("a café", "a cafe", 1, 2, 2),
        ("a cafe\u0301", "a café", 2, 2, 2),
        ("Собака бежит", "собака спит", 1, 2, 2),
        ("STRASSE", "straße", 1, 1, 1),
        ("ｄｏｇ", "dog", 1, 1, 1),
        ("2只狗 and a cat", "2只猫 and a dog", 4, 6, 6),
        ("สุนัข", "สุข", 2, 3, 2),
    ],
)
def test_rouge_l_counts_words_or_characters_by_the_script(answer, caption, common, said, told):
    assert text.rouge_l(answer, [caption]).total == pytest.approx(2 * common / (said + told), abs=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_rouge_l_of_ascii_text_is_that_of_torchmetrics(seed):
    from torchmetrics.functional.text import rouge_score

    chance = random.Random(seed)
    words = ["A", "dog", "dog's", "T-shirt", "3.5", "runs_on", "grass.", "the", "(red)", "...", "cat\n", "10%"]
    made = [" ".join(chance.choices(words, k=chance.randint(1, 12))) for _ in range(3)]
    expected = rouge_score(made[0], made[1:], accumulate="best", rouge_keys="rougeL")["rougeL_fmeasure"]
    assert text.rouge_l(made[0], made[1:]) == Sum(float(expected), 1)


GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "rouge" / "pairs.json"
PAIRS = json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("answer", "captions", "best"), PAIRS)
def test_rouge_l_reference_is_that_of_the_package(answer, captions, best):
    assert text.rouge_l_reference(answer, captions) == Sum(best, 1)


@pytest.mark.parametrize(
    ("answer", "captions", "found"),
    [
        ("", ["a dog"], Sum(0.0, 1)),
        ("...", ["a dog"], Sum(0.0, 1)),
        ("a dog", [], Sum()),
        ("a dog", ["", "."], Sum()),
        ("a dog", ["", "a cat"], Sum(2 * (0.5 * 0.5) / (1 + 1e-8), 1)),
    ],
)
def test_rouge_l_reference_where_the_package_raises(answer, captions, found):
    assert text.rouge_l_reference(answer, captions) == found


def every_subsequence(words):
    return {part for size in range(len(words) + 1) for part in itertools.combinations(words, size)}


@pytest.mark.parametrize("seed", range(30))
def test_rouge_l_reference_by_its_definition(seed):
    """One sentence each, no word twice: then any longest common subsequence has as many words."""
    chance = random.Random(seed)
    said, told = (chance.sample("abcdefgh", chance.randint(1, 7)) for _ in range(2))
    common = max(map(len, every_subsequence(said) & every_subsequence(told)))
    recall, precision = common / len(told), common / len(said)
    expected = 2 * precision * recall / (precision + recall + 1e-8)
    assert text.rouge_l_reference(" ".join(said), [" ".join(told)]).total == pytest.approx(expected, abs=1e-12)


class NoSynonyms:
    """A WordNet in which no word has a synonym."""

    @staticmethod
    def synsets(word):
        return []


def test_meteor_takes_the_best_reference(monkeypatch):
    monkeypatch.setattr(text, "_wordnet", NoSynonyms)
    # all 4 words match in one chunk: F = 1, penalty 0.5 * (1 / 4) ** 3
    assert text.meteor("A dog runs fast", ["no match", "a DOG runs fast"]) == Sum(1 - 0.5 / 64, 1)
    assert text.meteor("", ["a dog"]) == Sum(0.0, 1)
    assert text.meteor("a dog", []) == Sum(0.0, 0)
    assert text.meteor("a dog", [" "]) == Sum(0.0, 0)


@pytest.mark.parametrize("caption", ["一只狗在草地上", "草の上を走る犬", "a 狗 on 草地", "สุนัขวิ่ง"])
def test_meteor_takes_scripts_without_spaces_by_the_character(caption, monkeypatch):
    monkeypatch.setattr(text, "_wordnet", NoSynonyms)
    words = len(text.spaced(caption).split())
    assert words > 3
    assert text.meteor(caption, [caption]).total == pytest.approx(1 - 0.5 / words**3, abs=1e-12)
    assert 0 < text.meteor(caption[:-1], [caption]).total < 1


def test_meteor_is_absent_without_wordnet_and_nothing_is_fetched(monkeypatch, tmp_path):
    import nltk
    from nltk.corpus import LazyCorpusLoader, WordNetCorpusReader

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    monkeypatch.setattr(nltk.corpus, "wordnet", LazyCorpusLoader("wordnet", WordNetCorpusReader, None))
    monkeypatch.setattr(socket, "socket", None)
    text._wordnet.cache_clear()
    assert text.meteor("a dog", ["a dog"]) is None
    assert "meteor" not in text.sums("a dog", evidence(np.zeros((0, 2, 2), np.uint8), {}), [])
    text._wordnet.cache_clear()


def test_noun_figures_are_micro_counts_of_categories():
    hanta = tagger("hanta")
    pieces = ("two", " dogs", ",", " a", " dog", " and", " a", " teddy", " bear", " near", " a", " light")
    given = evidence(
        np.zeros((12, 2, 2), np.uint8),
        {"dog": MASK, "cat": MASK, "traffic light": EMPTY},
        ("dog", "cat", "bear", "teddy bear", "traffic light"),
    )
    words = words_of(pieces, hanta)
    assert text.mentioned(words, given.categories, hanta) == {"dog", "teddy bear", "traffic light"}
    assert text.noun_recall(given, words, hanta) == Sum(1.0, 2)
    assert text.noun_precision(given, words, hanta) == Sum(1.0, 3)


def test_noun_figures_of_an_empty_answer_and_an_empty_scene():
    nothing = evidence(np.zeros((0, 2, 2), np.uint8), {}, ("dog",))
    assert (text.noun_recall(nothing, []), text.noun_precision(nothing, [])) == (Sum(), Sum())
    dogs = evidence(np.zeros((0, 2, 2), np.uint8), {"dog": MASK})
    assert (text.noun_recall(dogs, []), text.noun_precision(dogs, [])) == (Sum(0.0, 1), Sum())


def test_sums_names_every_metric(monkeypatch):
    monkeypatch.setattr(text, "_wordnet", NoSynonyms)
    found = text.sums("a dog", evidence(np.zeros((0, 2, 2), np.uint8), {}, captions=("a dog",)), [])
    assert tuple(found) == text.METRICS
    assert found["rouge_l"] == Sum(1.0, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1\ufe0f\u20e3 dog", ["1", "dog"]),
        ("\u0301 a", ["a"]),
        ("\u0301a", ["a"]),
        ("e\u0301 狗\u0301", ["é", "狗\u0301"]),
        ("\u037a\ufdfa"[:1], ["\u03b9"]),
        ("½", ["1", "2"]),
        ("ﬁsh", ["fish"]),
    ],
)
def test_marks_and_compatible_forms_make_no_tokens_of_their_own(text, expected):
    assert spelling.tokens(text) == expected
