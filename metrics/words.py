"""From token pieces to words with a label, a lemma and a Penn tag, in the two readings of the scoring profiles."""

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal

from metrics import spelling
from metrics.spelling import REPLACED, is_cjk, is_punctuation
from metrics.taggers import FUNCTION, LONGEST, NOUN, PENN, Hanta, Nltk, Plain, Tagger, plain, tagger

__all__ = [
    "FUNCTION",
    "LONGEST",
    "NOUN",
    "PENN",
    "Hanta",
    "Label",
    "Nltk",
    "Plain",
    "Tagger",
    "Word",
    "Words",
    "group",
    "is_punctuation",
    "label",
    "plain",
    "reading",
    "reference_words",
    "tagger",
    "words_of",
]

Label = Literal["noun", "function", "punctuation", "other"]
MARKERS = ("▁", "Ġ")  # how SentencePiece and byte-level tokenizers write the space before a word


@dataclass(frozen=True)
class Word:
    """One word of an answer.

    text: as it was said, without spaces. tokens: its indices, ascending; a special token between them is left out.
    lemma: in the form in which names are compared. tag: Penn. parts: the lemmas of what hyphens join, the last a noun;
    none in other words.
    """

    text: str
    tokens: tuple[int, ...]
    label: Label
    lemma: str
    tag: str
    parts: tuple[str, ...] = ()


class Words(list[Word]):
    """The words of an answer as profile `corrected` reads them. `reference`: as the public code of TAM reads them."""

    def __init__(self, words: Iterable[Word], pieces: Sequence[str], tagger: Tagger, alone: Sequence[str]) -> None:
        super().__init__(words)
        self._read = (tuple(pieces), tagger, tuple(alone))

    @cached_property
    def reference(self) -> list[Word]:
        """Return the words of `reference_words`."""
        return reference_words(*self._read)


def label(text: str, tag: str) -> Label:
    """Return what a word counts as; punctuation is a word without a letter or a number."""
    if is_punctuation(text):
        return "punctuation"
    return "function" if tag in FUNCTION else "noun" if tag in NOUN else "other"


def group(pieces: Sequence[str], alone: Sequence[str] = ()) -> list[tuple[int, ...]]:
    """Return the token indices of each word, as profile `corrected` reads an answer.

    pieces: the text that each token adds. alone: the text of each token by itself, with the names of special tokens;
    empty where it is not known.

    A token starts a word when it is the first, begins with white space (or the tokenizer's word marker) or with
    punctuation other than a hyphen or apostrophe, is punctuation, is CJK, or follows a word that ends in punctuation (a
    hyphen, and the apostrophe of a clitic, join what follows) or in white space.
    Punctuation is whatever has no letter and no number, in any script; combining marks and zero-width marks between
    letters join the word before.

    A token that adds no text yet holds the first bytes of a character and belongs to the word of the token that
    completes it. A special token belongs to no word. Nor do bytes that no character follows from; where `alone` is not
    known, special tokens count as first bytes.
    """
    words: list[list[int]] = []
    said = ""  # the end of the last word's text
    waiting: list[int] = []  # tokens of a character that is not complete
    later = list(accumulate(reversed(pieces), lambda known, piece: piece or known, initial=""))[-2::-1]
    for index, piece in enumerate(pieces):
        own = alone[index] if alone else REPLACED
        if REPLACED in piece and not piece.replace(REPLACED, "").strip():
            waiting = []
        elif not piece and own.strip() and REPLACED not in own:
            continue
        elif not piece.strip() and (not piece or (own.endswith(REPLACED) and alone)):
            waiting.append(index)
        else:
            text = "".join(pieces[one] for one in waiting) + piece
            if words and not _starts(text, said, later[index]):
                words[-1] += [*waiting, index]
            else:
                words.append([*waiting, index])
                said = ""
            said = (said + text)[-LONGEST:]
            waiting = []
    return [tuple(tokens) for tokens in words]


