"""TAM's layout: written, read by the reference's own rules, and read back."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from pycocotools.coco import COCO

from datamodules import convert
from datamodules.demo import MANIFEST
from datamodules.manifest import Manifest
from datamodules.record import Record
from datamodules.sample import Sample
from datamodules.shards import read, write_shards
from tests.datamodules import published
from tests.datamodules.damage import cut, offset
from tests.datamodules.published import HEIGHT, WIDTH, blob, rle


def samples_of(folder: Path) -> list[Sample]:
    manifest = Manifest.load(folder / "manifest.json")
    return list(read(manifest, folder, range(len(manifest.samples))))


def decoded(sample: Sample) -> dict[str, np.ndarray]:
    return {name: coco.decode(dict(mask)).astype(bool) for name, mask in (sample.masks or {}).items()}


def shards(folder: Path, records: list[Record], name: str) -> Path:
    categories = ["cat", "dog"] if name == "coco_caption" else []
    write_shards(folder, name, records, prompt="?", categories=categories)
    return folder


def record(key: str, masks: dict[str, np.ndarray], captions: int = 1) -> Record:
    image = Image.fromarray(published.noise(3, HEIGHT, WIDTH, 3))
    texts = [f"A cat, {number}." for number in range(captions)]
    return Record(key, image, "jpg", texts, {name: rle(mask) for name, mask in masks.items()})


def to_layout(folder: Path, out: Path, *more: str) -> dict[str, int]:
    assert convert.main(["shards", str(folder), "--to", "tam_layout", "--out", str(out), *more]) == 0
    return json.loads((out / "card.json").read_text())["layout"]


def test_coco_there_and_back(tmp_path: Path) -> None:
    """The masks as profile `reference` paints them, and COCO's files with the masks whole."""
    masks = {"cat": blob(1), "dog": blob(2)}
    folder = shards(tmp_path / "a", [record("000000000042", masks, 2), record("000000000007", {})], "coco_caption")
    lost = to_layout(folder, tmp_path / "tam")
    overlap = int((blob(1) & blob(2)).sum())
    assert overlap > 0
    assert lost == {"lost pixels": overlap, "lost masks": 0, "lost captions": 0, "lost label images of 16 bits": 0}
    label = np.asarray(Image.open(tmp_path / "tam/seg_label/000000000042.png"))
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, np.where(blob(2), 18, np.where(blob(1), 17, 0)))
    api = COCO(str(tmp_path / "tam/annotations/instances_minival2014.json"))
    assert list(api.imgs) == [42, 7]
    for annotation in api.imgToAnns[42]:
        name = api.cats[annotation["category_id"]]["name"]
        np.testing.assert_array_equal(api.annToMask(annotation), masks[name])
    args = ["tam_layout", str(tmp_path / "tam"), "--dataset", "coco_caption", "--out", str(tmp_path / "b")]
    assert convert.main(args) == 0
    first, back = samples_of(tmp_path / "a")[0], samples_of(tmp_path / "b")[0]
    assert (back.key, back.captions) == (first.key, first.captions)
    assert back.image is not None
    assert first.image is not None
    np.testing.assert_array_equal(back.image, first.image)
    np.testing.assert_array_equal(decoded(back)["dog"], blob(2))
    np.testing.assert_array_equal(decoded(back)["cat"], blob(1) & ~blob(2))


