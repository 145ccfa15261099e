"""From token pieces to words with a label, a lemma and a Penn tag; the taggers see one word at a time, no context."""

import re
import string
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, Protocol, runtime_checkable

Label = Literal["noun", "function", "punctuation", "other"]

# The Penn tags of function words; prepositions (IN) and numbers (CD) are deliberately not among them.
FUNCTION = frozenset(["CC", "DT", "EX", "MD", "POS", "PRP", "PRP$", "UH", "WDT", "WP", "WP$", "WRB"])
NOUN = frozenset(["NN", "NNS", "NNP", "NNPS"])
MARKERS = ("▁", "Ġ")  # how SentencePiece and byte-level tokenizers write the space before a word

# C5, the tags of HanTa's English model, to Penn. "that" (CJT) is read as the relative pronoun it mostly is in captions.
PENN = {
    **{"AJ0": "JJ", "AJC": "JJR", "AJS": "JJS", "AT0": "DT", "AV0": "RB", "AVP": "RP", "AVQ": "WRB"},
    **{"CJC": "CC", "CJS": "IN", "CJT": "WDT", "CRD": "CD", "DPS": "PRP$", "DT0": "DT", "DTQ": "WDT"},
    **{"EX0": "EX", "ITJ": "UH", "NN0": "NN", "NN1": "NN", "NN2": "NNS", "NP0": "NNP", "ORD": "JJ"},
    **{"PNI": "NN", "PNP": "PRP", "PNQ": "WP", "PNX": "PRP", "POS": "POS", "PRF": "IN", "PRP": "IN"},
    **{"PUL": "-LRB-", "PUN": ".", "PUQ": "''", "PUR": "-RRB-", "TO0": "TO", "UNC": "FW", "VM0": "MD"},
    **{"XX0": "RB", "ZZ0": "SYM"},
    **{
        f"V{kind}{c5}": penn
        for kind in "BDHV"
        for c5, penn in zip("BDGINZ", ["VBP", "VBD", "VBG", "VB", "VBN", "VBZ"], strict=True)
    },
}

# Names of things that HanTa, seeing one word alone, takes for a verb or an adjective, or whose lemma it misses.
NOUNS = {
    **{"batter": "batter", "bear": "bear", "bears": "bear", "cucumber": "cucumber", "drier": "drier"},
    **{"driers": "drier", "duck": "duck", "giraffe": "giraffe", "giraffes": "giraffe", "goggles": "goggles"},
    **{"hydrant": "hydrant", "kiwi": "kiwi", "monitor": "monitor", "orange": "orange", "remote": "remote"},
    **{"sink": "sink", "ski": "ski", "skis": "ski", "sunglasses": "sunglasses", "toaster": "toaster"},
    **{"wrench": "wrench"},
}
CLITIC = re.compile(r"(?:(?<=\w)n['’]t|['’](?:s|m|d|re|ve|ll))$", re.IGNORECASE)


LONGEST = 64
"""Letters of the longest text that a tagger is asked about; it takes time by their cube, and no word has so many."""


@dataclass(frozen=True)
class Word:
    """One word of an answer. text: without spaces. tokens: its indices. lemma: lower case, no hyphens. tag: Penn."""

    text: str
    tokens: tuple[int, ...]
    label: Label
    lemma: str
    tag: str


@runtime_checkable
class Tagger(Protocol):
    """A pure function from a word to its Penn tag and lemma; `name` goes into the record of a run."""

    name: str

    def tag(self, word: str) -> tuple[str, str]: ...

    def __hash__(self) -> int: ...


def plain(word: str) -> str:
    """Lower case, hyphens dropped: the form in which lemmas are compared."""
    return word.lower().replace("-", "")


def bounded(tag: Callable[[str], tuple[str, str]]) -> Callable[[str], tuple[str, str]]:
    """`tag`, remembered for the words asked last; what is longer than `LONGEST` is none and counts as foreign (FW)."""
    known = lru_cache(maxsize=65536)(tag)
    return lambda word: known(word) if len(word) <= LONGEST else ("FW", plain(word))