def _starts(text: str, before: str, following: str) -> bool:
    """Return whether a token that says `text` starts a word after the word `before`."""
    of = spelling.kinds(text)
    if text.startswith(MARKERS) or of.startswith(" ") or is_cjk(text):
        return True
    if not of.strip("m"):
        return False
    last = spelling.kinds(before).rstrip("mz")[-1:]
    if of.lstrip("z")[:1] == "m" and last in ("l", "d"):  # the mark belongs to the letter before
        return False
    if not of.strip("mz") and last in ("l", "d") and spelling.kinds(following).lstrip("mz")[:1] in ("l", "d"):
        return is_cjk(before[-1:]) or is_cjk(following[:1])
    if is_punctuation(text) or of.lstrip("mz")[0] in "sp":
        return True
    if is_punctuation(before):
        return not (spelling.shown(before).endswith("-") or spelling.is_clitic(before.strip() + text))
    return last in ("s", "p") or bool(before.strip() and before[-1].isspace())


def reading(text: str, tagger: Tagger) -> tuple[str, str, tuple[str, ...]]:
    """Return tag, lemma and `Word.parts` of one word, punctuation round it taken off.

    Of a text that holds several words ("dog—a" in one token) the first noun counts, without a noun the first word.
    """
    found = [(word, *tagger.tag(word)) for word in spelling.parts(text)]
    if not found:
        tag, lemma = tagger.tag(text)
        return tag, spelling.folded(lemma), ()
    word, tag, lemma = next((one for one in found if one[1] in NOUN), found[0])
    joined = [tagger.tag(part) for part in word.split("-")] if "-" in word else []
    parts = tuple(spelling.folded(lemma) for _, lemma in joined) if joined and joined[-1][0] in NOUN else ()
    return tag, spelling.folded(lemma), parts


def words_of(pieces: Sequence[str], tagger: Tagger, alone: Sequence[str] = ()) -> Words:
    """Return the labelled words of an answer, grouped by `group`.

    A word of nothing but white space is `other`, with empty text, lemma and tag.
    """
    words = []
    for tokens in group(pieces, alone):
        text = _unmarked("".join(pieces[index] for index in tokens))
        text = "".join(text.split())
        tag, lemma, parts = reading(text, tagger) if text else ("", "", ())
        words.append(Word(text, tokens, label(text, tag), lemma, tag, parts))
    return Words(words, pieces, tagger, alone)


def reference_words(pieces: Sequence[str], tagger: Tagger, alone: Sequence[str] = ()) -> list[Word]:
    """Return the words as the public code of TAM reads them (xmed-lab/TAM, `ids_to_word_groups`), its slips included.

    It looks at the text of each token by itself, special tokens and halves of characters too: `alone`, or `pieces`
    where that is not known. A token starts a word when it is the first, begins with a space or the word marker, is a
    *substring* of ASCII's punctuation (so "." and "()" are, as is no text at all, but '."' and "..." are not), or is
    CJK. Spaces are taken out of a word, line breaks are not.
    """
    found: list[tuple[str, tuple[int, ...]]] = []
    for index, own in enumerate(alone or pieces):
        text = _unmarked(own)
        spaced = text.startswith(" ") or own.startswith(MARKERS) or pieces[index].startswith(" ")
        if not found or spaced or text in string.punctuation or is_cjk(text):
            found.append((text.replace(" ", ""), (index,)))
        else:
            found[-1] = found[-1][0] + text.replace(" ", ""), (*found[-1][1], index)
    return [reference_word(text, tokens, tagger) for text, tokens in found]


def reference_word(text: str, tokens: tuple[int, ...], tagger: Tagger) -> Word:
    """Return a word with the tag of its text as it is and the lemma of its plain form, as the public code asks."""
    tag = tagger.tag(text)[0]
    return Word(text, tokens, label(text, tag), tagger.tag(plain(text))[1], tag)


def _unmarked(text: str) -> str:
    for marker in MARKERS:
        text = text.replace(marker, "")
    return text
