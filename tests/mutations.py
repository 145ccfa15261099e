"""Random changes of a checkpoint."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile import LOOP, REFUSED
from tests.hostile_changes import directory, fifo, index, link, moved, sparse, text

VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1,
        2**31,
        2**40,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x" * 100_000,
        "../../x",
        "/etc/passwd",
    ),
    *("\x1b[31m\n\u202e", [], {}, [[]], ["a"] * 10_000, {"a": {"b": 1}}, "{{ 1 }}", LOOP),
)
"""What takes the place of a value of a JSON file."""


def mutate(folder: Path, seed: int) -> str:
    """Change a checkpoint at random; what was done, in a word."""
    rng = random.Random(seed)
    name = rng.choice(sorted(path.name for path in folder.iterdir()))
    jsons = sorted(path.name for path in folder.glob("*.json"))
    kinds: dict[str, Callable[[], Any]] = {
        "bytes": lambda: damage(folder / name, rng),
        "value": lambda: replace(folder / rng.choice(jsons), rng),
        "more values": lambda: [replace(folder / rng.choice(jsons), rng) for _ in range(3)],
        "link": lambda: moved(name)(folder),
        "device": lambda: link(name, rng.choice(["/dev/zero", "/dev/stdin", "/proc/self/mem"]))(folder),
        "fifo": lambda: fifo(name)(folder),
        "folder": lambda: directory(name)(folder),
        "sparse": lambda: sparse(name, rng.choice([2**20, 2**33, 2**42]))(folder),
        "empty": lambda: text(name, "")(folder),
        "named": lambda: rng.choice(list(REFUSED.values()))[0](folder),
        "index": lambda: index(rng.choice(["../w.safetensors", "a/b.safetensors", "w.bin"]))(folder),
    }
    weights = {"bytes": 3, "value": 8, "more values": 4, "named": 4}
    kind = rng.choices(list(kinds), [weights.get(kind, 1) for kind in kinds])[0]
    kinds[kind]()
    return f"{kind} of {name}"


def damage(path: Path, rng: random.Random) -> None:
    """Cut, flip or insert some bytes."""
    raw = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 5, 50])):
        place = rng.randrange(len(raw) + 1)
        how = rng.choice(["flip", "cut", "insert", "cut the end"])
        if how == "flip" and place < len(raw):
            raw[place] ^= 1 << rng.randrange(8)
        elif how == "cut":
            del raw[place : place + rng.randrange(1, 20)]
        elif how == "insert":
            raw[place:place] = rng.randbytes(rng.randrange(1, 20))
        elif rng.random() < 0.1:
            del raw[place:]
    path.write_bytes(raw)


def replace(path: Path, rng: random.Random) -> None:
    """Put a hostile value in the place of one of a JSON file, mostly of one that is not deep inside."""
    content = inner = json.loads(path.read_text())
    while True:
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        if not keys:
            return
        key = rng.choice(list(keys))
        if isinstance(inner[key], dict | list) and inner[key] and rng.random() < 0.8:
            inner = inner[key]
            continue
        inner[key] = rng.choice(VALUES)
        break
    path.write_text(json.dumps(content))
