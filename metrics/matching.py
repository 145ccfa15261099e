"""Which word of an answer names which category: the rules of both profiles, by lemmas. No pixel is looked at."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from metrics.words import NOUN, Tagger, Word

# What follows a noun in a phrase and ends its head's reach: prepositions, participles, relatives, a comma.
STOPS = frozenset(["IN", "TO", "VBG", "VBN", "WDT", "WP", "WP$", "WRB", ","])


@dataclass(frozen=True)
class Match:
    """The words `first .. first + length - 1` name the category."""

    first: int
    length: int
    category: str


@dataclass(frozen=True)
class Vocabulary:
    """Category names read by the tagger that read the words.

    phrases: first lemma -> (lemmas, name) of the names that begin with it, the longest first. heads: lemma -> names of
    several words of which it is the head. last: lemma -> the last name that has it anywhere (the reference's rule).
    """

    phrases: dict[str, list[tuple[tuple[str, ...], str]]]
    heads: dict[str, tuple[str, ...]]
    last: dict[str, str]


@lru_cache(maxsize=16)
def vocabulary(categories: tuple[str, ...], tagger: Tagger) -> Vocabulary:
    """Names without a word are refused with `ValueError`."""
    phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    heads: dict[str, tuple[str, ...]] = {}
    last: dict[str, str] = {}
    for name in categories:
        words = re.findall(r"[^\s,]+|,", name)
        if not words:
            raise ValueError(f"a category name without a word: {name!r}")
        lemmas = tuple(tagger.tag(word)[1] for word in words)
        phrases.setdefault(lemmas[0], []).append((lemmas, name))
        last.update(dict.fromkeys(lemmas, name))
        if len(words) > 1:
            lemma = lemmas[head(words, tagger)]
            heads[lemma] = (*heads.get(lemma, ()), name)
    for names in phrases.values():
        names.sort(key=lambda phrase: -len(phrase[0]))  # stable: of equal lengths the first stays first
    return Vocabulary(phrases, heads, last)


def head(words: Sequence[str], tagger: Tagger) -> int:
    """Index of the head of a name: the last noun before the first preposition, participle, relative or comma that
    follows a noun ("man in a red shirt" -> man); without such a stop the last word ("potted plant" -> plant)."""
    noun = None
    for index, word in enumerate(words):
        tag = "," if word == "," else tagger.tag(word)[0]
        if noun is not None and tag in STOPS:
            return noun
        if tag in NOUN:
            noun = index
    return len(words) - 1


def corrected(words: Sequence[Word], vocabulary: Vocabulary) -> list[Match]:
    """Left to right: the longest category whose words follow in order, its last word a noun, takes those words; else a
    noun takes the category of several words whose head it is, if exactly one has it. Of equal names the first wins."""
    matches: list[Match] = []
    start = 0
    while start < len(words):
        match = _phrase(words, start, vocabulary) or _head(words[start], start, vocabulary)
        if match:
            matches.append(match)
        start += match.length if match else 1
    return matches


def _phrase(words: Sequence[Word], start: int, vocabulary: Vocabulary) -> Match | None:
    for lemmas, name in vocabulary.phrases.get(words[start].lemma, ()):
        span = words[start : start + len(lemmas)]
        if tuple(word.lemma for word in span) == lemmas and span[-1].label == "noun":
            return Match(start, len(lemmas), name)
    return None


def _head(word: Word, start: int, vocabulary: Vocabulary) -> Match | None:
    names = vocabulary.heads.get(word.lemma, ())
    return Match(start, 1, names[0]) if word.label == "noun" and len(names) == 1 else None


def reference(words: Sequence[Word], vocabulary: Vocabulary) -> dict[int, str]:
    """Slip 2: any word of a name matches a noun, and the last name that matches wins. Index of the word -> category."""
    return {
        index: vocabulary.last[word.lemma]
        for index, word in enumerate(words)
        if word.tag in NOUN and word.lemma in vocabulary.last
    }
