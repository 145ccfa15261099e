"""Published JSON whose fields are not what they should be: one line that names file, record and field."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datamodules import convert
from datamodules.manifest import Manifest
from datamodules.shards import read
from datamodules.sources.base import Folders, Source
from datamodules.sources.coco import coco_caption
from datamodules.sources.grandf import grounded
from datamodules.sources.psg import panoptic
from datamodules.sources.tam import tam_layout
from tests.datamodules import published
from tests.datamodules.published import HEIGHT, SQUARE, WIDTH, blob, encoded, noise, rle, write_json

PICTURE = encoded(Image.fromarray(noise(1, HEIGHT, WIDTH, 3)), "PNG")
SIZE = {"height": HEIGHT, "width": WIDTH}
COCO = {
    "images": [{"id": 7, "file_name": "a.png", **SIZE}],
    "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 18, "segmentation": [SQUARE], "iscrowd": 0}],
}
CAPTIONS = {"annotations": [{"id": 1, "image_id": 7, "caption": "A dog."}]}
GRANDF = [
    {
        "file_name": "a.png",
        "caption": "A dog.",
        "groundings": {"A dog": {"token_positives": [0, 5], "rle_masks": [rle(blob(1))]}},
    }
]
PSG = {
    "thing_classes": ["dog"],
    "stuff_classes": ["sky"],
    "test_image_ids": ["7"],
    "data": [
        {
            "image_id": "7",
            "file_name": "a.png",
            "pan_seg_file_name": "p.png",
            "segments_info": [{"id": 3, "category_id": 0, "iscrowd": 0}, {"id": 4, "category_id": 1, "iscrowd": 0}],
            **SIZE,
        }
    ],
}
ANNO = [["image/a.jpg", "A dog.", "seg_label/a.png", {"dog": 1, "cat": 2}]]
CONTENT: dict[str, Any] = {"coco": COCO, "captions": CAPTIONS, "grandf": GRANDF, "psg": PSG, "tam": ANNO}


def made(folder: Path, kind: str, content: Any) -> Source:
    """The source that a kind of file makes with this content."""
    (folder / "a.png").write_bytes(PICTURE)
    images = Folders([folder])
    if kind in ("coco", "captions"):
        instances = write_json(folder / "coco.json", content if kind == "coco" else COCO)
        return coco_caption(
            instances, write_json(folder / "captions.json", CAPTIONS if kind == "coco" else content), images
        )
    if kind == "tam":
        write_json(folder / "anno.json", content)
        published.tam_image(folder, "a", blob(1).astype(np.uint8))
        return tam_layout(folder, "grandf")
    file = write_json(folder / f"{kind}.json", content)
    if kind == "grandf":
        return grounded("grandf", file, images)
    labels = np.stack([blob(1) * np.uint8(3), *[np.zeros((HEIGHT, WIDTH), np.uint8)] * 2], -1)
    (folder / "p.png").write_bytes(encoded(Image.fromarray(labels), "PNG"))
    return panoptic(file, images, images)


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of JSON with another value at a place."""
    copy = json.loads(json.dumps(content))
    at = copy
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return copy


@pytest.mark.parametrize("kind", CONTENT)
def test_the_content_as_it_is_gives_a_record(kind: str, tmp_path: Path) -> None:
    source = made(tmp_path, kind, CONTENT[kind])
    assert len(source.names) == 1
    masks = source.read(0).masks
    assert masks is not None
    assert "dog" in masks


