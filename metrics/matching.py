"""Which word of an answer names which category: the rules of both profiles, by lemmas. No pixel is looked at."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from metrics import spelling
from metrics.words import NOUN, Tagger, Word, plain, reading

# What follows a noun in a phrase and ends its head's reach: prepositions, participles, relatives, a comma.
STOPS = frozenset(["IN", "TO", "VBG", "VBN", "WDT", "WP", "WP$", "WRB", ","])
PLURALS = {"people": "person"}
"""Lemmas that name what another word names, where no category has them: no lemmatiser takes "people" for a plural."""


@dataclass(frozen=True)
class Match:
    """The words `first .. first + length - 1` name the category."""

    first: int
    length: int
    category: str


@dataclass(frozen=True)
class Vocabulary:
    """Category names, and synonyms of them, read by the tagger that read the words.

    phrases: first lemma -> (lemmas, name) of the names that begin with it, the longest first. heads: lemma -> names of
    several words of which it is the head. last: lemma -> the last name that has it anywhere (the reference's rule).
    """

    phrases: dict[str, list[tuple[tuple[str, ...], str]]]
    heads: dict[str, tuple[str, ...]]
    last: dict[str, str]


def vocabulary(categories: tuple[str, ...], tagger: Tagger, synonyms: Mapping[str, str] | None = None) -> Vocabulary:
    """Return the names of `categories` and the words or phrases that `synonyms` maps to one of them.

    A name counts before a synonym that reads the same. Raises ValueError for a name without a word.
    """
    return _vocabulary(categories, tagger, tuple((synonyms or {}).items()))


@lru_cache(maxsize=16)
def _vocabulary(categories: tuple[str, ...], tagger: Tagger, synonyms: tuple[tuple[str, str], ...]) -> Vocabulary:
    phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    heads: dict[str, tuple[str, ...]] = {}
    last: dict[str, str] = {}

    def add(lemmas: tuple[str, ...], name: str) -> None:
        phrases.setdefault(lemmas[0], []).append((lemmas, name))

    for name in categories:
        if not name.strip():
            raise ValueError(f"a category name without a word: {name!r}")
        last.update(dict.fromkeys((tagger.tag(plain(word))[1] for word in name.split()), name))
        words = spelled(name)
        for lemmas in readings(words, tagger):
            add(lemmas, name)
        if len(words) > 1:
            lemma = reading(words[head(words, tagger)], tagger)[1]
            heads[lemma] = (*heads.get(lemma, ()), name)
    names = {lemmas: name for known in reversed(phrases.values()) for lemmas, name in reversed(known)}
    by_spelling = {key(name): name for name in reversed(categories)}
    for phrase, category in synonyms:
        if (meant := by_spelling.get(key(category))) is not None:
            for lemmas in readings(spelled(phrase), tagger):
                if lemmas not in names:
                    add(lemmas, meant)
    for plural, singular in PLURALS.items():
        if (plural,) not in {lemmas for lemmas, _ in phrases.get(plural, ())}:
            if (singular,) in names:
                add((plural,), names[singular,])
            elif singular in heads:
                heads.setdefault(plural, heads[singular])
    for known in phrases.values():
        known.sort(key=lambda phrase: -len(phrase[0]))  # stable: of equal lengths the first stays first
    return Vocabulary(phrases, heads, last)


def key(name: str) -> str:
    """Return the form in which two names are the same: their words, folded."""
    return " ".join(map(spelling.folded, spelled(name)))


def spelled(name: str) -> list[str]:
    """Return the words of a name and the commas between them, other punctuation left out."""
    found = [spelling.parts(part) for part in re.split("[,\u3001\u060c\uff0c]", name)]
    return [word for part in found for word in (",", *part)][1:] if any(found) else []


def readings(words: Sequence[str], tagger: Tagger) -> list[tuple[str, ...]]:
    """Return the lemmas of a name's words: hyphens dropped, and where there are any also with hyphens as spaces."""
    if not words:
        return []
    read = [(",", ()) if word == "," else reading(word, tagger)[1:] for word in words]
    dropped = tuple(lemma for lemma, _ in read)
    apart = tuple(part for lemma, parts in read for part in (parts or (lemma,)))
    return [dropped] if apart == dropped else [dropped, apart]


def head(words: Sequence[str], tagger: Tagger) -> int:
    """Return the index of the head of a name.

    That is the last noun before the first preposition, participle, relative or comma that follows a noun ("man in a red
    shirt" -> man); without such a stop the last word ("potted plant" -> plant).
    """
    noun = None
    for index, word in enumerate(words):
        tag = "," if word == "," else reading(word, tagger)[0]
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
    """Return the longest name that begins at `start`; a hyphen counts as nothing or as a space ("T-shirt")."""
    first = dict.fromkeys((words[start].lemma, *words[start].parts[:1]))
    begun = [vocabulary.phrases.get(lemma, ()) for lemma in first]
    for lemmas, name in sorted((one for names in begun for one in names), key=lambda phrase: -len(phrase[0])):
        if length := _spans(words, start, lemmas):
            last = words[start + length - 1]
            if last.label == "noun" or (last.parts and lemmas[-len(last.parts) :] == last.parts):
                return Match(start, length, name)
    return None


def _spans(words: Sequence[Word], start: int, lemmas: tuple[str, ...]) -> int:
    """Return how many words from `start` on spell `lemmas`; 0 where they do not."""
    at, done = start, 0
    while done < len(lemmas) and at < len(words):
        word = words[at]
        taken = next((one for one in ((word.lemma,), word.parts) if one and lemmas[done : done + len(one)] == one), ())
        if not taken:
            return 0
        at, done = at + 1, done + len(taken)
    return at - start if done == len(lemmas) else 0


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
