"""A manifest is checked before it is believed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datamodules.manifest import Manifest, ManifestError
from tests.datamodules.builder import build

CASES: dict[str, tuple[Callable[[Any], object], str]] = {
    "shard outside": (lambda m: m["shards"][0].update(name="../x.tar"), "'../x.tar': a plain file name"),
    "shard absolute": (lambda m: m["shards"][0].update(name="/x.tar"), "'/x.tar': a plain file name"),
    "shard a program": (lambda m: m["shards"][0].update(name="pipe:id"), "'pipe:id': a plain file name"),
    "shard hidden": (lambda m: m["shards"][0].update(name=".."), "a plain file name"),
    "shard twice": (lambda m: m["shards"][1].update(name="toy-00000.tar"), "'toy-00000.tar' stands twice"),
    "shard unknown": (lambda m: m["samples"][0].update(shard="z.tar"), "'0000': its shard 'z.tar' is not listed"),
    "key twice": (lambda m: m["samples"][1].update(key="0000"), "'0000' stands twice"),
    "key a path": (lambda m: m["samples"][1].update(key="../../x"), "'../../x': a key has"),
    "order": (lambda m: m["samples"].insert(0, m["samples"].pop()), "must stand together"),
    "pickle": (lambda m: _rename(m, "png", "pyd"), "'0000': members \\['pyd'\\] are refused"),
    "no json": (lambda m: m["samples"][0]["members"].pop("json"), "'0000': needs one json and one image"),
    "two images": (lambda m: _copy(m, "png", "jpg"), "'0000': needs one json and one image"),
    "huge member": (lambda m: m["samples"][0]["members"]["png"].update(size=1 << 40), "'0000', png: .* exceed"),
    "huge json": (lambda m: m["samples"][0]["members"]["json"].update(size=(1 << 24) + 1), "'0000', json: .* 16777216"),
    "huge text": (lambda m: _copy(m, "png", "txt", size=(1 << 24) + 1), "'0000', txt: .* exceed 16777216"),
    "negative size": (lambda m: m["samples"][0]["members"]["png"].update(size=-1), "'0000', png: size -1"),
    "bad digest": (lambda m: m["samples"][0]["members"]["png"].update(sha256="0"), "'0000', png: sha256 '0'"),
    "digest no text": (lambda m: m["shards"][0].update(sha256=None), "toy-00000.tar': sha256: expected text, got None"),
    "size no number": (lambda m: m["samples"][0]["members"]["png"].update(size="9"), "'0000', png: size '9'"),
    "schema": (lambda m: m.update(schema=2), "schema 2 is unknown"),
    "no samples": (lambda m: m.update(samples=[]), "there are no samples"),
    "no shards": (lambda m: m.pop("shards"), "'shards' is missing"),
    "prompt no text": (lambda m: m.update(prompt=7), "prompt: expected text"),
    "prompt without bytes": (lambda m: m.update(prompt="\ud800"), "surrogates"),
    "a name without a letter": (lambda m: m["categories"].append("\U0001f436 !"), "categories: the name .* no letter"),
    "names alike": (
        lambda m: m.update(categories=["T-shirt", "t\u2010Shirt"]),
        "'T-shirt' and 't.Shirt' are read as one",
    ),
    "samples a number": (lambda m: m.update(samples=3), "not iterable"),
}


def _rename(data: Any, old: str, new: str) -> None:
    data["samples"][0]["members"][new] = data["samples"][0]["members"].pop(old)


def _copy(data: Any, old: str, new: str, **other: int) -> None:
    data["samples"][0]["members"][new] = data["samples"][0]["members"][old] | other


@pytest.mark.parametrize(("damage", "reason"), CASES.values(), ids=CASES)
def test_a_bad_manifest_is_refused(tmp_path: Path, damage: Callable[[Any], object], reason: str) -> None:
    build(tmp_path)
    path = tmp_path / "manifest.json"
    data = json.loads(path.read_bytes())
    damage(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ManifestError, match=reason) as caught:
        Manifest.load(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"[" * 100_000], ids=range(5))
def test_anything_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ManifestError, match=r"manifest\.json: "):
        Manifest.load(tmp_path / "manifest.json")


def test_an_absent_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such manifest"):
        Manifest.load(tmp_path / "manifest.json")


def test_the_digest_is_of_the_content_not_of_the_layout(tmp_path: Path) -> None:
    manifest = build(tmp_path)
    path = tmp_path / "manifest.json"
    assert path.read_bytes() == manifest.canonical
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=4))
    assert Manifest.load(path).digest == manifest.digest
