"""Fields of published JSON, each of the type that it must have, or an error that names record and field."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

_NONE = object()


def fail(where: str, what: str, value: object) -> ValueError:
    """Return the error that says what is expected at a place and what is there."""
    return ValueError(f"{where} is {_shown(value)}; expected is {what}")


def whole(value: object, where: str, least: int = 0, most: int = (1 << 53) - 1) -> int:
    """Return a whole number of that range, also one that is written 18.0.

    Raises ValueError that names `where` for any other: true and false, text, NaN, a fraction.
    """
    number = int(value) if type(value) is float and math.isfinite(value) and value.is_integer() else value
    if type(number) is not int or not least <= number <= most:
        raise fail(where, f"a whole number from {least} to {most}", value)
    return number


def flag(value: object, where: str) -> bool:
    """Return whether a mark is set: 0, 1, false, true. Raises ValueError that names `where` for any other."""
    if type(value) not in (bool, int, float) or value not in (0, 1):
        raise fail(where, "0 or 1", value)
    return bool(value)


def text(value: object, where: str) -> str:
    """Return text. Raises ValueError that names `where` for any other."""
    if not isinstance(value, str):
        raise fail(where, "text", value)
    return value


def listed(value: object, where: str) -> Sequence[Any]:
    """Return a list. Raises ValueError that names `where` for any other."""
    if not isinstance(value, list):
        raise fail(where, "a list", value)
    return value


def mapped(value: object, where: str) -> Mapping[str, Any]:
    """Return an object of names and values. Raises ValueError that names `where` for any other."""
    if not isinstance(value, dict):
        raise fail(where, "an object", value)
    return value


def need(entry: object, name: str, where: str) -> Any:
    """Return the value of a field of an object. Raises ValueError that names `where` and the field that is missing."""
    value = mapped(entry, where).get(name, _NONE)
    if value is _NONE:
        raise ValueError(f"{where}: {name!r} is missing")
    return value


def _shown(value: object) -> str:
    """Return a value as JSON calls it, cut short."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if type(value) is int and value.bit_length() > 99:
        return "a number of more than 30 digits"
    return repr(value)[:50]
