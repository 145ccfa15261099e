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

    names: in the data set's order. phrases: lemmas of the words of each name. heads: lemma -> names of several words
    of which it is the head. last: lemma -> the last name that has it anywhere (the reference's rule).
    """

    names: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]
    heads: dict[str, tuple[str, ...]]
    last: dict[str, str]


@lru_cache(maxsize=16)
def vocabulary(categories: tuple[str, ...], tagger: Tagger) -> Vocabulary:
    """Names without a word are refused with `ValueError`."""
    phrases, heads, last = [], dict[str, tuple[str, ...]](), dict[str, str]()
    for name in categories:
        words = re.findall(r"[^\s,]+|,", name)
        if not words:
            raise ValueError(f"a category name without a word: {name!r}")
        lemmas = tuple(tagger.tag(word)[1] for word in words)
        phrases.append(lemmas)
        last.update(dict.fromkeys(lemmas, name))
        if len(words) > 1:
            lemma = lemmas[head(words, tagger)]
            heads[lemma] = (*heads.get(lemma, ()), name)
    return Vocabulary(categories, tuple(phrases), heads, last)


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
        best = 0
        name = ""
        for candidate, phrase in zip(vocabulary.names, vocabulary.phrases, strict=True):
            span = words[start : start + len(phrase)]
            follows = tuple(word.lemma for word in span) == phrase
            if len(phrase) > best and follows and span[-1].label == "noun":
                best, name = len(phrase), candidate
        if not best and words[start].label == "noun":
            heads = vocabulary.heads.get(words[start].lemma, ())
            best, name = (1, heads[0]) if len(heads) == 1 else (0, "")
        if best:
            matches.append(Match(start, best, name))
        start += best or 1
    return matches


def reference(words: Sequence[Word], vocabulary: Vocabulary) -> dict[int, str]:
    """Slip 2: any word of a name matches a noun, and the last name that matches wins. Index of the word -> category."""
    return {
        index: vocabulary.last[word.lemma]
        for index, word in enumerate(words)
        if word.tag in NOUN and word.lemma in vocabulary.last
    }
