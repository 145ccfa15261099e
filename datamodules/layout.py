"""TAM's layout, written: for the reference scorer itself, which knows one label image per picture."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from datamodules.manifest import IMAGE_FORMATS, check_name
from datamodules.record import Facts, decode_facts
from datamodules.sources.base import Source
from datamodules.sources.coco import IDS, NAME
from datamodules.sources.tam import ANNO, CAPTIONS, INSTANCES

Samples = Iterable[tuple[str, Mapping[str, bytes]]]


def final_file(source: Source) -> str:
    """The file that is written last."""
    return INSTANCES if source.name == NAME else ANNO


def write_layout(folder: Path, source: Source, samples: Samples) -> Counter[str]:
    """Write samples in TAM's layout: COCO Caption with COCO's ids, any other dataset with an `anno.json`.

    Masks are painted in their order, later over earlier, as profile `reference` does. Returned is what the layout
    cannot hold: pixels of overlaps, masks that are wholly covered, captions after the first (`anno.json` has one), and
    label images of more than 255 numbers, which the reference scorer would misread.
    """
    if source.name == NAME and (unknown := sorted(set(source.categories) - IDS.keys())):
        raise ValueError(f"{unknown} are no categories of COCO; TAM's layout of COCO Caption has no other")
    for name in ("image", "seg_label", "annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    lost: Counter[str] = Counter(dict.fromkeys(["pixels", "masks", "captions", "label images of 16 bits"], 0))
    written = _Coco() if source.name == NAME else _Listed()
    for key, members in samples:
        check_name(key)
        suffix = next(suffix for suffix in members if suffix in IMAGE_FORMATS)
        facts = decode_facts(members["json"], source.categories)
        image, label = f"image/{key}.{'jpg' if source.name == NAME else suffix}", f"seg_label/{key}.png"
        numbers = written.add(key, image, label, facts)
        labels, gone = paint(facts, numbers)
        lost.update(gone + written.lost(facts))
        (folder / image).write_bytes(members[suffix])
        Image.fromarray(labels).save(folder / label)
    for path, content in written.files().items():
        (folder / path).write_text(json.dumps(content), encoding="utf-8")
    return lost


def paint(facts: Facts, numbers: Mapping[str, int]) -> tuple[np.ndarray, Counter[str]]:
    """Return the masks as one label image, uint8 or uint16, and what is lost of them."""
    wide = max(numbers.values(), default=0) > 255
    labels = np.zeros((facts.height, facts.width), np.uint16 if wide else np.uint8)
    areas = {name: int(coco.area(dict(rle))) for name, rle in (facts.masks or {}).items()}
    for name, rle in (facts.masks or {}).items():
        labels[coco.decode(dict(rle)).astype(bool)] = numbers[name]
    seen = set(np.unique(labels).tolist())
    covered = sum(area > 0 and numbers[name] not in seen for name, area in areas.items())
    pixels = sum(areas.values()) - int(np.count_nonzero(labels))
    return labels, Counter({"pixels": pixels, "masks": covered, "label images of 16 bits": int(wide)})


class _Listed:
    """`anno.json`: each image numbers its own names."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    def add(self, key: str, image: str, label: str, facts: Facts) -> dict[str, int]:
        numbers = {name: number for number, name in enumerate(facts.masks or {}, 1)}
        self.entries.append([image, facts.captions[0] if facts.captions else "", label, numbers])
        return numbers

    def lost(self, facts: Facts) -> Counter[str]:
        return Counter({"captions": max(len(facts.captions) - 1, 0)})

    def files(self) -> dict[str, Any]:
        return {ANNO: self.entries}


class _Coco:
    """COCO's own annotation files; the masks stand in them whole, overlaps included."""

    def __init__(self) -> None:
        self.images: list[Any] = []
        self.instances: list[Any] = []
        self.captions: list[Any] = []

    def add(self, key: str, image: str, label: str, facts: Facts) -> dict[str, int]:
        if not key.isdecimal():
            raise ValueError(f"key {key!r} is no image id of COCO")
        identity = int(key)
        self.images.append({"id": identity, "file_name": f"{key}.jpg", "height": facts.height, "width": facts.width})
        for caption in facts.captions:
            self.captions.append({"id": len(self.captions) + 1, "image_id": identity, "caption": caption})
        for name, rle in (facts.masks or {}).items():
            about = {"area": int(coco.area(dict(rle))), "bbox": coco.toBbox(dict(rle)).tolist(), "iscrowd": 0}
            about |= {"id": len(self.instances) + 1, "image_id": identity, "category_id": IDS[name]}
            self.instances.append(about | {"segmentation": dict(rle)})
        return IDS

    def lost(self, facts: Facts) -> Counter[str]:
        return Counter()

    def files(self) -> dict[str, Any]:
        categories = [{"id": identity, "name": name} for name, identity in IDS.items()]
        images, instances = self.images, self.instances
        return {
            CAPTIONS: {"images": images, "annotations": self.captions},
            INSTANCES: {"images": images, "categories": categories, "annotations": instances},
        }