NAN, HUGE = float("nan"), 10**400
ODD = [None, True, NAN, float("inf"), -1, 0.5, HUGE, "5", [], {}, [None], "\ud800"]
TEXTS = [None, True, NAN, 5, [], {}]
LISTS = [None, True, NAN, 5, "x", {}]
OBJECTS = [None, True, NAN, 5, "x", []]
IDS = [None, True, NAN, -1, 0.5, HUGE, [], {}]
FIELDS: list[tuple[str, tuple[Any, ...], list[Any]]] = [
    ("coco", ("images",), LISTS),
    ("coco", ("images", 0), OBJECTS),
    ("coco", ("images", 0, "id"), ODD),
    ("coco", ("images", 0, "file_name"), TEXTS),
    ("coco", ("images", 0, "height"), ODD),
    ("coco", ("images", 0, "width"), ODD),
    ("coco", ("categories",), LISTS),
    ("coco", ("categories", 0), OBJECTS),
    ("coco", ("categories", 0, "id"), ODD),
    ("coco", ("categories", 0, "name"), TEXTS),
    ("coco", ("annotations",), LISTS),
    ("coco", ("annotations", 0), OBJECTS),
    ("coco", ("annotations", 0, "image_id"), ODD),
    ("coco", ("annotations", 0, "category_id"), ODD),
    (
        "coco",
        ("annotations", 0, "segmentation"),
        [None, True, NAN, 5, "x", {}, SQUARE, [["1"] * 6], [[NAN] * 6], [[HUGE] * 6]],
    ),
    (
        "coco",
        ("annotations", 0, "segmentation"),
        [{"size": [40, 50], "counts": c} for c in (None, 5, [None], [True] * 2000, "")],
    ),
    (
        "coco",
        ("annotations", 0, "segmentation"),
        [{"size": s, "counts": "0"} for s in (None, 5, [50, 40], ["40", "50"], [40])],
    ),
    ("coco", ("annotations", 0, "iscrowd"), [None, NAN, -1, 0.5, 2, HUGE, "0", [], {}]),
    ("captions", ("annotations",), LISTS),
    ("captions", ("annotations", 0), OBJECTS),
    ("captions", ("annotations", 0, "image_id"), ODD),
    ("captions", ("annotations", 0, "caption"), TEXTS),
    ("grandf", (0, "file_name"), TEXTS),
    ("grandf", (0, "caption"), TEXTS),
    ("grandf", (0, "groundings"), OBJECTS),
    ("grandf", (0, "groundings", "A dog"), OBJECTS),
    ("grandf", (0, "groundings", "A dog", "rle_masks"), [*LISTS, [None], ["x"], [5], [{"counts": "0"}]]),
    ("grandf", (0, "groundings", "A dog", "token_positives"), [True, NAN, 5, "x", {}, [None], [NAN], [HUGE], [["x"]]]),
    ("psg", ("thing_classes",), LISTS),
    ("psg", ("thing_classes", 0), TEXTS),
    ("psg", ("stuff_classes", 0), TEXTS),
    ("psg", ("test_image_ids",), LISTS[1:]),
    ("psg", ("test_image_ids", 0), IDS),
    ("psg", ("data",), LISTS),
    ("psg", ("data", 0, "image_id"), IDS),
    ("psg", ("data", 0, "file_name"), TEXTS),
    ("psg", ("data", 0, "pan_seg_file_name"), TEXTS),
    ("psg", ("data", 0, "height"), ODD),
    ("psg", ("data", 0, "segments_info"), LISTS),
    ("psg", ("data", 0, "segments_info", 0), OBJECTS),
    ("psg", ("data", 0, "segments_info", 0, "id"), [*ODD, 0, 1 << 24]),
    ("psg", ("data", 0, "segments_info", 0, "category_id"), [*ODD, 2]),
    ("psg", ("data", 0, "segments_info", 0, "iscrowd"), [None, NAN, -1, 2, "0", []]),
    ("tam", (0, 0), TEXTS),
    ("tam", (0, 1), [None, True, NAN, 5, {}, [None], [5]]),
    ("tam", (0, 2), TEXTS),
    ("tam", (0, 3), OBJECTS),
    ("tam", (0, 3, "dog"), [None, True, NAN, 0.5, HUGE, "1", [], {}]),
]
"""Kind of file, place in it, values that cannot stand there."""


@pytest.mark.parametrize(("kind", "path", "values"), FIELDS, ids=[f"{kind} {path}" for kind, path, _ in FIELDS])
def test_a_field_of_another_type_is_named(kind: str, path: tuple[Any, ...], values: list[Any], tmp_path: Path) -> None:
    """By the source, where the fault concerns all of it, else by the record, which alone is left out."""
    for value in values:
        with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
            made(tmp_path, kind, changed(CONTENT[kind], path, value)).read(0)
        message = str(caught.value)
        file = {"tam": "anno.json"}.get(kind, f"{kind}.json")
        assert file in message, (value, message)
        numbers = [f"[{step}]" for step in path if isinstance(step, int)]
        assert kind == "tam" or all(number in message for number in numbers), (value, message)
        named = path[-1] if isinstance(path[-1], str) else ""
        assert named in message or named.replace("_", " ") in message, (value, message)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("coco", ("annotations", 0, "category_id"), 18.0),
        ("coco", ("annotations", 0, "image_id"), 7.0),
        ("coco", ("annotations", 0, "iscrowd"), False),
        ("coco", ("images", 0, "height"), 40.0),
        ("grandf", (0, "groundings", "A dog", "token_positives"), None),
        ("psg", ("data", 0, "image_id"), 7),
        ("psg", ("test_image_ids",), None),
        ("tam", (0, 1), ["A dog."]),
    ],
)
def test_the_same_written_otherwise_is_the_same(kind: str, path: tuple[Any, ...], value: Any, tmp_path: Path) -> None:
    before = made(tmp_path, kind, CONTENT[kind]).read(0)
    after = made(tmp_path, kind, changed(CONTENT[kind], path, value)).read(0)
    assert (after.masks, after.captions) == (before.masks, before.captions)


