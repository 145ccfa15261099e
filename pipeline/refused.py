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
Text: TypeAlias = restricted_string_type("Text", r"\s*\S")  # type: ignore[valid-type]
"""A text that says something: `--run_dir "$UNSET"` is a mistake."""
WORDS: dict[Any, str] = {
    NoneType: "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    PositiveInt: "a whole number from 1",
    NonNegativeInt: "a whole number from 0",
    Percent: "a percentage such as 0.5%, at most 100%",
    Text: "a text that is not empty",
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


def near(name: str, names: Iterable[str], flag: str = "") -> str:
    """Return a question after the name that was meant, if there is one like it. flag: what is put before that."""
    listed = list(names)
    meant = get_close_matches(name, listed, n=1) or [one for one in listed if len(name) > 1 and one.startswith(name)]
    return f"; did you mean {flag}{meant[0]}?" if meant else ""


def unknown(
    name: str, names: Iterable[str], flag: str = "--", groups: Iterable[str] = (), typed: str | None = None
) -> str:
    """Return what is said of an option that does not exist.

    names: those that exist. flag: what is put before names. groups: names before a dot, such as those of explainers,
    that exist even where nothing may stand after the dot. typed: the option as it was typed.
    """
    names, groups = list(names), list(groups)
    group, _, own = name.rpartition(".")
    above = {one.rpartition(".")[0] for one in names} | set(groups)
    said = f"{typed or flag + name}: no such option"
    if not group or group not in above:
        meant = get_close_matches(group, sorted(above), n=1) if group else []
        inside = [one.rpartition(".")[2] for one in names if meant and one.rpartition(".")[0] == meant[0]]
        if not inside:
            return said + (f"; did you mean {flag}{meant[0]}?" if meant else near(name, names, flag))
        return said + (near(own, inside, f"{flag}{meant[0]}.") or f"; did you mean {flag}{meant[0]}?")
    inside = [one.rpartition(".")[2] for one in names if one.rpartition(".")[0] == group]
    if not inside:
        return f"{said}; {group.rpartition('.')[2]} has no parameters"
    hint = near(own, inside, f"{flag}{group}.")
    return said + (hint or (f"; there are {', '.join(inside)}" if len(inside) <= FEW else ""))


FEW = 16
"""So many options may be listed in one line."""


def value_missing(name: str, hint: Any) -> str:
    """Return what is said of an option without its value."""
    words = expected(hint)
    return f"--{name}: a value is missing" + (f"; expected {words}" if words else "")


def told(message: str, actions: Sequence[Action], flag: str = "--") -> str:
    """Return the parser's `message` about one of its `actions` as `--option: what is expected`.

    It is unchanged where it is of another kind. flag: what is put before names; nothing for the options of a class,
    whose message comes back inside another one.
    """
    message = " ".join(message.split())
    names = [action.dest for action in actions]
    hints = {action.dest: getattr(action, "_typehint", None) for action in actions}
    if found := re.match(r"unrecognized arguments: (--?)([\w.]+)", message):
        return unknown(found[2], names, flag, typed=found[1] + found[2])
    if found := re.match(r"Option '([\w.]+)' is not accepted", message):
        return unknown(found[1], names, flag)
    if found := re.match(r"Group '([\w.]+)' does not accept option '([\w.]+)'", message):
        return unknown(f"{found[1]}.{found[2]}", names, flag, [found[1]])
    if found := re.match(r"the following arguments are required: ([\w.]+)", message):
        return f"{flag}{found[1]}: it must be given"
    if found := re.match(r"argument --([\w.]+): expected one argument", message):
        return value_missing(found[1], hints.get(found[1]))
    if found := re.match(r'Parser key "([\w.]+)": (.*)', message):
        return value_refused(found[1], found[2], hints.get(found[1]), flag)
    return message


def value_refused(name: str, why: str, hint: Any, flag: str) -> str:
    """Return what is said of a value that an option does not take; why: the parser's own words."""
    inner = re.search(r"Problem with given class_path '([^']*)': (.*?)( - Expected| Given value|$)", why)
    if inner and re.match(r"\w[\w.]*: ", inner[2]):  # said by `told` of an option of that class
        inside = re.split(r" - Problem with", inner[2])[0]
        return f"{flag}{name}." + re.sub(r"did you mean (?=\w)", f"did you mean {flag}{name}.", inside)
    if inner:
        return f"{flag}{name}: {inner[1]} cannot be imported: {inner[2]}"
    if other := re.search(r"Import path (\S* ?)does not correspond to a subclass of (\w+)", why):
        path = other[1].strip() or why.rpartition("Given value: ")[2]
        return f"{flag}{name}: {no_subclass(path, other[2])}"
    if abstract := re.search(r"but (\S* ?)is abstract", why):
        path = abstract[1].strip() or why.rpartition("Given value: ")[2]
        return f"{flag}{name}: {path} is abstract; name a class that derives from it"
    if re.match("Unable to load config", why):
        return f"{flag}{name}: a yaml file is expected; its options are given one by one, as {flag}{name}.NAME"
    patterns = (
        *(r".*Given value: ?(.*)$", r".*Got value: ?(.*)$", r"Not of type \w+: (.*) does not "),
        r"Not of type \w+: (?:invalid literal for int.*|could not convert string to float): '(.*)'$",
    )
    value = next(filter(None, (re.match(pattern, why) for pattern in patterns)), None)
    words, given = expected(hint), f"; got {value[1]!r}" if value else ""
    return f"{flag}{name}: expected {words}{given}" if words else f"{flag}{name}: {why}"


def no_subclass(path: str, base: str) -> str:
    """Return what is said of a class of another kind."""
    return f"{path} is no {base}"
