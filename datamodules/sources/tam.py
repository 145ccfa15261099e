"""The layout that TAM distributes: the exact input of the published figures, with one label image per picture."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int

from datamodules.names import inside, keys
from datamodules.pictures import read_labels
from datamodules.record import Record
from datamodules.rle import encode_mask
from datamodules.sources import coco, grandf
from datamodules.sources.base import Masks, Picture, Source, first_of, load_json, picture, read_file, record

INSTANCES, CAPTIONS, ANNO = "annotations/instances_minival2014.json", "annotations/captions_val2014.json", "anno.json"


def tam_layout(folder: Path, dataset: str) -> Source:
    """A folder of TAM's layout. dataset: coco_caption, grandf or openpsg.

    A category's mask is where the label image holds its id; a mask is empty where the label image never does.
    """
    return _coco(folder) if dataset == coco.NAME else _listed(folder, dataset)


def _coco(folder: Path) -> Source:
    """`annotations/*.json`, `image/<12 digits>.jpg`, `seg_label/<12 digits>.png`; the labels are COCO's ids."""
    instances, of_instances = load_json(folder / INSTANCES)
    captions, of_captions = load_json(folder / CAPTIONS)
    try:
        ids = [image["id"] for image in instances["images"]]
        annotated = {annotation["image_id"] for annotation in instances.get("annotations") or ()}
        said, first = coco.by_image(captions["annotations"]), first_of(ids)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / INSTANCES} or its captions are no COCO annotations: {error!r}") from error

    def read(index: int) -> Record:
        identity = ids[index]
        if first[identity] != index:
            raise ValueError("the id stands twice; the first counts")
        key = coco.key_of(identity)
        image = picture([folder], f"image/{key}.jpg")
        labels = _labels(folder, f"seg_label/{key}.png", image, needed=identity in annotated)
        present = np.unique(labels)
        masks = _masks(labels, {name: number for name, number in coco.IDS.items() if number in present})
        texts = [caption["caption"] for caption in said[identity]]
        return record(key, image, texts, masks, {"id": identity})

    return Source(
        name=coco.NAME,
        prompt=coco.PROMPT,
        categories=tuple(coco.IDS),
        licence=coco.LICENCE,
        files={Path(INSTANCES).name: of_instances, Path(CAPTIONS).name: of_captions},
        names=[str(identity) for identity in ids],
        read=read,
        options={"layout": "TAM"},
        expected=coco.EXPECTED,
    )


def _listed(folder: Path, dataset: str) -> Source:
    """`anno.json`: a list of [image, description, label image, {category: id}], all files relative to the folder."""
    data, digest = load_json(folder / ANNO)
    if not isinstance(data, list) or not all(isinstance(entry, list) and len(entry) == 4 for entry in data):
        raise ValueError(f"{folder / ANNO}: a list of [image, description, label image, categories] is expected")
    files = [str(entry[0]) for entry in data]
    first, made = first_of(files), keys(files)

    def read(index: int) -> Record:
        if first[files[index]] != index:
            raise ValueError("the file stands twice; the first counts")
        name, text, label, named = data[index]
        if not isinstance(named, dict) or not all(type(identity) is int for identity in named.values()):
            raise ValueError("the categories are no object of names and numbers")
        image = picture([folder], name)
        masks = _masks(_labels(folder, label, image, needed=bool(named)), named)
        return record(made[index], image, text if isinstance(text, list) else [text], masks, {})

    return Source(
        name=dataset,
        prompt=grandf.PROMPTS[dataset],
        categories=(),
        licence=grandf.LICENCES[dataset],
        files={ANNO: digest},
        names=files,
        read=read,
        options={"layout": "TAM"},
        expected=grandf.EXPECTED[dataset],
    )


def _labels(folder: Path, name: object, image: Picture, *, needed: bool) -> Int[np.ndarray, "height width"]:
    """A label image of the picture's size; where there is none and none is needed: zeros."""
    try:
        labels = read_labels(read_file(inside([folder], name)))
    except FileNotFoundError:
        if needed:
            raise
        return np.zeros((image.height, image.width), np.int32)
    if labels.shape != (image.height, image.width):
        size = f"{labels.shape[1]} x {labels.shape[0]}"
        raise ValueError(f"the label image has {size} pixels, the image {image.width} x {image.height}")
    return labels


def _masks(labels: Int[np.ndarray, "height width"], named: Mapping[str, int]) -> Masks:
    """The mask of every name: where its number stands. A number below 1 stands nowhere."""
    masks = Masks(*labels.shape)
    for name, number in named.items():
        masks.add(name, [encode_mask(labels == number)] if number > 0 else [])
    masks.notes += ["pixels of a label without a name"] * bool(set(np.unique(labels).tolist()) - {0, *named.values()})
    return masks
