"""What annotation files say of themselves, for the card: their `info` and `licenses`, cut short, and nothing else."""

from collections.abc import Mapping
from typing import Any

from datamodules.printable import printable

LONGEST, MOST = 200, 20
"""Characters of a statement, and licences of a file that are listed; the rest is counted."""
_INFO = ("description", "version", "year", "contributor", "url", "date_created")


def statements(content: Any, file: str) -> dict[str, str]:
    """Return what a file in COCO's manner says of itself: `FILE: info: description` -> text, `FILE: licence 1` -> text.

    A file of another kind, or without such statements, says nothing.
    """
    if not isinstance(content, Mapping):
        return {}
    info, licences = content.get("info"), content.get("licenses")
    found: dict[str, str] = {}
    if isinstance(info, Mapping):
        found |= {f"{file}: info: {name}": said for name in _INFO if (said := _short(info.get(name)))}
    listed = [entry for entry in licences if isinstance(entry, Mapping)] if isinstance(licences, list) else []
    for entry in listed[:MOST]:
        if said := ", ".join(filter(None, (_short(entry.get("name")), _short(entry.get("url"))))):
            found[f"{file}: licence {_short(entry.get('id')) or '-'}"] = said
    if len(listed) > MOST:
        found[f"{file}: licences"] = f"{len(listed) - MOST} more"
    return found


def _short(value: object) -> str:
    """Return text or a number on one line; "" for anything else."""
    if type(value) not in (str, int) or (isinstance(value, int) and value.bit_length() > 64):
        return ""
    said = printable(str(value)[: 2 * LONGEST]).strip()
    return said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"
