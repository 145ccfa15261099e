"""JSON of strangers: no name of an object stands twice with different content."""

import json
from typing import Any


def loads(data: str | bytes) -> Any:
    """Read JSON in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises ValueError for text that is no JSON, and for an object in which one name has two values: `json` alone would
    take the last in silence. Raises RecursionError for JSON that is nested too deep.
    """
    return json.loads(data, object_pairs_hook=unique)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these names and values. Raises ValueError where a name stands twice with two values."""
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: dict[str, Any] = {}
        for name, value in pairs:
            if not same(seen.setdefault(name, value), value):
                raise ValueError(f"the name {name[:100]!r} stands twice in one object, with different values")
    return made


def same(one: Any, other: Any) -> bool:
    """Say whether two values of JSON are written alike: 1, 1.0 and true are three."""
    return one is other or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
