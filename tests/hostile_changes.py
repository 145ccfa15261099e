"""Ways to change a file of a checkpoint as strangers may."""

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

Change = Callable[[Path], None]


def both(one: Change, other: Change) -> Change:
    """Return a change that does two things."""

    def change(folder: Path) -> None:
        one(folder)
        other(folder)

    return change


def setting(name: str, *keys: str, value: Any) -> Change:
    """Return a change of one value in a JSON file."""

    def change(folder: Path) -> None:
        path = folder / name
        content = inner = json.loads(path.read_text()) if path.exists() else {}
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = value
        path.write_text(json.dumps(content))

    return change


def without(name: str, *keys: str) -> Change:
    """Return a change that takes a key out of a JSON file, or without keys the file away."""

    def change(folder: Path) -> None:
        path = folder / name
        if not keys:
            path.unlink()
            return
        content = inner = json.loads(path.read_text())
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        path.write_text(json.dumps(content))

    return change


def text(name: str, content: str | bytes) -> Change:
    """Return a change of a whole file."""
    raw = content.encode() if isinstance(content, str) else content

    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(raw)

    return change


def link(name: str, target: str) -> Change:
    """Return a change of a file into a link."""

    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return change


def moved(name: str) -> Change:
    """Return a change of a file into a link to itself, outside."""

    def change(folder: Path) -> None:
        outside = folder.parent / f"{folder.name}.outside"
        outside.mkdir(exist_ok=True)
        shutil.move(folder / name, outside / name)
        (folder / name).symlink_to(outside / name)

    return change


def fifo(name: str) -> Change:
    """Return a change of a file into a FIFO that nobody writes to."""

    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def directory(name: str) -> Change:
    """Return a change of a file into a folder."""

    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()

    return change


def sparse(name: str, size: int) -> Change:
    """Return a change of the size of a file, the new part being a hole."""
    return lambda folder: os.truncate(folder / name, size)


def header(size: int, shape: list[int]) -> Change:
    """Return weights of one tensor with a header that tells of as many bytes as the file has, nearly all a hole."""
    told = {"lm_head.weight": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}

    def change(folder: Path) -> None:
        raw = json.dumps(told).encode()
        path = folder / "model.safetensors"
        path.write_bytes(struct.pack("<Q", len(raw)) + raw)
        os.truncate(path, 8 + len(raw) + size)

    return change


def index(place: str, *, file: Path | None = None) -> Change:
    """Return weights behind an index that says they lie at `place`."""

    def change(folder: Path) -> None:
        names = load_file(folder / "model.safetensors").keys()
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "model.safetensors", target)
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {}, "weight_map": dict.fromkeys(names, place)})
        )

    return change


def not_numbers(folder: Path) -> None:
    """Put no numbers in the place of some weights."""
    weights = load_file(folder / "model.safetensors")
    weights[next(name for name in weights if name.endswith("norm.weight"))].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def nested(depth: int) -> str:
    """Return JSON of lists in lists."""
    return "[" * depth + "]" * depth


def step(part: str, content: Any) -> Change:
    """Return a change of a component of the tokenizer."""
    return setting("tokenizer.json", part, value=content)


def pattern(part: str, regex: str) -> Change:
    """Return a change that puts a pattern into the tokenizer."""
    kinds = {
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False},
        "normalizer": {"type": "Replace", "pattern": {"Regex": regex}, "content": "x"},
        "decoder": {"type": "Replace", "pattern": {"Regex": regex}, "content": "x"},
    }
    return step(part, kinds[part])


def doubling(part: str, letter: str) -> Change:
    """Return a change that makes a letter 2^40 of it."""
    one = {"type": "Replace", "pattern": {"String": letter}, "content": 2 * letter}
    key = {"normalizer": "normalizers", "decoder": "decoders"}[part]
    return step(part, {"type": "Sequence", key: [one] * 40})
