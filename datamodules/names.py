"""Names: of objects, as captions are searched for them; of samples, as keys; of files, as a stranger may give them."""

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from unicodedata import category, normalize
from unicodedata import name as name_of

from datamodules.files import contained

_LEADING = """
a an the this that these those some any each every another both all several many few no either neither
my your his her its our their whose
one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand
"""
LEADING = frozenset(_LEADING.split())
"""Determiners, possessives and numbers."""
_NUMBER = re.compile(r"\d[\d.,]*")
_PANOPTIC = ("-merged", "-other", "-stuff")
_ALIKE = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u02b9\u02bb\u02bc\u02bd\u02c8\u2032\u2035\uff07`\u00b4\ua78c", "'")
)
"""Apostrophes of any shape; with `_FILLERS` as in `metrics.spelling`, which reads the answers."""
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_HYPHENS = str.maketrans(dict.fromkeys("-\u2010\u2011\u2043\ufe63\uff0d", " "))


def normalise(phrase: str) -> str:
    """Return the name that a phrase is looked up by; "" where it has no word.

    Lower case, in NFKC, without zero-width characters, and without whatever stands round it that is no letter or number
    (punctuation and symbols of any script); the panoptic suffixes -merged, -other and -stuff removed, then hyphens to
    spaces; leading determiners, possessives and numbers dropped, as long as a word remains.

    >>> normalise("The two T-shirts"), normalise("wall-other-merged"), normalise("his")
    ('t shirts', 'wall', 'his')
    """
    text = _bare(normalize("NFKC", _bare(phrase)).lower())
    end = len(text)
    while suffix := next((suffix for suffix in _PANOPTIC if text.endswith(suffix, 0, end)), ""):
        end -= len(suffix)
    words = text[:end].translate(_HYPHENS).split()
    last = max(len(words) - 1, 0)
    first = next((at for at, word in enumerate(words) if word not in LEADING and not _NUMBER.fullmatch(word)), last)
    words = words[first:]
    return _bare(" ".join(words))


def folded(name: str) -> str:
    """Return the form in which two names are the same: as `normalise`, but every word kept and case folded."""
    return " ".join(_bare(normalize("NFKC", normalize("NFKC", _bare(name)).casefold())).translate(_HYPHENS).split())


def _bare(text: str) -> str:
    """Return `text` in NFC without zero-width marks, from its first letter or number to its last, with their marks."""
    seen = normalize("NFC", "".join(one for one in text.translate(_ALIKE) if not _is_zero_width(one)))
    kinds = "".join(category(one)[0] for one in seen)
    found = re.search("[LN](?:.*[LN])?M*", kinds)
    return seen[slice(*found.span())] if found else ""


def _is_zero_width(character: str) -> bool:
    """Return whether nothing is seen of a character: format characters, variation selectors, fillers."""
    return category(character) == "Cf" or character in _FILLERS or "VARIATION SELECTOR" in name_of(character, "")


def keys(files: Sequence[str], *, ascii: bool = True) -> list[str]:
    """Return a key for every file name, the same for the same set of names in any order.

    It is the name without folder and ending, where that is a key and belongs to one of the names alone, small and
    capital letters being alike; else what of the whole name can stand in a key, and the beginning of its sha256. A key
    has letters, digits, `-` and `_`; those of any script, where `ascii` is not asked for.

    >>> keys(["b/1.jpg", "b/2.jpg", "c/2.jpg"])
    ['1', 'b_2-31f7b62c', 'c_2-db801252']
    """
    script = re.ASCII if ascii else re.UNICODE
    spelt = {name: _stem(name if ascii else normalize("NFC", name)) for name in set(files)}
    stems = {name: stem.rpartition("/")[2] for name, stem in spelt.items()}
    owners = Counter(stem.casefold() for stem in stems.values())
    made = {}
    for name, stem in stems.items():
        if owners[stem.casefold()] > 1 or not re.fullmatch(r"[\w-]{1,80}", stem, script):
            digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            stem = re.sub(r"[^\w-]", "_", spelt[name], flags=script)[:80] + f"-{digest}"
        made[name] = stem
    if len(set(made.values())) != len(made):
        raise ValueError("two file names give the same key")
    return [made[name] for name in files]


def _stem(name: str) -> str:
    return re.sub(r"\.\w+$", "", name, flags=re.ASCII)


def inside(folders: Sequence[Path], name: object, *, follow_links: bool = False) -> Path:
    """Return the file of that name in the first of the folders that has it.

    Raises ValueError for a name that leads out of them, and for a link that does, unless follow_links; the folders may
    be links themselves. Raises FileNotFoundError.
    """
    if not isinstance(name, str):
        raise ValueError(f"file name {name!r} is no text")
    path = PurePosixPath(name)
    if not name.isprintable() or not path.parts or path.is_absolute() or ".." in path.parts or set("\\:") & set(name):
        raise ValueError(f"file name {name!r} is refused: it could lead out of its folder")
    for folder in folders:
        if (found := folder / path).is_file():
            if not follow_links and not contained(found, folders):
                raise ValueError(f"{name!r} is a link that leads out of its folder; copy the file, or --follow_links")
            return found
    above = path.parts[0] if len(path.parts) > 1 else ""
    hint = (
        f"; give the folder that holds {above!r}" if any(folder.resolve().name == above for folder in folders) else ""
    )
    raise FileNotFoundError(f"there is no file {name!r}{hint}")