def test_a_list_there_and_back(tmp_path: Path) -> None:
    """Read as the reference reads it: numbers of each image its own, and 0 the ground."""
    masks = {"red bus": blob(1), "man": blob(2), "sky": np.zeros((HEIGHT, WIDTH), bool), "tree": blob(1) & ~blob(2)}
    folder = shards(tmp_path / "a", [record("sa_1", masks, 3)], "grandf")
    lost = to_layout(folder, tmp_path / "tam")
    assert lost["lost masks"] == 1, "the bus is wholly covered by the man and the tree"
    assert lost["lost pixels"] == int(blob(1).sum() + blob(2).sum() + masks["tree"].sum() - (blob(1) | blob(2)).sum())
    assert lost["lost captions"] == 2
    ((image, text, label, named),) = json.loads((tmp_path / "tam/anno.json").read_text())
    assert (text, named) == ("A cat, 0.", {"red bus": 1, "man": 2, "sky": 3, "tree": 4})
    assert (tmp_path / "tam" / image).is_file()
    labels = np.asarray(Image.open(tmp_path / "tam" / label))
    np.testing.assert_array_equal(labels == named["man"], blob(2) & ~masks["tree"])
    args = ["tam_layout", str(tmp_path / "tam"), "--dataset", "grandf", "--out", str(tmp_path / "b")]
    assert convert.main(args) == 0
    (back,) = samples_of(tmp_path / "b")
    assert back.masks is not None
    assert list(back.masks) == list(masks), "empty masks stay"
    np.testing.assert_array_equal(decoded(back)["tree"], masks["tree"])


def test_more_than_255_names_take_16_bits(tmp_path: Path) -> None:
    masks = {}
    for number in range(300):
        masks[f"name {number}"] = np.zeros((HEIGHT, WIDTH), bool)
        masks[f"name {number}"].flat[number] = True
    lost = to_layout(shards(tmp_path / "a", [record("k", masks)], "grandf"), tmp_path / "tam")
    assert lost["lost label images of 16 bits"] == 1
    assert lost["lost pixels"] == 0
    args = ["tam_layout", str(tmp_path / "tam"), "--dataset", "grandf", "--out", str(tmp_path / "b")]
    assert convert.main(args) == 0
    found = decoded(samples_of(tmp_path / "b")[0])
    assert all(np.array_equal(found[name], mask) for name, mask in masks.items())


def test_published_files_go_to_the_layout_directly(tmp_path: Path) -> None:
    files = published.grandf_files(tmp_path)
    args = ["grandf", "--annotations", str(files["annotations"]), "--images", str(files["images"])]
    assert convert.main([*args, "--to", "tam_layout", "--out", str(tmp_path / "tam")]) == 0
    assert len(json.loads((tmp_path / "tam/anno.json").read_text())) == 9
    for suffix in ("jpg", "png", "webp"):
        assert list((tmp_path / "tam/image").glob(f"*.{suffix}")), "a picture keeps its bytes and their ending"


def test_writing_twice_gives_the_same_bytes_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = MANIFEST.parent
    for out in ("a", "b"):
        to_layout(folder, tmp_path / out)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) > 256
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)
    assert "lost to overlaps: 0 pixels of masks (0.00%), 0 masks whole" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        to_layout(folder, tmp_path / "a")


def test_names_that_coco_lacks_cannot_go_to_its_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shards(tmp_path / "a", "coco_caption", [record("000000000042", {})], prompt="?", categories=["unicorn"])
    with pytest.raises(SystemExit, match="2"):
        to_layout(tmp_path / "a", tmp_path / "tam")
    assert "['unicorn'] are no categories of COCO" in capsys.readouterr().err


def test_a_damaged_shard_is_left_out_by_name(tmp_path: Path) -> None:
    folder = shards(tmp_path / "a", [record(f"k{number}", {"cat": blob(number)}) for number in range(3)], "grandf")
    shard = folder / "grandf-00000.tar"
    cut(shard, offset(shard, "k2.jpg")[1] + 9)
    args = ["shards", str(folder), "--to", "tam_layout", "--out", str(tmp_path / "tam")]
    assert convert.main(args) == convert.TOO_MANY_LEFT_OUT
    lines = [json.loads(line) for line in (tmp_path / "tam/left_out.jsonl").read_text().splitlines()]
    assert [line["record"] for line in lines] == ["k2"]
    assert "member jpg has not the size" in lines[0]["reason"]
    assert not (tmp_path / "tam/anno.json").exists(), "nothing that could be taken for the dataset"
