"""Text that users bring: with a byte order mark or without, in UTF-16, with any line ends."""

import codecs
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from datamodules.manifest import Manifest, ManifestError
from datamodules.sources.base import Folders, load_json
from datamodules.sources.coco import read_split
from datamodules.sources.grandf import grounded
from tests.datamodules.builder import build
from tests.datamodules.test_malformed import GRANDF

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
MARKS = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}


def written(text: str, encoding: str) -> bytes:
    """With the mark by which an editor saves that encoding."""
    return MARKS.get(encoding, b"") + text.encode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", ["102\n100\n", "102\r\n100\r\n\r\n", "\n  102 100\t\n\n", "000000000102\r100"])
def test_a_split_is_read_however_it_was_saved(text: str, encoding: str, tmp_path: Path) -> None:
    for name in ("ids.txt", "IDS.TXT"):
        (tmp_path / name).write_bytes(written(text, encoding))
        assert read_split(tmp_path / name)[0] == [102, 100]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_is_read_however_it_was_saved(encoding: str, tmp_path: Path) -> None:
    mark = b"" if encoding.endswith("e") else None  # json knows UTF-16 by its first bytes
    path = tmp_path / "ids.json"
    path.write_bytes(written("[102,\r\n100]\r\n\r\n", encoding) if mark is None else "[102, 100]".encode(encoding))
    assert read_split(path)[0] == [102, 100]
    whole = build(tmp_path / "data", 2)
    text = whole.canonical.decode()
    path.write_bytes(text.encode(encoding))
    assert Manifest.load(path) == whole


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"102\nx1\n", r"ids.txt: line 2: 'x1' is no id of an image"),
        (b"102\n-1\n", r"line 2: '-1' is no id"),
        (b"1_000\n", r"line 1: '1_000' is no id"),
        (b"1.0\n", r"line 1: '1.0' is no id"),
        ("１２\n".encode(), r"line 1: '１２' is no id"),
        (b"9" * 17, r"line 1: '9+' is no id"),
        (b"10\xe92\n", r"ids.txt: it is no UTF-8 text; save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"1\0\n", r"it is no UTF-16 text"),
    ],
)
def test_what_is_no_id_in_a_split_is_named(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_split(tmp_path / "ids.txt")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[100, null]", r"ids.json: \[1\] is null; expected is a whole number"),
        ("[true]", r"\[0\] is true"),
        ('["100"]', r"\[0\] is '100'"),
        ("5", r"the file is 5; expected is a list"),
        ('{"images": [{"id": 1}, {"id": null}]}', r"images\[1\]: id is null"),
        ('{"images": [7]}', r"images\[0\] is 7; expected is an object"),
        ('{"annotations": []}', r"'images' is missing"),
    ],
)
def test_what_is_no_id_in_a_json_is_named(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "ids.json").write_text(content)
    with pytest.raises(ValueError, match=reason):
        read_split(tmp_path / "ids.json")


REPEATED: list[Callable[[str], str]] = [
    lambda text: text.replace('"A dog": {', '"A dog": {"rle_masks": []}, "A dog": {'),
    lambda text: text.replace('"caption"', '"caption": "A cat.", "caption"'),
    lambda text: text.replace('"token_positives"', '"token_positives": [0, 5.0], "token_positives"'),
]


@pytest.mark.parametrize("change", REPEATED)
def test_a_name_that_stands_twice_in_an_object_is_refused(change: Callable[[str], str], tmp_path: Path) -> None:
    file = tmp_path / "grandf.json"
    file.write_text(change(json.dumps(GRANDF)))
    with pytest.raises(ValueError, match=r"grandf.json: the name '.*' stands twice in one object, with different"):
        grounded("grandf", file, Folders([tmp_path]))


def test_a_name_that_stands_twice_with_one_value_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, NaN], "b": 2, "a": [1, NaN]}')
    assert load_json(tmp_path / "a.json")[0]["b"] == 2


def test_a_manifest_in_which_a_name_stands_twice_is_refused(tmp_path: Path) -> None:
    text = build(tmp_path / "data", 2).canonical.decode()
    (tmp_path / "m.json").write_text(text.replace('"prompt":', '"prompt":"Who?","prompt":'))
    with pytest.raises(ManifestError, match=r"m.json: the name 'prompt' stands twice"):
        Manifest.load(tmp_path / "m.json")
