"""Words of the user's own that name a category: a yaml file such as `woman: person`."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import yaml

from datamodules.files import read_text
from datamodules.names import folded

MAX_BYTES = 1 << 20
OPTION = "synonyms"


def read_synonyms(path: str | Path, categories: Sequence[str]) -> dict[str, str]:
    """Return word or phrase -> category of the file at `path`, in its order.

    categories: the vocabulary of the data; empty where every image has its own, then a category is not checked. A
    synonym may name another key of the file, which must lead to a category.

    Raises ValueError, in one line with file and key, for a file that is no mapping of texts to texts, a key that stands
    twice or is a category itself, a category that the data do not have, and keys that name one another in a circle.
    """
    pairs = _pairs(Path(path))
    names = {folded(name): name for name in reversed(categories)}
    meant: dict[str, str] = {}
    written: dict[str, str] = {}
    for key, value in pairs:
        same = folded(key)
        _check(same, path, key, "has no letter")
        _check(same not in written, path, key, f"stands twice, also as {written.get(same)!r}")
        _check(same not in names, path, key, "is a category itself, so it needs no synonym: delete the line")
        written[same], meant[same] = key, value
    return {written[same]: _category(path, same, written, meant, names) for same in meant}


def _category(
    path: str | Path, start: str, written: dict[str, str], meant: dict[str, str], names: dict[str, str]
) -> str:
    """Return the category that a key leads to."""
    value, passed = meant[start], [start]
    while folded(value) in meant:
        passed.append(folded(value))
        circle = " -> ".join(written[same] for same in passed)
        _check(passed[-1] not in passed[:-1], path, written[start], f"leads to no category but in a circle: {circle}")
        value = meant[passed[-1]]
    near = get_close_matches(folded(value), names, 1)
    hint = f"did you mean {names[near[0]]!r}?" if near else "the manifest of the data lists its categories"
    known = not names or folded(value) in names
    _check(known, path, written[start], f"names {value!r}, which is no category of the data: {hint}")
    return names.get(folded(value), value)


def _pairs(path: Path) -> list[tuple[str, str]]:
    """Return the keys and values of the file as they are written."""
    try:
        node = yaml.compose(read_text(path, MAX_BYTES)[0], yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(
            f"{OPTION}: {path}: {' '.join(str(getattr(error, 'strerror', None) or error).split())}"
        ) from error
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{OPTION}: {path}: expected lines such as `woman: person`")
    pairs = []
    for key, value in node.value:
        for one, what in ((key, "the key"), (value, "the category")):
            if not isinstance(one, yaml.ScalarNode) or one.tag != "tag:yaml.org,2002:str" or not one.value.strip():
                told = one.value if isinstance(one, yaml.ScalarNode) else "a list or mapping"
                of = "" if one is key else f"{key.value!r}: "
                raise ValueError(f"{OPTION}: {path}: {of}{what} {told!r} is no text: put it in quotes, or name a word")
        pairs.append((key.value, value.value))
    return pairs


def _check(holds: object, path: str | Path, key: str, wrong: str) -> None:
    if not holds:
        raise ValueError(f"{OPTION}: {path}: {key!r} {wrong}")
