"""Published files become samples with the masks that pycocotools makes of them, to the pixel."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_api
from pycocotools.coco import COCO

from datamodules import convert
from datamodules.manifest import Manifest
from datamodules.sample import Sample
from datamodules.shards import read
from tests.datamodules import published
from tests.datamodules.published import CAT, DOG, GROUNDINGS, HEIGHT, IDS, SQUARE, WIDTH, blob

Names = {CAT: "cat", DOG: "dog", published.BALL: "ball", published.GLASS: "glass", 300: "toothbrush"}


def converted(folder: Path, *args: object) -> tuple[dict[str, Sample], dict[str, Any]]:
    """The samples by key, none of them faulty, and the card."""
    assert convert.main([*map(str, args), "--out", str(folder)]) == 0
    manifest = Manifest.load(folder / "manifest.json")
    samples = list(read(manifest, folder, range(len(manifest.samples))))
    assert not [sample.error for sample in samples if sample.error]
    return {sample.key: sample for sample in samples}, json.loads((folder / "card.json").read_text())


def coco_args(files: Mapping[str, Path]) -> list[object]:
    return ["coco_caption", *(part for name, path in files.items() for part in (f"--{name}", path))]


def decoded(sample: Sample) -> dict[str, np.ndarray]:
    return {name: mask_api.decode(dict(rle)).astype(bool) for name, rle in (sample.masks or {}).items()}


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Sample], dict[str, Any], dict[str, Path]]:
    folder = tmp_path_factory.mktemp("coco")
    files = published.coco_files(folder)
    return *converted(folder / "out", *coco_args(files)), files


def test_coco_masks_are_those_of_pycocotools(coco: Any) -> None:
    samples, _, files = coco
    api, compared = COCO(str(files["instances"])), 0
    for name, identity in IDS.items():
        found = decoded(samples[f"{identity:012d}"])
        expected: dict[str, np.ndarray] = {}
        for annotation in api.imgToAnns[identity]:
            if name == "CMYK":  # pycocotools takes a polygon of two points for a box
                annotation = annotation | {"segmentation": [SQUARE]}
            mask = api.annToMask(annotation).astype(bool)
            category = Names[annotation["category_id"]]
            expected[category] = expected.get(category, False) | mask
        assert list(found) == list(expected)
        for category, mask in expected.items():
            np.testing.assert_array_equal(found[category], mask)
            compared += int(mask.any())
    assert compared == 10, "masks that cover anything"
    overlapping = decoded(samples[f"{IDS['rgb']:012d}"])
    assert (overlapping["dog"] & overlapping["cat"]).any(), "overlaps are kept"


def test_coco_samples_say_what_was_published(coco: Any) -> None:
    samples, card, files = coco
    assert list(samples) == [f"{identity:012d}" for identity in reversed(IDS.values())], "in the order of the split"
    for name, data in published.pictures().items():
        sample = samples[f"{IDS[name]:012d}"]
        assert sample.prompt == "Write a one-sentence caption for this image:"
        assert sample.categories == ("cat", "dog", "ball", "glass", "toothbrush")
        assert sample.image is not None
        assert (sample.image.mode, sample.image.size) == ("RGB", (WIDTH, HEIGHT))
        assert sample.provenance["id"] == IDS[name]
        assert sample.provenance["file_name"] == f"COCO_val2014_{IDS[name]:012d}.jpg"
        if name == "turned":
            assert sample.provenance["exif_orientation"] == published.EXIF_TURN
        elif name == "I;16":
            assert sample.provenance["mode"] == "I;16"
            values = np.asarray(sample.image)[..., 0]
            np.testing.assert_array_equal(values.ravel(), np.arange(HEIGHT * WIDTH) * 32 >> 8)
        else:
            np.testing.assert_array_equal(sample.image, Image.open(published.io.BytesIO(data)).convert("RGB"))
    assert samples[f"{IDS['L']:012d}"].captions == ("Ünïcode “犬” 🐕.", "A ball.\n")
    assert samples[f"{IDS['P']:012d}"].captions == ()
    assert samples[f"{IDS['RGBA']:012d}"].masks == {}
    assert card["records"] == {"read": 9, "written": 9, "left out": 0, "expected by the protocol": 5000}
    assert card["counts"] == {"samples": 9, "captions": 16, "masks": 12, "mask pixels": card["counts"]["mask pixels"]}
    assert card["sources"] == {
        files[n].name: sha256(files[n].read_bytes()).hexdigest() for n in ("instances", "captions", "split")
    }
    assert card["notes"] == {
        "EXIF asks for a turn, not applied": 1,
        "a crowd region, kept": 2,
        "a polygon of fewer than three points, without area": 1,
        "an annotation that stands twice": 1,
        "an empty caption, left out": 1,
        "an empty mask": 2,
        "no caption": 1,
        "no mask": 1,
    }


def test_crowd_regions_can_be_left_out(coco: Any, tmp_path: Path) -> None:
    kept = coco[0][f"{IDS['turned']:012d}"]
    samples, card = converted(tmp_path, *coco_args(coco[2]), "--crowd", "drop")
    dropped = samples[f"{IDS['turned']:012d}"]
    assert kept.masks is not None
    assert dropped.masks is not None
    assert (list(kept.masks), list(dropped.masks)) == (["cat", "dog"], ["cat"])
    square = mask_api.decode(mask_api.frPyObjects([SQUARE], HEIGHT, WIDTH))[..., 0].astype(bool)
    np.testing.assert_array_equal(decoded(dropped)["cat"], square)
    np.testing.assert_array_equal(decoded(kept)["cat"], square | blob(3))
    assert card["notes"]["a crowd region, left out"] == 2
    assert card["options"]["crowd"] == "drop"


def test_a_split_may_be_an_annotation_file_or_a_text(coco: Any, tmp_path: Path) -> None:
    files = coco[2]
    (tmp_path / "ids.txt").write_text("102\n100\n")
    samples, _ = converted(tmp_path / "a", *coco_args(files | {"split": tmp_path / "ids.txt"}))
    assert list(samples) == ["000000000102", "000000000100"]
    whole, _ = converted(tmp_path / "b", *coco_args(files | {"split": files["instances"]}))
    assert list(whole) == [f"{identity:012d}" for identity in IDS.values()]


@pytest.mark.parametrize("name", ["grandf", "openpsg"])
def test_groundings_are_unions_by_normalised_name(name: str, tmp_path: Path) -> None:
    files = published.grandf_files(tmp_path)
    samples, card = converted(
        tmp_path / "out", name, "--annotations", files["annotations"], "--images", files["images"]
    )
    sample = samples["sa_rgb"]
    assert sample.prompt.endswith("around two sentences:" if name == "grandf" else "around three sentences:")
    assert sample.captions == ("The two men wear a shirt.",)
    assert samples["sa_P"].captions == ()
    assert sample.categories == ("men", "man's t shirt", "bäume")
    masks = decoded(sample)
    np.testing.assert_array_equal(masks["men"], blob(6) | blob(7) | blob(9))
    np.testing.assert_array_equal(masks["man's t shirt"], blob(8))
    assert not masks["bäume"].any()
    assert samples["sa_LA"].masks == {}
    assert sample.provenance["phrases"] == {p: g["token_positives"] for p, g in GROUNDINGS.items()}
    assert card["notes"]["a phrase without a word, left out"] == 8
    assert card["records"]["expected by the protocol"] == {"grandf": 1000, "openpsg": 3176}[name]


@pytest.mark.parametrize("crowd", ["keep", "drop"])
def test_panoptic_png(crowd: str, tmp_path: Path) -> None:
    files, ids = published.psg_files(tmp_path)
    args = [part for name, path in files.items() for part in (f"--{name}", path)]
    samples, card = converted(tmp_path / "out", "openpsg", *args, "--crowd", crowd)
    assert list(samples) == ["000000000001", "000000000003"], "only what test_image_ids lists"
    for key, file in zip(samples, ["val2017/000000000001", "val2017/000000000003"], strict=True):
        masks = decoded(samples[key])
        assert list(masks) == ["person", "wall", "tree"]
        np.testing.assert_array_equal(masks["person"], ids[file] == 256 * 7 + 3)
        wall = ids[file] == 65536 * 2 + 300
        np.testing.assert_array_equal(masks["wall"], wall | (ids[file] == 1_000_000) if crowd == "keep" else wall)
        assert not masks["tree"].any()
        assert samples[key].captions == ()
    assert card["notes"]["pixels of a segment that is not listed"] == 2
    assert card["name"] == "openpsg_panoptic"
    assert card["options"]["comparable with the paper's tables"] is False


def test_tams_layout_of_coco(tmp_path: Path) -> None:
    labels = published.tam_coco(tmp_path)
    samples, card = converted(tmp_path / "out", "tam_layout", tmp_path, "--dataset", "coco_caption")
    assert list(samples) == ["000000000042", "000000000007", "000000000009"]
    assert len(samples["000000000042"].categories) == 80
    masks = decoded(samples["000000000042"])
    np.testing.assert_array_equal(masks.pop("dog"), labels[42] == DOG)
    assert not masks
    np.testing.assert_array_equal(decoded(samples["000000000007"])["glass"], labels[7] == published.GLASS)
    assert samples["000000000009"].masks == {}, "no label image, and nothing annotated"
    assert card["notes"] == {"no mask": 1, "pixels of a label without a name": 1}


def test_tams_list(tmp_path: Path) -> None:
    ids = np.where(blob(1), 700, np.where(blob(2), 3, 0)).astype(np.uint16)
    palette = Image.fromarray(ids.astype(bool).astype(np.uint8) * 2, "L")
    palette.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    labels: dict[str, Any] = {"wide": ids, "palette": palette, "colour": np.stack([blob(1) * np.uint8(3)] * 3, -1)}
    named = {"the cat": 700, "Dog": 3, "cats": 8, "cat": 3, "nothing": 0}
    entries = []
    for name, label in labels.items():
        published.tam_image(tmp_path, name, label)
        entries.append([f"image/{name}.jpg", f"It is {name}.", f"seg_label/{name}.png", named | {"bus": 2}])
    published.write_json(tmp_path / "anno.json", entries)
    samples, _ = converted(tmp_path / "out", "tam_layout", tmp_path, "--dataset", "grandf")
    wide, colour, indexed = (decoded(samples[name]) for name in ("wide", "colour", "palette"))
    np.testing.assert_array_equal(wide["cat"], (ids == 700) | (ids == 3))
    np.testing.assert_array_equal(wide["dog"], ids == 3)
    assert not wide["cats"].any()
    assert not wide["nothing"].any(), "0 is the ground"
    np.testing.assert_array_equal(colour["dog"], blob(1))
    np.testing.assert_array_equal(indexed["bus"], ids > 0)
    assert samples["wide"].captions == ("It is wide.",)
    assert samples["wide"].prompt.endswith("around two sentences:")


Change = Callable[[dict[str, Any], Path], object]
BAD: dict[str, tuple[Change, str]] = {
    "file missing": (lambda f, path: path.unlink(), "there is no file 'COCO_val2014_000000000100.jpg'"),
    "file no picture": (lambda f, path: path.write_bytes(b"GIF89a"), "no readable JPEG or PNG or WEBP image"),
    "file cut": (lambda f, path: path.write_bytes(path.read_bytes()[:-900]), "OSError: image file is truncated"),
    "file empty": (lambda f, path: path.write_bytes(b""), "no readable"),
    "name leads out": (lambda f, path: f["images"][0].update(file_name="../x.jpg"), "could lead out of its folder"),
    "another size": (lambda f, path: f["images"][0].update(width=7), "its annotations say 7 x 40"),
    "id no number": (
        lambda f, path: f["images"][0].update(id="100"),
        r"images\[0\]: id is '100'; expected is a whole number",
    ),
    "id twice": (
        lambda f, path: f["images"].append(f["images"][0] | {"width": 9}),
        r"images\[0\] and images\[9\] have the id 100 and differ",
    ),
    "no file name": (lambda f, path: f["images"][0].pop("file_name"), "'file_name' is missing"),
    "category unknown": (lambda f, path: f["annotations"][0].update(category_id=5), "category id 5 is not listed"),
    "no segmentation": (lambda f, path: f["annotations"][0].pop("segmentation"), "'segmentation' is missing"),
    "segmentation a text": (lambda f, path: f["annotations"][0].update(segmentation="x"), "neither polygons nor RLE"),
    "odd polygon": (lambda f, path: f["annotations"][0].update(segmentation=[[1, 2, 3]]), "no list of pairs"),
    "text in a polygon": (lambda f, path: f["annotations"][0].update(segmentation=[["1"] * 6]), "no list of pairs"),
    "endless polygon": (lambda f, path: f["annotations"][0].update(segmentation=[[1e9] * 6]), "far outside the image"),
    "not a number": (lambda f, path: f["annotations"][0].update(segmentation=[[float("nan")] * 6]), "far outside"),
    "runs too short": (lambda f, path: _segment(f, [40, 50], [3, 4]), "the runs of the segmentation do not fill"),
    "runs negative": (lambda f, path: _segment(f, [40, 50], [-1, 2001]), "the runs of the segmentation do not fill"),
    "runs of another size": (
        lambda f, path: _segment(f, [50, 40], [2000]),
        "has size \\[50, 40\\], the image \\[40, 50\\]",
    ),
    "RLE too long": (lambda f, path: _segment(f, [40, 50], "oo0o"), "its runs do not fill the image"),
    "RLE of another size": (lambda f, path: _segment(f, [4, 5], "0"), "has size \\[4, 5\\], the image \\[40, 50\\]"),
    "lone surrogate": (lambda f, path: f["images"][0].update(file_name="\ud800.jpg"), "is refused"),
}


def _segment(files: dict[str, Any], size: list[int], counts: Any) -> None:
    files["annotations"][0]["segmentation"] = {"size": size, "counts": counts}


@pytest.mark.parametrize(("change", "reason"), BAD.values(), ids=BAD)
def test_a_bad_record_is_left_out_by_name(change: Change, reason: str, tmp_path: Path) -> None:
    files = published.coco_files(tmp_path)
    content = json.loads(files["instances"].read_text())
    change(content, files["images"] / "COCO_val2014_000000000100.jpg")
    files["instances"].write_text(json.dumps(content))
    args = ["coco_caption", "--instances", files["instances"], "--captions", files["captions"], "--images"]
    whole = list(map(str, [*args, files["images"], "--out", tmp_path / "out"]))
    assert convert.main(whole) == convert.TOO_MANY_LEFT_OUT
    assert not list((tmp_path / "out").glob("*.tar")), "nothing that could be taken for the dataset"
    (line,) = map(json.loads, (tmp_path / "out" / "left_out.jsonl").read_text().splitlines())
    assert line["record"] == "100"
    with pytest.raises(ValueError, match=reason):
        raise ValueError(line["reason"])
    assert convert.main([*whole, "--max_left_out", "1"]) == 0
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["records"]["left out"] == 1
    assert card["records"]["written"] == len(Manifest.load(tmp_path / "out" / "manifest.json").samples)