class Plain:
    """Every word is a noun and its own lemma: for category names whose words are given as lemmas."""

    name = "plain"

    def tag(self, word: str) -> tuple[str, str]:
        return "NN", plain(word)


class Hanta:
    """HanTa's English model, which lies in its wheel: works offline. Quotes and clitics round a word are taken off."""

    name = "hanta"

    def __init__(self) -> None:
        from HanTa.HanoverTagger import HanoverTagger

        self._analyze = HanoverTagger("morphmodel_en.pgz").analyze
        self._bounded = bounded(self._tag)

    def tag(self, word: str) -> tuple[str, str]:
        return self._bounded(word)

    def _tag(self, word: str) -> tuple[str, str]:
        core = CLITIC.sub("", word).strip(string.punctuation) or word
        if plain(core) in NOUNS:
            lemma = NOUNS[plain(core)]
            return ("NN" if lemma == plain(core) else "NNS"), lemma
        lemma, c5 = self._analyze(core)
        return PENN.get(c5, "FW"), plain(lemma)


class Nltk:
    """NLTK's tagger and WordNet lemmatiser, as the reference uses them; nothing is fetched."""

    name = "nltk"
    DATA = ("averaged_perceptron_tagger_eng", "wordnet")

    def __init__(self) -> None:
        import nltk
        from nltk.stem import WordNetLemmatizer

        try:
            nltk.pos_tag(["dog"])
            WordNetLemmatizer().lemmatize("dogs")
        except LookupError as error:
            raise LookupError(
                f"the word backend 'nltk' needs NLTK's data {' and '.join(self.DATA)}, which is not all present: "
                f"run `python -m nltk.downloader {' '.join(self.DATA)}`, or choose the backend 'hanta'"
            ) from error
        self._pos_tag, self._lemmatize = nltk.pos_tag, WordNetLemmatizer().lemmatize
        self._bounded = bounded(self._tag)

    def tag(self, word: str) -> tuple[str, str]:
        return self._bounded(word)

    def _tag(self, word: str) -> tuple[str, str]:
        return self._pos_tag([word])[0][1], self._lemmatize(plain(word))


@cache
def tagger(name: str) -> Tagger:
    """The tagger of that name, loaded once: `hanta` (default of the project) or `nltk`."""
    backends: dict[str, type[Hanta] | type[Nltk]] = {"hanta": Hanta, "nltk": Nltk}
    if name not in backends:
        raise ValueError(f"unknown word backend {name!r}: choose one of {', '.join(backends)}")
    return backends[name]()


def label(text: str, tag: str) -> Label:
    """What a word counts as; punctuation is a word of nothing but ASCII punctuation."""
    if is_punctuation(text):
        return "punctuation"
    return "function" if tag in FUNCTION else "noun" if tag in NOUN else "other"


def is_punctuation(text: str) -> bool:
    return bool(text) and all(character in string.punctuation for character in text)


def group(pieces: Sequence[str]) -> list[tuple[int, ...]]:
    """Token indices of each word. A token starts a word when it is the first, begins with a space (or the tokenizer's
    word marker), is ASCII punctuation, or is CJK; every token belongs to exactly one word."""
    words: list[tuple[int, ...]] = []
    for index, piece in enumerate(pieces):
        starts = piece[:1].isspace() or piece.startswith(MARKERS) or is_punctuation(piece)
        if not words or starts or any("CJK" in unicodedata.name(character, "") for character in piece):
            words.append((index,))
        else:
            words[-1] += (index,)
    return words


def words_of(pieces: Sequence[str], tagger: Tagger) -> list[Word]:
    """The labelled words of an answer; a word of nothing but white space is `other`, with empty text, lemma and tag."""
    words = []
    for tokens in group(pieces):
        text = "".join(pieces[index] for index in tokens)
        for marker in MARKERS:
            text = text.replace(marker, "")
        text = "".join(text.split())
        tag, lemma = tagger.tag(text) if text else ("", "")
        words.append(Word(text, tokens, label(text, tag), lemma, tag))
    return words