@pytest.mark.parametrize("kind", CONTENT)
def test_a_missing_field_is_named(kind: str, tmp_path: Path) -> None:
    for field_kind, path, _ in FIELDS:
        if (
            field_kind != kind
            or not isinstance(path[-1], str)
            or path[-1]
            in (
                *("height", "width", "iscrowd", "token_positives", "test_image_ids"),
                *("dog", "A dog"),
            )
        ):
            continue
        content = changed(CONTENT[kind], path, 0)
        at = content
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]
        with pytest.raises(ValueError, match=f"{kind}.json.*'{path[-1]}' is missing"):
            made(tmp_path, kind, content).read(0)


def twice(kind: str, path: tuple[Any, ...], **more: Any) -> Any:
    """The content with an entry of a list once more, changed."""
    content = json.loads(json.dumps(CONTENT[kind]))
    at = content
    for step in path:
        at = at[step]
    at.append(at[0] | more if isinstance(at[0], dict) else [*at[0][:1], more.get("text", at[0][1]), *at[0][2:]])
    return content


TWICE: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("coco", ("categories",), {"name": "wolf"}, r"categories\[0\] and categories\[2\] have the id 18 and two names"),
    ("coco", ("images",), {"file_name": "b.png"}, r"images\[0\] and images\[1\] have the id 7 and differ"),
    ("grandf", (), {"caption": "A cat."}, r"\[1\] names the file of \[0\] and differs"),
    ("psg", ("data",), {"relations": []}, r"data\[1\] names the file of data\[0\] and differs"),
    ("psg", ("data", 0, "segments_info"), {"category_id": 1}, r"segments_info\[0\] and \[2\] have the id 3 and differ"),
    ("tam", (), {"text": "A cat."}, r"\[1\] names the file of \[0\] and differs"),
]


@pytest.mark.parametrize(("kind", "path", "more", "reason"), TWICE)
def test_one_id_with_two_contents_is_refused_naming_both(
    kind: str, path: tuple[Any, ...], more: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    def every() -> None:
        source = made(tmp_path, kind, twice(kind, path, **more))
        for index in range(len(source.names)):
            source.read(index)

    with pytest.raises(ValueError, match=reason):
        every()


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, path, _, _ in TWICE])
def test_one_id_with_one_content_is_taken_once(kind: str, path: tuple[Any, ...], tmp_path: Path) -> None:
    source, alone = (made(tmp_path, kind, c) for c in (twice(kind, path), CONTENT[kind]))
    assert len(source.names) == 1
    assert source.read(0).masks == alone.read(0).masks
    told = [*source.notes, *source.read(0).provenance.get("notes", ())]
    assert "categories" in path or any("stands twice" in note for note in told)


def test_two_ids_of_one_file_are_refused(tmp_path: Path) -> None:
    content = changed(COCO, ("images",), [*COCO["images"], COCO["images"][0] | {"id": 8, "file_name": "./a.png"}])
    source = made(tmp_path, "coco", content)
    source.read(0)
    with pytest.raises(ValueError, match=r"images\[1\] names the file of images\[0\] under another id"):
        source.read(1)


def test_a_listed_id_without_an_entry_is_left_out_by_name(tmp_path: Path) -> None:
    source = made(tmp_path, "psg", changed(PSG, ("test_image_ids",), ["7", "8"]))
    assert source.names == ["a.png", "8"]
    with pytest.raises(ValueError, match="test_image_ids has the id 8, and data has no such image"):
        source.read(1)


def test_null_masks_cost_their_record_alone(tmp_path: Path) -> None:
    """And a mask with an empty run costs nothing."""
    files = published.grandf_files(tmp_path / "from")
    content = json.loads(files["annotations"].read_text())
    content[0]["groundings"]["men"]["rle_masks"] = None
    hollow = {"size": [HEIGHT, WIDTH], "counts": [500, 0, 0, 100, 0, 0, 1400]}
    content[1]["groundings"]["men"]["rle_masks"] = [hollow]
    write_json(files["annotations"], content)
    args = ["grandf", *(str(part) for name, path in files.items() for part in (f"--{name}", path))]
    assert convert.main([*args, "--out", str(tmp_path / "out"), "--max_left_out", "1"]) == 0
    (line,) = map(json.loads, (tmp_path / "out" / "left_out.jsonl").read_text().splitlines())
    where = "GranDf_HA_GCG_train.json: [0]: groundings, 'men': rle_masks"
    assert line == {"record": "sa_rgb.jpg", "reason": f"{where} is null; expected is a list"}
    manifest = Manifest.load(tmp_path / "out" / "manifest.json")
    assert not [sample.error for sample in read(manifest, tmp_path / "out", range(8)) if sample.error]
