"""Why an option is refused, in words of its own instead of the parser's."""

import re
from argparse import Action
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin

from jsonargparse.typing import NonNegativeInt, PositiveInt, restricted_string_type

Percent: TypeAlias = restricted_string_type("Percent", r"^(100|\d{1,2}(\.\d+)?)%$")  # type: ignore[valid-type]
"""A share of all samples, such as 1% or 0.5%."""
Bytes: TypeAlias = restricted_string_type("Bytes", r"^\d+(\.\d+)? ?([kMGT]?B)$")  # type: ignore[valid-type]
"""A size such as 50GB."""
WORDS: dict[Any, str] = {
    NoneType: "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    PositiveInt: "a whole number from 1",
    NonNegativeInt: "a whole number from 0",
    Percent: "a percentage such as 0.5%, at most 100%",
    Bytes: "a size with its unit, such as 50GB",
}
PATTERN = "a pattern of files is to be quoted, as in 'photos/*.jpg'"


def expected(hint: Any) -> str:
    """What a type accepts; empty where there are no words for it."""
    if hint in WORDS:
        return WORDS[hint]
    inner = get_args(hint)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, inner))}"
    parts = [expected(part) for part in inner]
    if not parts or not all(parts):
        return ""
    if get_origin(hint) in (Union, UnionType):
        return ", or ".join(parts)
    return f"a list in brackets, each {parts[0]}" if get_origin(hint) in (list, Sequence) else ""


def near(name: str, names: Iterable[str]) -> str:
    """A question after the name that was meant, if there is one like it."""
    return "".join(f"; did you mean {one}?" for one in get_close_matches(name, names, n=1))


def told(message: str, actions: Sequence[Action], flag: str = "--") -> str:
    """The parser's `message` about one of its `actions` as `--option: what is expected`; unchanged where it is of
    another kind. flag: what is put before names; nothing for the options of a class, which come back below another."""
    message = " ".join(message.split())
    names = [flag + action.dest for action in actions]
    hints = {action.dest: getattr(action, "_typehint", None) for action in actions}
    if found := re.match(r"unrecognized arguments: (.*)", message):
        options = [word.partition("=")[0] for word in found[1].split() if word.startswith("--")]
        return message + (near(options[0], names) if options else f"; {PATTERN}")
    if found := re.match(r"Option '([\w.]+)' is not accepted", message):
        return f"{flag}{found[1]}: no such option{near(flag + found[1], names)}"
    if found := re.match(r"the following arguments are required: ([\w.]+)", message):
        return f"{flag}{found[1]}: it must be given"
    if found := re.match(r"argument --([\w.]+): expected one argument", message):
        words = expected(hints.get(found[1]))
        return f"--{found[1]}: expected one argument" + (f", {words}" if words else "")
    if found := re.match(r'Parser key "([\w.]+)": (.*)', message):
        name, why = found.groups()
        if inner := re.search(
            r"Problem with given class_path '[^']*': (\w[\w.]*: .*?)( - Expected| Given value|$)", why
        ):
            return f"{flag}{name}.{inner[1]}"
        patterns = (r".*Given value: (.*)$", r".*Got value: (.*)$", r"Not of type \w+: (.*) does not ")
        value = next(filter(None, (re.match(pattern, why) for pattern in patterns)), None)
        words, given = expected(hints.get(name)), f"; not {value[1]!r}" if value else ""
        return f"{flag}{name}: {words}{given}" if words else f"{flag}{name}: {why}"
    return message
