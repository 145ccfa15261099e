"""The values that the fields of a run's files may have, and how a file is checked.

A run folder may come from a stranger. What is read from one passes through `json_document` or `yaml_document`, which
give plain values, and through `check`, which raises `Damaged` with one line that names the file, the field and the
remedy. A field that is missing or wrong is refused. A field that is not listed is refused in a row, whose `schema` is a
number for that, and ignored in other files.
"""

import json
import math
import re
from functools import cache
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from datamodules.jsontext import unique
from datamodules.printable import printable
from pipeline.outputs.inside import Damaged

TOKENS = 1 << 15
"""Tokens that an answer may have."""
MANY = 256
"""Explainers that a run may have."""
DEPTH, NODES = 32, 1 << 20
"""Levels and values that a document of free form may have."""

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
OPEN = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


def bounded(limit: int) -> AfterValidator:
    """Return a check for texts of 1 to `limit` characters. Lone surrogates pass, which pydantic's own check refuses."""

    def length(text: str) -> str:
        if not 0 < len(text) <= limit:
            raise ValueError(f"expected a text of 1 to {limit:,} characters")
        return text

    return AfterValidator(length)


Index = Annotated[int, Field(ge=0, lt=10**9)]
Count = Annotated[int, Field(ge=0, lt=10**15)]
Positive = Annotated[int, Field(ge=1, lt=10**9)]
Share = Annotated[float, Field(ge=0, le=1.000001)]
"""A figure in [0, 1], with room for rounding."""
Change = Annotated[float, Field(ge=-1.000001, le=1.000001)]
Seconds = Annotated[float, Field(ge=0, lt=10**12)]


def shaped(pattern: str, expected: str) -> AfterValidator:
    """Return a check for texts that match `pattern` from end to end."""

    def match(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(match)


WORD = r"[^\W\d]\w{0,127}"
Name = Annotated[str, shaped(WORD, "a name of letters, digits and _")]
"""Of an explainer, a profile or a metric: an identifier."""
Stage = Annotated[str, shaped(r"[\w./-]{1,160}", "the name of a stage")]
Text = Annotated[str, bounded(4096)]
"""Keys of samples, names of objects: free text, which views escape and which is never part of a path."""
Reason = Annotated[str, bounded(1 << 16)]
Kinds = Annotated[dict[Text, Count], Field(max_length=4096)]
"""How many there are of each kind."""
Some = Field(max_length=MANY)


@cache
def _adapter(kind: Any) -> Any:
    """Return what checks a kind of file; made when it is first asked for."""
    return TypeAdapter(kind)


def check(kind: Any, value: Any, where: object, remedy: str) -> None:
    """Check `value` against a class of fields. Raises Damaged: `where`, the first wrong field, what is expected."""
    try:
        _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(printable(str(part))[:40] for part in first["loc"])
        said = printable(first["msg"].removeprefix("Value error, "))
        raise Damaged(f"{where}: {field + ': ' if field else ''}{said}; {remedy}") from error


def json_document(data: bytes, where: object, remedy: str) -> Any:
    """Return the plain values of a JSON text. Raises Damaged for anything else, numbers that are not finite, and what
    is nested too deeply."""
    try:
        found = json.loads(data, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=unique)
        _count(found)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{where} cannot be read ({_told(error)}); {remedy}") from error
    return found


def yaml_document(data: bytes, where: object, remedy: str) -> Any:
    """Return the plain values of a yaml text. Raises Damaged for anything else, and for references that would unfold
    into more than `NODES` values. The text must be short: PyYAML reads some 100 kB a second."""
    try:
        found = _Loader(data.decode("utf-8")).get_single_data()
        _count(found)
    except Exception as error:  # PyYAML raises whatever its constructors meet: AttributeError, IndexError and others
        raise Damaged(f"{where} cannot be read ({_told(error)}); {remedy}") from error
    return found


class _Loader(yaml.SafeLoader):
    """PyYAML's own loader, which stops at some hundred levels; that of libyaml crashes where there are very many."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse merge keys, which copy what they merge, again and again, and names that stand twice."""
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise ValueError("a merge key (<<)")
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            raise ValueError(
                f"the name {next(n for n in names if names.count(n) > 1)[:100]!r} stands twice in one mapping"
            )


def _count(document: Any) -> None:
    """Raise ValueError where there are too many values or levels, or one that JSON does not have."""
    left, nodes = [(document, 0)], 0
    while left:
        value, depth = left.pop()
        nodes += 1
        if nodes > NODES or depth > DEPTH:
            raise ValueError(f"more than {NODES:,} values" if nodes > NODES else f"more than {DEPTH} levels")
        if isinstance(value, dict):
            if not all(isinstance(name, str) for name in value):
                raise ValueError("a name is no text")
            left += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list):
            left += [(inner, depth + 1) for inner in value]
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("a number is not finite")
        elif not isinstance(value, str | int | float | None):
            raise ValueError(f"a {type(value).__name__} is no plain value")


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:20]} is too large")
    return value


def _told(error: Exception) -> str:
    """An error in few words; PyYAML's have several lines."""
    return "too many levels" if isinstance(error, RecursionError) else printable(str(error))[:200].strip()
