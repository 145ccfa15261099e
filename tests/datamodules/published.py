"""Small datasets in the formats in which COCO, GranD-f, OpenPSG and TAM's layout are published, with their oddities."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image
from pycocotools import mask as coco

HEIGHT, WIDTH = 40, 50
EXIF_TURN = 6
CAT, DOG, BALL, GLASS = 17, 18, 37, 46
FAR = [-20.5, 5, 30.2, -9, 70.7, 20, 25, 60.1]
"""A polygon whose every corner is outside the image."""
SQUARE = [5, 5, 20, 5, 20, 20, 5, 20]


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def blob(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Bool[np.ndarray, "height width"]:
    """A random mask of a few runs a column."""
    coarse = np.random.default_rng(seed).random((height // 8 + 1, width // 8 + 1)) > 0.5
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width]


def pictures() -> dict[str, bytes]:
    """One picture of each kind that datasets hold, by the name of the kind."""
    rgb = Image.fromarray(noise(1, HEIGHT, WIDTH, 3))
    grey16 = Image.fromarray((np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 32).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112] = EXIF_TURN
    made: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "rgb": (rgb, "JPEG", {}),
        "L": (rgb.convert("L"), "JPEG", {}),
        "CMYK": (rgb.convert("CMYK"), "JPEG", {}),
        "turned": (rgb, "JPEG", {"exif": exif}),
        "LA": (rgb.convert("LA"), "PNG", {}),
        "P": (rgb.quantize(16), "PNG", {}),
        "RGBA": (rgb.convert("RGBA"), "PNG", {}),
        "I;16": (grey16, "PNG", {}),
        "webp": (rgb, "WEBP", {"lossless": True}),
    }
    return {name: encoded(*values[:2], **values[2]) for name, values in made.items()}


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def rle(mask: Bool[np.ndarray, "height width"]) -> dict[str, Any]:
    """Compressed, as a JSON file holds it."""
    made = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in made["size"]], "counts": made["counts"].decode()}


def runs(mask: Bool[np.ndarray, "height width"]) -> dict[str, Any]:
    """Uncompressed: lengths of runs down the columns, the first of zeros."""
    flat = mask.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *edges, len(flat)]).tolist()
    return {"size": list(mask.shape), "counts": [0, *lengths] if flat[0] else lengths}


SEGMENTATIONS: dict[str, list[tuple[int, Any, int]]] = {
    "rgb": [(DOG, [SQUARE], 0), (DOG, [[30, 30, 45.5, 31, 40, 38.25], FAR], 0), (CAT, [FAR], 0)],  # overlapping
    "L": [(BALL, rle(blob(1)), 0), (GLASS, runs(blob(2)), 0)],
    "CMYK": [(DOG, [SQUARE, [1, 1, 8, 8]], 0)],  # one of two points
    "turned": [(CAT, runs(blob(3)), 1), (CAT, [SQUARE], 0), (DOG, rle(blob(4)), 1)],
    "LA": [(CAT, [[2, 2, 2, 2, 2, 2]], 0)],  # no area
    "P": [(CAT, rle(np.zeros((HEIGHT, WIDTH), bool)), 0), (300, [SQUARE], 0)],
    "RGBA": [],
    "I;16": [(DOG, runs(~blob(5)), 0), (DOG, runs(~blob(5)), 0)],  # the same annotation twice
    "webp": [(DOG, rle(np.ones((HEIGHT, WIDTH), bool)), 0)],
}
"""Picture -> (category, segmentation, iscrowd) of its annotations."""
IDS = {name: 100 + index for index, name in enumerate(SEGMENTATIONS)}


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def coco_files(folder: Path) -> dict[str, Path]:
    """`instances`, `captions`, `split` and `images` of a COCO dataset."""
    images, annotations, captions = [], [], []
    (folder / "val2014").mkdir(parents=True)
    for name, data in pictures().items():
        identity = IDS[name]
        file = f"COCO_val2014_{identity:012d}.jpg"
        (folder / "val2014" / file).write_bytes(data)
        about = {"id": identity, "file_name": file, "height": HEIGHT, "width": WIDTH, "license": 1}
        images.append(about | {"coco_url": "http://localhost/x.jpg", "date_captured": "2013-11-14 11:18:45"})
        for category, segmentation, crowd in SEGMENTATIONS[name]:
            number = 1 if name == "I;16" else len(annotations) + 1
            annotation = {"id": number, "image_id": identity, "category_id": category, "segmentation": segmentation}
            annotations.append(annotation | {"area": 1.5, "bbox": [0.0, 0.0, 1.0, 1.0], "iscrowd": crowd})
        for text in {"P": [], "L": ["Ünïcode “犬” 🐕.", " ", "A ball.\n"]}.get(name, [f"A dog, {name}.", "A cat."]):
            captions.append({"id": len(captions) + 1, "image_id": identity, "caption": text})
    names = {DOG: "dog", CAT: "cat", BALL: "sports ball", GLASS: "wine glass", 300: "toothbrush"}
    categories = [{"id": identity, "name": name, "supercategory": "thing"} for identity, name in names.items()]
    shared = {"info": {"year": 2014}, "licenses": [{"id": 1, "name": "CC"}], "images": images}
    instances = shared | {"annotations": annotations, "categories": categories}
    return {
        "instances": write_json(folder / "instances_val2014.json", instances),
        "captions": write_json(folder / "captions_val2014.json", shared | {"annotations": captions}),
        "split": write_json(folder / "minival.json", [image["id"] for image in reversed(images)]),
        "images": folder / "val2014",
    }


GROUNDINGS: dict[str, Mapping[str, Any]] = {
    "The two men": {"token_positives": [0, 11], "rle_masks": [rle(blob(6)), rle(blob(7)) | {"score": 1}]},
    "a man's T-shirt": {"token_positives": [12, 20], "rle_masks": [runs(blob(8))]},
    "men": {"token_positives": [30, 33], "rle_masks": [rle(blob(9))]},
    "Bäume": {"token_positives": [40, 45], "rle_masks": []},
    "…": {"token_positives": [46, 47], "rle_masks": [rle(blob(10))]},
}


def grandf_files(folder: Path) -> dict[str, Path]:
    """`annotations` and `images` of a GranD-f dataset."""
    (folder / "images").mkdir(parents=True)
    entries = []
    for name, data in pictures().items():
        file = f"sa_{name.replace(';', '-')}.jpg"
        (folder / "images" / file).write_bytes(data)
        groundings = GROUNDINGS if name != "LA" else {}
        caption = '"The two men wear a shirt."' if name != "P" else ""
        entries.append({"file_name": file, "image_id": IDS[name], "caption": caption, "groundings": groundings})
    return {"annotations": write_json(folder / "GranDf_HA_GCG_train.json", entries), "images": folder / "images"}


PSG_NAMES = {0: "person", 1: "wall-other-merged", 2: "wall-stuff", 3: "tree-merged"}


def psg_files(folder: Path) -> tuple[dict[str, Path], dict[str, np.ndarray]]:
    """`annotations`, `panoptic` and `images` of OpenPSG's own files; and the segment ids of each image, over 255."""
    entries, ids = [], {}
    for number, split in enumerate(["val2017", "train2017", "val2017"]):
        file = f"{split}/{number + 1:012d}"
        segments = np.where(blob(number), 256 * 7 + 3, np.where(blob(number + 20), 65536 * 2 + 300, 0))
        segments[:4] = 1_000_000
        segments[4:6] = 999  # not listed
        ids[file] = segments
        colour = np.stack([segments & 255, segments >> 8 & 255, segments >> 16], -1).astype(np.uint8)
        for path, data in (
            (folder / "coco" / f"{file}.jpg", encoded(Image.fromarray(noise(number, HEIGHT, WIDTH, 3)), "JPEG")),
            (folder / "panoptic" / f"panoptic_{file}.png", encoded(Image.fromarray(colour), "PNG")),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        listed = [(256 * 7 + 3, 0, 0), (65536 * 2 + 300, 1, 0), (1_000_000, 2, 1), (5, 3, 0)]
        about = [{"id": s, "category_id": c, "iscrowd": k, "isthing": int(c == 0), "area": 1} for s, c, k in listed]
        entry = {"file_name": f"{file}.jpg", "pan_seg_file_name": f"panoptic_{file}.png", "segments_info": about}
        entries.append(entry | {"image_id": str(900 + number), "height": HEIGHT, "width": WIDTH, "relations": []})
    names = list(PSG_NAMES.values())
    content = {"data": entries, "thing_classes": names[:1], "stuff_classes": names[1:], "predicate_classes": ["on"]}
    content["test_image_ids"] = ["900", "902"]
    annotations = write_json(folder / "psg.json", content)
    return {"annotations": annotations, "panoptic": folder / "panoptic", "images": folder / "coco"}, ids


def tam_coco(folder: Path) -> dict[int, np.ndarray]:
    """COCO Caption as TAM distributes it; the labels of each image, one of them without a label image."""
    labels = {42: np.where(blob(1), DOG, np.where(blob(2), 255, 0)), 7: blob(3) * GLASS, 9: blob(0) * 0}
    images = [{"id": identity, "file_name": f"COCO_val2014_{identity:012d}.jpg"} for identity in labels]
    annotated = [{"id": 1, "image_id": 42, "category_id": DOG}, {"id": 2, "image_id": 7, "category_id": GLASS}]
    captions = [{"id": i, "image_id": identity, "caption": "A dog."} for i, identity in enumerate(labels)]
    write_json(folder / "annotations/instances_minival2014.json", {"images": images, "annotations": annotated})
    write_json(folder / "annotations/captions_val2014.json", {"images": images, "annotations": captions})
    for identity, label in labels.items():
        tam_image(folder, f"{identity:012d}", label.astype(np.uint8))
    (folder / "seg_label/000000000009.png").unlink()
    return labels


def tam_image(folder: Path, key: str, label: np.ndarray | Image.Image) -> None:
    """A picture and its label image."""
    for name in ("image", "seg_label"):
        (folder / name).mkdir(exist_ok=True, parents=True)
    picture = Image.fromarray(noise(3, HEIGHT, WIDTH, 3))
    (folder / "image" / f"{key}.jpg").write_bytes(encoded(picture, "JPEG"))
    image = label if isinstance(label, Image.Image) else Image.fromarray(label)
    (folder / "seg_label" / f"{key}.png").write_bytes(encoded(image, "PNG"))
