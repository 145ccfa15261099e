"""Random damage to a run folder, as chance or an attacker would do it: each kind changes one file or folder."""

import io
import json
import os
import random
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from pipeline.outputs import owner, owner_record

DEEP = "[" * 3000 + "]" * 3000
PATHS = ("../../../../canary/a.txt", "{canary}/a.txt", "/dev/zero", "..", ".", "a/b", "x\x00y")
VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 10**9, 10**30, 0.5, -0.5, 1e308, 7.5, "", "x", "x" * 100_000, "\x1b[31mred\u202e\n"),
    *("\udc80", [], {}, [[]], [None], [1, 2, 3, 4, 5, 6, 7], {"a": 1}, {"class_path": "os.system"}, *PATHS),
)
Mutation = Callable[[random.Random, Path, Path], str]


def files(folder: Path, *suffixes: str) -> list[Path]:
    """The files of a run folder, in order; of these endings where some are given."""
    found = sorted(path for path in folder.glob("**/*") if path.is_file() and not path.is_symlink())
    return [path for path in found if not suffixes or path.suffix in suffixes]


def in_bytes(drawn: random.Random, folder: Path, _: Path) -> str:
    """Bytes of any file are changed, cut, doubled or replaced."""
    path = drawn.choice(files(folder))
    data = bytearray(path.read_bytes())
    how = drawn.choice(("bits", "cut", "empty", "more", "random", "twice", "zeros"))
    at = drawn.randrange(len(data) or 1)
    if how == "bits":
        for _bit in range(drawn.choice((1, 1, 8, 64))):
            data[drawn.randrange(len(data))] ^= 1 << drawn.randrange(8)
    elif how == "more":
        data += drawn.randbytes(drawn.choice((1, 100, 100_000)))
    elif how == "twice":
        data[at:at] = data[at : at + drawn.choice((10, 1000, 10**6))]
    else:
        made = {"cut": data[:at], "empty": b"", "random": drawn.randbytes(len(data)), "zeros": bytes(1 << 25)}
        data = bytearray(made[how])
    path.write_bytes(data)
    return f"bytes: {how} in {path.relative_to(folder)}"


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place of a document: the mapping or list, and the name or number in it."""
    inner = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [(value, name) for name, _ in inner] + [place for _, one in inner for place in places(one)]


def changed(drawn: random.Random, document: Any, canary: Path) -> str:
    """One place of a document is changed, dropped or renamed, or gets company."""
    holder, name = drawn.choice(places(document) or [([None], 0)])
    value = drawn.choice(VALUES)
    if isinstance(value, str):
        value = value.replace("{canary}", str(canary))
    how = drawn.choice(("value", "value", "value", "value", "drop", "rename", "more", "near"))
    if how == "drop":
        del holder[name]
    elif how == "rename" and isinstance(holder, dict):
        holder[value if isinstance(value, str) else "other"] = holder.pop(name)
    elif how == "more" and isinstance(holder, list):
        holder.extend(drawn.choice((1, 1000)) * [holder[name]])
    elif how == "near" and isinstance(holder[name], int | float) and not isinstance(holder[name], bool):
        holder[name] += drawn.choice((-1, 1, 1000, 0.25, 1e9))
    else:
        holder[name] = value
    return f"{how} at {str(name)[:20]!r}"


def in_json(drawn: random.Random, folder: Path, canary: Path) -> str:
    """A value of a JSON file."""
    path = drawn.choice(files(folder, ".json"))
    document = json.loads(path.read_text())
    if drawn.random() < 0.06:
        path.write_text(drawn.choice((DEEP, "NaN", '{"a": 1e999}', "[]", "null", '{"fingerprint": NaN}', "1" * 9999)))
        return f"json: other in {path.relative_to(folder)}"
    how = changed(drawn, document, canary)
    path.write_text(json.dumps(document))
    return f"json: {how} of {path.relative_to(folder)}"


def in_row(drawn: random.Random, folder: Path, canary: Path) -> str:
    """A value of a row, whose checksum is made to fit."""
    path = drawn.choice(files(folder, ".jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    at = drawn.randrange(len(lines))
    fields = json.loads(lines[at])
    del fields["crc32"]
    how = changed(drawn, fields, canary)
    body = json.dumps(fields, sort_keys=True)[:-1].encode() + b","
    lines[at] = body + b'"crc32":"%08x"}\n' % zlib.crc32(body)
    path.write_bytes(b"".join(lines if drawn.random() < 0.8 else lines + lines))
    return f"row: {how}"


def in_yaml(drawn: random.Random, folder: Path, canary: Path) -> str:
    """A value of config.yaml, or what yaml can do beyond values."""
    path = folder / "config.yaml"
    bombs = ("a: &a [*a]", "!!timestamp x", "!!python/object/apply:os.system [x]", "[" * 9999, "? [a]\n: b", "- 1", "{")
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    merges = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
    if drawn.random() < 0.4:
        path.write_text(drawn.choice((*bombs, laughs, merges)))
        return "yaml: other"
    document = yaml.safe_load(path.read_text())
    how = changed(drawn, document, canary)
    path.write_text(yaml.safe_dump(document))
    return f"yaml: {how}"


def in_maps(drawn: random.Random, folder: Path, _: Path) -> str:
    """An archive of maps that holds something else, says something else, or unpacks to very much."""
    path = drawn.choice(files(folder, ".npz"))
    with np.load(path) as archive:
        maps = {name: archive[name] for name in archive.files}
    name = drawn.choice(sorted(maps))
    shape = maps[name].shape
    how = drawn.choice(("type", "shape", "object", "gone", "name", "many", "bomb", "lie", "twice", "fortran", "header"))
    arrays: dict[str, Any] = {
        "type": maps[name].astype(drawn.choice(("f4", "i8", "u2", "c16", "U4", "b1"))),
        "shape": np.zeros(
            drawn.choice(((0, 1, 1), (1,), (*shape, 2), (shape[0] + 1, *shape[1:]), (9, 0, 9))), np.uint8
        ),
        "object": np.array([{"a": 1}], dtype=object),
        "bomb": np.zeros((shape[0], 1 << 14, 1 << 14), np.uint8) if how == "bomb" else None,
        "fortran": np.asfortranarray(maps[name]),
    }
    if how in arrays:
        maps[name] = arrays[how]
    elif how in ("gone", "name"):
        value = maps.pop(name)
        maps |= {"../../x": value} if how == "name" else {}
    elif how == "many":
        maps |= {f"m{at}": np.zeros((1, 1, 1), np.uint8) for at in range(5000)}
    np.savez_compressed(path, **maps)
    if how == "twice":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00")
    data = path.read_bytes()
    if how == "lie":  # the archive says that a member is smaller than it is
        at = data.rindex(b"PK\x01\x02")
        data = data[: at + 24] + (64).to_bytes(4, "little") + data[at + 28 :]
    if how == "header":
        plain = io.BytesIO()
        with zipfile.ZipFile(plain, "w") as archive:
            head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (10**9, 10**9, 10**9)}".ljust(117) + b"\n"
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
        data = plain.getvalue()
    path.write_bytes(data)
    return f"npz: {how}"


def in_picture(drawn: random.Random, folder: Path, _: Path) -> str:
    """A picture in another format, of a size that it does not have, or of far too many pixels."""
    path = drawn.choice(files(folder, ".jpg", ".png"))
    how = drawn.choice(("format", "huge", "large", "text", "scans"))
    made = io.BytesIO()
    if how == "format":
        Image.new("RGB", (8, 8)).save(made, drawn.choice(("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")))
    elif how == "large":
        Image.new("1", (40_000, 40_000)).save(made, "PNG")
    elif how == "scans":
        Image.effect_noise((512, 512), 99).save(made, "JPEG", progressive=True, quality=95)
        data, at = made.getvalue(), made.getvalue().rindex(b"\xff\xda")
        made = io.BytesIO(data[:-2] + 400 * data[at:-2] + data[-2:])
    elif how == "huge":
        Image.new("L", (8, 8)).save(made, "PNG")
        data = made.getvalue()
        head = b"IHDR" + 2 * (1 << 30).to_bytes(4, "big") + data[24:29]
        made = io.BytesIO(data[:12] + head + zlib.crc32(head).to_bytes(4, "big") + data[33:])
    else:
        made.write(b"no picture")
    path.write_bytes(made.getvalue())
    return f"picture: {how} in {path.name}"


def as_link(drawn: random.Random, folder: Path, canary: Path) -> str:
    """A file or a folder is a link: to a like thing outside, to nothing, to itself, to a device, or inside."""
    path = drawn.choice([*files(folder), *(one for one in sorted(folder.glob("**/*")) if one.is_dir())])
    how = drawn.choice(("outside", "outside", "nothing", "itself", "device", "inside", "home"))
    kept = folder / f"kept{drawn.randrange(10**6)}{path.suffix}"
    path.rename(kept)
    if how == "outside":
        target = canary / path.name
        if not target.exists():
            os.rename(kept, target)
            mark(target)
    else:
        targets = {"nothing": canary / "none", "itself": path, "device": Path("/dev/zero"), "inside": kept}
        target = targets.get(how, canary)
    path.symlink_to(target)
    return f"link: {how} from {path.relative_to(folder)}"


def mark(target: Path) -> None:
    """Put into a file outside, or the files of a folder there, what must be seen nowhere. It stays what it was."""
    for path in [target] if target.is_file() else files(target):
        if path.suffix == ".jpg":
            path.write_bytes(path.read_bytes() + MARK)
        elif path.suffix in (".json", ".jsonl", ".yaml"):
            path.write_bytes(path.read_bytes() + b"\n")


MARK = b"CANARY-0b5f2c"
"""What lies in files outside."""


def as_other(drawn: random.Random, folder: Path, _: Path) -> str:
    """A pipe, a folder, a sparse file or nothing in the place of a file; a file in the place of a folder."""
    path = drawn.choice(files(folder))
    how = drawn.choice(("pipe", "folder", "sparse", "gone", "file", "closed"))
    if how == "file":
        path = path.parent if path.parent != folder else path
        path.rename(folder / "kept")
        path.write_bytes(b"no folder")
    else:
        path.unlink()
    if how == "pipe":
        os.mkfifo(path)
    elif how == "folder":
        path.mkdir()
        (path / "in it").write_text("x")
    elif how in ("sparse", "closed"):
        path.touch()
        os.truncate(path, 1 << 43 if how == "sparse" else 1 << 33)
    return f"other: {how} for {path.relative_to(folder)}"


def as_owner(drawn: random.Random, folder: Path, canary: Path) -> str:
    """An `owner.json` that no command at work has left: of a dead process, no record, or no file at all."""
    path, long_ago = folder / owner.NAME, 1e9
    how = drawn.choice(("dead", "value", "bytes", "sparse", "link", "device", "pipe", "folder"))
    if how in ("dead", "value"):
        found = asdict(replace(owner_record.record(), started=1))
        if how == "value":
            found[drawn.choice(sorted(found))] = drawn.choice(VALUES)
        path.write_text(json.dumps(found))
    elif how == "bytes":
        path.write_bytes(drawn.randbytes(drawn.choice((0, 1, 100, 100_000))))
    elif how == "sparse":
        path.touch()
        os.truncate(path, 1 << 43)
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "folder":
        path.mkdir()
    else:
        path.symlink_to(canary / "a.txt" if how == "link" else "/dev/zero")
    if path.is_file() and not path.is_symlink():
        os.utime(path, (long_ago, long_ago))  # else its owner, of whom nothing is known, is waited for
    return f"owner: {how}"


KINDS: tuple[Mutation, ...] = (
    *(in_bytes, in_json, in_json, in_row, in_row, in_row, in_yaml, in_maps, in_maps, in_picture),
    *(as_link, as_link, as_link, as_other, as_owner),
)
