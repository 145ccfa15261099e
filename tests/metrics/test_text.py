"""Caption figures against slow readings; nothing is fetched."""

import math
import socket

import numpy as np
import pytest

from metrics import text
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
