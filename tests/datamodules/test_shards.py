"""What is written is what is read, to the byte."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from datamodules.manifest import Manifest
from datamodules.record import Record
from datamodules.shards import read, write_shards
from tests.datamodules.builder import CATEGORIES, PROMPT, build, records


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = build(tmp_path / "a"), build(tmp_path / "b")
    assert first == second
    assert first.digest == second.digest
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert sorted(contents(tmp_path / "a")) == ["manifest.json", *(f"toy-0000{i}.tar" for i in range(3))]
    build(tmp_path / "a")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_round_trip(tmp_path: Path) -> None:
    manifest = build(tmp_path)
    assert Manifest.load(tmp_path / "manifest.json") == manifest
    samples = list(read(manifest, tmp_path, range(10)))
    for index, (sample, record) in enumerate(zip(samples, records(10), strict=True)):
        assert (sample.key, sample.index, sample.error) == (record.key, index, None)
        assert (sample.prompt, sample.categories) == (PROMPT, CATEGORIES)
        assert sample.captions == tuple(record.captions)
        assert sample.provenance == {"seed": index}
        assert sample.image is not None
        assert isinstance(record.image, Image.Image)
        np.testing.assert_array_equal(np.asarray(sample.image), np.asarray(record.image))
        assert sample.masks is not None
        assert record.masks is not None
        assert list(sample.masks) == ["dog", "cat"], "the order in which masks are painted is kept"
        for name, rle in sample.masks.items():
            np.testing.assert_array_equal(coco.decode(rle), coco.decode(record.masks[name]))


def test_wanted_samples_come_in_order_from_their_shards_only(tmp_path: Path) -> None:
    manifest = build(tmp_path)
    (tmp_path / "toy-00001.tar").unlink()
    samples = list(read(manifest, tmp_path, [9, 2, 0, 2]))
    assert [(sample.index, sample.error) for sample in samples] == [(0, None), (2, None), (9, None)]


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "webp"])
def test_formats_become_rgb(tmp_path: Path, suffix: str) -> None:
    record = Record(key="grey", image=Image.new("L", (5, 4), 100), suffix=suffix)
    manifest = write_shards(tmp_path, "grey", [record], prompt=PROMPT)
    (sample,) = read(manifest, tmp_path, [0])
    assert sample.masks is None
    assert sample.image is not None
    assert (sample.image.mode, sample.image.size, sample.image.getpixel((0, 0))) == ("RGB", (5, 4), (100, 100, 100))


def test_encoded_bytes_are_kept(tmp_path: Path) -> None:
    manifest = build(tmp_path / "a", count=1)
    blob = (tmp_path / "a" / "toy-00000.tar").read_bytes()
    start = blob.index(b"\x89PNG")
    data = blob[start : start + manifest.samples[0].members["png"].size]
    copy = write_shards(tmp_path / "b", "copy", [Record(key="0000", image=data)], prompt=PROMPT)
    assert copy.samples[0].members["png"] == manifest.samples[0].members["png"]


def test_own_prompt_and_categories(tmp_path: Path) -> None:
    image = Image.new("RGB", (3, 2))
    mask = coco.encode(np.ones((2, 3), dtype=np.uint8, order="F"))
    some = [
        Record(key="a", image=image, masks={"a red bus": mask}),
        Record(key="b", image=image, masks={"bus": mask}, prompt="Why?", categories=["bus", "man"]),
    ]
    manifest = write_shards(tmp_path, "open", some, prompt=PROMPT)
    first, second = read(manifest, tmp_path, [0, 1])
    assert (first.prompt, first.categories) == (PROMPT, ("a red bus",))
    assert (second.prompt, second.categories) == ("Why?", ("bus", "man"))
    assert [sample.prompt for sample in read(manifest, tmp_path, [0, 1], prompt="Who?")] == ["Who?", "Who?"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"key": "../x"}, "a key has"),
        ({"key": "a.b"}, "a key has"),
        ({"suffix": "npy"}, "image suffix 'npy'"),
        ({"image": b"GIF89a"}, "no readable PNG"),
        ({"masks": {"bird": {"size": [2, 3], "counts": "06"}}}, "'bird' is none of the categories"),
        ({"masks": {"cat": {"size": [3, 2], "counts": "6"}}}, "'cat' has size"),
        ({"masks": {"cat": {"size": [2, 3], "counts": "7"}}}, "'cat': its runs"),
        ({"masks": {"cat": {"size": [2, 3], "counts": "5o"}}}, "'cat': its runs"),
        ({"masks": {"cat": {"size": [2, 3], "counts": [6]}}}, "no compressed RLE"),
        ({"captions": ["\ud800"]}, "surrogates"),
        ({"captions": ["x" * (1 << 24)]}, "the json has 16777[0-9]{3} bytes, more than 16777216"),
    ],
)
def test_a_bad_record_is_refused_and_leaves_nothing(tmp_path: Path, fields: dict, reason: str) -> None:
    bad = Record(**({"key": "bad", "image": Image.new("RGB", (3, 2))} | fields))
    with pytest.raises(ValueError, match=reason):
        write_shards(tmp_path, "bad", [*records(2), bad], prompt=PROMPT, categories=CATEGORIES)
    assert contents(tmp_path) == {}
