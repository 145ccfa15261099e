"""Names of objects, keys of samples, files of strangers."""

import doctest
import re
import unicodedata
from pathlib import Path

import pytest

from datamodules import names
from datamodules.names import folded, inside, keys, normalise


def test_the_examples_of_the_docstrings() -> None:
    assert doctest.testmod(names).attempted > 1
    assert doctest.testmod(names).failed == 0


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("The Man", "man"),
        ("a  large\nbrown dog.", "large brown dog"),
        ("his two red T-shirts", "red t shirts"),
        ("2 men", "men"),
        ("1,000 people", "people"),
        ("All of the people", "of the people"),
        ("wall-other-merged", "wall"),
        ("door-stuff", "door"),
        ("floor-wood", "floor wood"),
        ("the “dog”", "dog"),
        ("«Dog»", "dog"),
        ("the dog…", "dog"),
        ("（dog）", "dog"),
        ("dog，", "dog"),
        ("🐶 dog™", "dog"),
        ("dog\u200b", "dog"),
        ("hot\u00addog", "hotdog"),
        ("ｄｏｇ", "dog"),
        ("cafe\u0301", "café"),
        ("T‑shirt", "t shirt"),
        ("—sky-other-merged—", "sky"),
        ("theatre", "theatre"),
        ("the", "the"),
        ("two", "two"),
        ("Große Bäume", "große bäume"),
        ("犬", "犬"),
        ("", ""),
        ("- …", ""),
    ],
)
def test_names_are_normalised(phrase: str, name: str) -> None:
    assert normalise(phrase) == name
    assert normalise(name) == name


def test_keys_are_unique_and_the_same_in_any_order() -> None:
    files = ["a/1.jpg", "a/2.jpg", "b/2.jpg", "1.5.png", "ü.jpg", "x" * 200 + ".jpg", "../../etc/passwd", "c/.png"]
    made = keys(files)
    assert len(set(made)) == len(files)
    assert made[0] == "1"
    assert dict(zip(files, made, strict=True)) == dict(zip(files[::-1], keys(files[::-1]), strict=True))
    for key in made:
        assert 1 <= len(key) <= 90
        assert key.isascii()
        assert not set("./\\") & set(key)
    assert keys(["a.jpg", "a.jpg"]) == ["a", "a"]


def test_keys_may_keep_the_letters_of_any_script() -> None:
    nfd = unicodedata.normalize("NFD", "über.png")
    files = ["犬 & кот.png", "кот.jpg", "über.png", nfd, "\u202egpj.exe.png", "a\x9b.png", "٣.png", "\udc9b.png"]
    found = keys(files, ascii=False)
    assert found[1] == "кот"
    assert found[0].startswith("犬___кот-")
    assert len(set(found)) == len(files), "two ways to write one name are two files"
    assert all(key.startswith("über-") for key in found[2:4])
    assert all(re.fullmatch(r"[\w-]+", key) and key.isprintable() for key in found)
    assert all(key.isascii() for key in keys(files))


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../secret.jpg",
        "a/../../secret.jpg",
        "",
        ".",
        "a\\b.jpg",
        "pipe:id",
        "http://x/y.jpg",
        "a\0.jpg",
        7,
    ],
)
def test_no_file_name_leads_out_of_its_folder(name: object, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (tmp_path / "in").mkdir()
    with pytest.raises(ValueError, match="file name"):
        inside([tmp_path / "in"], name)


def test_the_first_folder_that_has_the_file_counts(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "sub").mkdir(parents=True)
    (tmp_path / "b" / "sub" / "x.jpg").write_bytes(b"")
    folders = [tmp_path / "a", tmp_path / "b"]
    assert inside(folders, "sub/x.jpg") == tmp_path / "b" / "sub" / "x.jpg"
    with pytest.raises(FileNotFoundError, match=r"no file 'y.jpg'"):
        inside(folders, "y.jpg")


@pytest.mark.parametrize(
    "other", ["the man\u2019s hat", "the man\u02bcs hat", "the man's\ufe0f hat", "the man\u034f's hat"]
)
def test_marks_that_answers_are_read_without_part_no_names(other: str) -> None:
    assert normalise(other) == normalise("the man's hat")
    assert folded(other) == folded("the man's hat")
