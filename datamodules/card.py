"""The card of a dataset: `card.json` for programs, `README.md` for people, `left_out.jsonl` for what is missing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datamodules.files import read_bytes
from datamodules.journal import Tally
from datamodules.printable import printable
from datamodules.sources.base import Source

CARD, README, LEFT_OUT = "card.json", "README.md", "left_out.jsonl"
_UNSAID = "No licence was given with the conversion."
_MAX_CARD = 1 << 20
_MARKUP = str.maketrans(dict.fromkeys("|<>`[]*_", " "))


def write_card(folder: Path, source: Source, tally: Tally, licence: str = "", **more: Any) -> dict[str, Any]:
    """Write the three files; the same conversion gives the same bytes.

    licence: what the user says of it; "" where nothing is said. more: further facts of what was written.
    """
    card = {
        "name": source.name,
        "prompt": source.prompt,
        "categories": len(source.categories) or "of each image its own",
        "licence": licence,
        "said by the files": dict(source.said),
        "sources": dict(source.files),
        "options": dict(source.options),
        "records": {
            "read": tally.done,
            "written": tally.counts["samples"],
            "left out": len(tally.left_out),
            "expected by the protocol": source.expected,
        },
        "counts": dict(tally.counts),
        "notes": {**source.notes, **tally.notes},
        **more,
    }
    write_left_out(folder, tally)
    text = json.dumps(card, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")
    (folder / README).write_text(readme(card), encoding="utf-8")
    return card


def write_left_out(folder: Path, tally: Tally) -> None:
    """A line for each record that gave no sample: its name and the reason."""
    lines = [json.dumps(line, sort_keys=True) + "\n" for line in tally.left_out]
    (folder / LEFT_OUT).write_text("".join(lines), encoding="utf-8")


def readme(card: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""

    def table(title: str, rows: Mapping[str, Any]) -> list[str]:
        body = [f"| {_plain(name)} | {_plain(value)} |" for name, value in sorted(rows.items())]
        return [f"## {title}", "", "| | |", "|---|---|", *body, ""] if body else []

    records = {name: value for name, value in card["records"].items() if value is not None}
    return "\n".join(
        [
            f"# {card['name']}",
            "",
            f"Question: *{_plain(card['prompt'])}* Categories: {card['categories']}.",
            "",
            f"Licence, as given with the conversion: {_plain(card['licence'])}" if card["licence"] else _UNSAID,
            "",
            *table("Records", records),
            *table("Counts", card["counts"]),
            *table("What was odd", card["notes"]),
            *table("Options", card["options"]),
            *table("What the source files say of themselves", card["said by the files"]),
            *table("Source files, sha256", card["sources"]),
            *table("Layout", card.get("layout", {})),
            "Images are the bytes that were read; `manifest.json`, where there is one, holds the sha256 of each. "
            f"Records left out stand in `{LEFT_OUT}`, each with its reason. "
            "`seewhy verify` checks a folder of shards against its manifest.",
            "",
        ]
    )


def said_by(path: Path) -> dict[str, str]:
    """Return what an earlier card says of licence and source files; nothing where there is none that can be read."""
    try:
        card = json.loads(read_bytes(path, _MAX_CARD))
        told, licence = card["said by the files"], card["licence"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    found = {name: said for name, said in told.items() if isinstance(said, str)} if isinstance(told, dict) else {}
    given = {"licence, as given with an earlier conversion": licence} if isinstance(licence, str) and licence else {}
    return found | given


def _plain(value: Any) -> str:
    """Text of strangers, without anything that Markdown or a browser would act upon."""
    return printable(str(value)).translate(_MARKUP)
