"""Taggers: pure functions from one word, without context, to its Penn tag and its lemma."""

import re
import string
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import cache, lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, runtime_checkable

from metrics.irregular import NOUNS

# The Penn tags of function words; prepositions (IN) and numbers (CD) are deliberately not among them.
FUNCTION = frozenset(["CC", "DT", "EX", "MD", "POS", "PRP", "PRP$", "UH", "WDT", "WP", "WP$", "WRB"])
NOUN = frozenset(["NN", "NNS", "NNP", "NNPS"])

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
CLITIC = re.compile(r"(?:(?<=\w)n['’]t|['’](?:s|m|d|re|ve|ll))$", re.IGNORECASE)
LONGEST = 64
"""Letters of the longest text that a tagger is asked about; it takes time by their cube, and no word has so many."""


@runtime_checkable
class Tagger(Protocol):
    """A pure function from a word to its Penn tag and lemma; `name` goes into the record of a run."""

    name: str

    def tag(self, word: str) -> tuple[str, str]: ...

    def __hash__(self) -> int: ...


def plain(word: str) -> str:
    """Return `word` in lower case without hyphens: the form in which lemmas are compared."""
    return word.lower().replace("-", "")


def bounded(tag: Callable[[str], tuple[str, str]]) -> Callable[[str], tuple[str, str]]:
    """Return `tag` with a memory of the words asked last; a text longer than `LONGEST` is no word: foreign (FW)."""
    known = lru_cache(maxsize=65536)(tag)
    return lambda word: known(word) if len(word) <= LONGEST else ("FW", plain(word))


class Plain:
    """Every word is a noun and its own lemma: for category names whose words are given as lemmas."""

    name = "plain"

    def tag(self, word: str) -> tuple[str, str]:
        return "NN", plain(word)


class Hanta:
    """HanTa's English model, which lies in its wheel: works offline. Quotes and clitics round a word are taken off.

    The tag is that of the word as it is written, the lemma that of its lower-case form: the model takes capitalised
    plurals ("Frisbees") for names and leaves them as they are.
    """

    name = "hanta"

    def __init__(self) -> None:
        path = packaged("HanTa", "morphmodel_en.pgz")
        from HanTa.HanoverTagger import HanoverTagger

        self._analyze = HanoverTagger(str(path)).analyze
        self._bounded = bounded(self._tag)

    def tag(self, word: str) -> tuple[str, str]:
        return self._bounded(word)

    def _tag(self, word: str) -> tuple[str, str]:
        if not word:
            return "", ""
        core = CLITIC.sub("", word).strip(string.punctuation) or word
        if plain(core) in NOUNS:
            lemma = NOUNS[plain(core)]
            return ("NN" if lemma == plain(core) else "NNS"), lemma
        lemma, c5 = self._analyze(core)
        if core != core.lower():
            lemma, _ = self._analyze(core.lower())
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
    """Return the tagger of that name, loaded once: `hanta` (default of the project) or `nltk`.

    Raises ValueError for another name, and where HanTa's model is not the file that was installed; LookupError where
    NLTK's data are missing.
    """
    backends: dict[str, type[Hanta] | type[Nltk]] = {"hanta": Hanta, "nltk": Nltk}
    if name not in backends:
        raise ValueError(f"unknown word backend {name!r}: choose one of {', '.join(backends)}")
    return backends[name]()


def packaged(package: str, name: str) -> Path:
    """Return the absolute path of a data file of an installed package, checked against what was installed.

    The working directory is never looked at. The file's sha256 must be the one in the package's RECORD, which the
    installer wrote. Raises ValueError, naming the file, where it is another or nothing vouches for it.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ValueError(f"the package {package} is not installed: run `pip install {package}`")
    path = Path(spec.origin).resolve().parent / name
    try:
        recorded = files(package) or ()
    except PackageNotFoundError:
        recorded = ()
    hashes = [
        one.hash.value
        for one in recorded
        if one.name == name and one.hash and one.hash.mode == "sha256" and Path(one.locate()).resolve() == path
    ]
    again = f"run `pip install --force-reinstall --no-deps {package}`"
    if not hashes:
        raise ValueError(
            f"{path}: the installation of {package} has no sha256 of this file, so it is not opened: {again}"
        )
    if not path.is_file():
        raise ValueError(f"{path} is missing: {again}")
    if urlsafe_b64encode(sha256(path.read_bytes()).digest()).rstrip(b"=").decode() not in hashes:
        raise ValueError(f"{path} is not the file that was installed, so it is not opened: {again}")
    return path
