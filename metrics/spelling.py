"""One spelling for the words of answers and for names, so that any Unicode punctuation counts as its ASCII twin does.

Letters, numbers and the marks on them make words. White space, punctuation, symbols (emoji too), private and unassigned
characters part them. Hyphens and apostrophes of any shape hold a word together where a letter follows. Zero-width marks
(format characters such as the soft hyphen and the joiners, variation selectors, control characters, and the marks that
enclose a character, as on a keycap) are not there.
"""

import re
from functools import lru_cache
from unicodedata import category, name, normalize

_HYPHENS = dict.fromkeys("\u2010\u2011\u2043\ufe63\uff0d", "-")
_APOSTROPHES = dict.fromkeys("\u2018\u2019\u201b\u02b9\u02bb\u02bc\u02bd\u02c8\u2032\u2035\uff07`\u00b4\ua78c", "'")
_ALIKE = str.maketrans(_HYPHENS | _APOSTROPHES)
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_WORD = re.compile(r"[ld](?:[ldm]|j(?=[ld])|(?<=d)p(?=d))*")
_CLITIC = re.compile(r"'(?:t|s|m|d|re|ve|ll)", re.IGNORECASE)
_UNSPACED = ("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ", "BOPOMOFO ")
REPLACED = "\ufffd"
"""What stands in a decoded text for bytes that are no character, or not yet one."""


@lru_cache(maxsize=65536)
def kind(character: str) -> str:
    """Return what a character does in a word.

    `l` letter, `d` number, `m` combining mark, `z` zero-width mark, `j` hyphen or apostrophe, `p` full stop or comma,
    ` ` white space, `s` anything else.
    """
    if character in ".,":
        return "p"
    if character.translate(_ALIKE) in ("-", "'"):
        return "j"
    if character.isspace():
        return " "
    if character in _FILLERS or "VARIATION SELECTOR" in name(character, ""):
        return "z"
    of = category(character)
    return "z" if of in ("Cf", "Cc", "Me") else {"L": "l", "N": "d", "M": "m"}.get(of[0], "s")


def kinds(text: str) -> str:
    """Return the `kind` of every character."""
    return "".join(map(kind, text))


def is_cjk(text: str) -> bool:
    """Return whether a character of `text` has CJK in its Unicode name, by which TAM knows Chinese characters."""
    return any("CJK" in name(character, "") for character in text)


def is_punctuation(text: str) -> bool:
    """Return whether `text`, white space aside, is something without a letter or a number in it."""
    of = set(kinds(text))
    return bool(of - {" "}) and not of & {"l", "d"}


def shown(text: str) -> str:
    """Return `text` in NFC without zero-width marks, its hyphens and apostrophes as in ASCII."""
    return normalize("NFC", "".join(one for one in text.translate(_ALIKE) if kind(one) != "z"))


def is_clitic(text: str) -> bool:
    """Return whether `text` is what an apostrophe joins to a word, such as 's and 'll."""
    return bool(_CLITIC.fullmatch(shown(text)))


def parts(text: str) -> list[str]:
    """Return the words in `text`, in NFKC, their case kept: without what stands around and between them.

    A clitic alone keeps its apostrophe ("'s"). A point or comma between two digits parts nothing ("3.5").

    >>> parts("“dog—a…"), parts("dogs’"), parts("T‑shirt"), parts("’s"), parts("…")
    (['dog', 'a'], ['dogs'], ['T-shirt'], ["'s"], [])
    """
    seen = shown(text)
    if _CLITIC.fullmatch(seen.strip()):
        return [seen.strip()]
    return [normalize("NFKC", seen[slice(*found.span())]) for found in _WORD.finditer(kinds(seen))]


def folded(text: str) -> str:
    """Return the form in which lemmas and names are compared: NFKC, case folded, without hyphens.

    NFKC, because letters of another width and ligatures are the same letters; accents stay, because they may tell words
    apart.
    """
    return normalize("NFKC", normalize("NFKC", text).casefold()).replace("-", "")


@lru_cache(maxsize=65536)
def _unspaced(character: str) -> bool:
    return name(character, "").startswith(_UNSPACED)


def tokens(text: str) -> list[str]:
    """Return the tokens by which texts of any script are compared, as ROUGE-L does.

    They are runs of letters, numbers and marks, case folded; of ASCII text the runs of a-z and 0-9. A character of a
    script that is written without spaces (Chinese, kana, Thai, Lao, Khmer, Burmese, Tibetan) is a token of its own,
    with the marks on it. In a mixed text every run follows its own script.

    >>> tokens("A café, 2只狗")
    ['a', 'café', '2', '只', '狗']
    """
    seen = "".join(one for one in text if kind(one) != "z")
    seen = normalize("NFKC", normalize("NFKC", seen).casefold())
    found: list[str] = []
    for run in re.finditer("[ld][ldm]*", kinds(seen)):
        apart = True
        for character in seen[slice(*run.span())]:
            alone = _unspaced(character)
            if kind(character) != "m" and (alone or apart):
                found.append(character)
                apart = alone
            else:
                found[-1] += character
    return found


def spaced(text: str) -> str:
    """Return `text` in NFC with a space on both sides of every character of a script that is written without spaces."""
    return "".join(f" {one} " if _unspaced(one) else one for one in normalize("NFC", text))
