"""Text of strangers (captions, keys, names, errors that quote them), made fit for one line of a terminal or a page."""

import json
import re


def printable(text: str) -> str:
    """`text` on one line, without anything that a terminal would obey: no escape sequence, C1 control or turn of the
    reading direction; a space takes the place of what goes.

    >>> printable("a \x1b[31mred\r\n dog\u202e")
    'a [31mred dog '
    """
    return re.sub(" +", " ", "".join(character if character.isprintable() else " " for character in text))


def escaped(text: str) -> str:
    """JSON text that means the same, with JSON's own escapes for what `printable` would take out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def describe(error: Exception) -> str:
    """An error in one short, printable line; a ValueError says all in its message, another kind is named."""
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return (kind + printable(str(error)))[:300]
