"""The layout that TAM distributes: the exact input of the published figures, with one label image per picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from datamodules.names import keys
from datamodules.pictures import read_labels
from datamodules.record import Record
from datamodules.rle import encode_labels
from datamodules.sources import coco, grandf
from datamodules.sources.base import Folders, Masks, Picture, Source, file_names, load_json, once, record, spelt
from datamodules.sources.fields import listed, mapped, need, text, whole
from datamodules.sources.statements import statements

INSTANCES, CAPTIONS, ANNO = "annotations/instances_minival2014.json", "annotations/captions_val2014.json", "anno.json"


def tam_layout(folder: Path, dataset: str, *, follow_links: bool = False) -> Source:
    """Read a folder of TAM's layout. dataset: coco_caption, grandf or openpsg.

    A category's mask is where the label image holds its id; a mask is empty where the label image never does.
    follow_links: take files that are links which lead out of the folder, too.
    """
    folders = Folders([folder], follow_links)
    return _coco(folders) if dataset == coco.NAME else _listed(folders, dataset)


def _coco(folders: Folders) -> Source:
    """Read `annotations/*.json`, `image/<12 digits>.jpg`, `seg_label/<12 digits>.png`; the labels are COCO's ids."""
    (instances, of_instances), (captions, of_captions) = (
        load_json(folders.folders[0] / name) for name in (INSTANCES, CAPTIONS)
    )
    images = listed(need(instances, "images", INSTANCES), f"{INSTANCES}: images")
    ids = [coco.usable(entry, at) for at, entry in enumerate(images)]
    counted = once(ids, images)
    differing = {ids[at]: (before, at) for at, before in counted.differing.items()}
    order = [at for at in counted.order if at not in counted.differing]
    annotated = coco.by_image(instances, INSTANCES) if instances.get("annotations") is not None else {}
    said = coco.by_image(captions, CAPTIONS)

    def read(index: int) -> Record:
        at = order[index]
        where = f"{INSTANCES}: images[{at}]"
        key = coco.key_of(need(images[at], "id", where), f"{where}: id")
        identity = int(key)
        if identity in differing:
            one, other = differing[identity]
            raise ValueError(f"{INSTANCES}: images[{one}] and images[{other}] have the id {identity} and differ")
        image = folders.picture(f"image/{key}.jpg", where)
        labels = _labels(folders, f"seg_label/{key}.png", where, image, needed=identity in annotated)
        present = set(np.unique(labels).tolist())
        masks = _masks(labels, {name: number for name, number in coco.IDS.items() if number in present})
        texts = [text(need(caption, "caption", p), f"{p}: caption") for p, caption in said.get(identity, ())]
        return record(key, image, texts, masks, {"id": identity})

    return Source(
        name=coco.NAME,
        prompt=coco.PROMPT,
        categories=tuple(coco.IDS),
        said=statements(instances, Path(INSTANCES).name) | statements(captions, Path(CAPTIONS).name),
        files={Path(INSTANCES).name: of_instances, Path(CAPTIONS).name: of_captions},
        names=[str(ids[at]) for at in order],
        read=read,
        options={"layout": "TAM"},
        notes=counted.notes,
        expected=coco.EXPECTED,
    )


def _listed(folders: Folders, dataset: str) -> Source:
    """Read `anno.json`: a list of [image, description, label image, {category: id}], all files relative to the folder.

    Of two entries that name one file and differ the first counts.
    """
    data, digest = load_json(folders.folders[0] / ANNO)
    if not isinstance(data, list) or (data and not any(isinstance(entry, list) and len(entry) == 4 for entry in data)):
        raise ValueError(
            f"{folders.folders[0] / ANNO}: a list of [image, description, label image, categories] is expected"
        )
    files = file_names(entry[0] if isinstance(entry, list) and entry else None for entry in data)
    counted = once([spelt(file) for file in files], data)
    made = keys(files)

    def read(index: int) -> Record:
        at = counted.order[index]
        where = f"{ANNO}: [{at}]"
        if not isinstance(data[at], list) or len(data[at]) != 4:
            raise ValueError(f"{where} is no list of [image, description, label image, categories]")
        if (before := counted.differing.get(at)) is not None:
            raise ValueError(f"{where} names the file of [{before}] and differs from it; the first counts")
        name, said, label, held = data[at]
        named = {
            category: whole(number, f"{where}: {category[:50]!r}", -(1 << 31), (1 << 31) - 1)
            for category, number in mapped(held, f"{where}: categories").items()
        }
        image = folders.picture(name, f"{where}: image")
        masks = _masks(_labels(folders, label, f"{where}: label image", image, needed=bool(named)), named)
        captions = [text(one, f"{where}: description") for one in (said if isinstance(said, list) else [said])]
        return record(made[at], image, captions, masks, {})

    return Source(
        name=dataset,
        prompt=grandf.PROMPTS[dataset],
        categories=(),
        files={ANNO: digest},
        names=[files[at] for at in counted.order],
        read=read,
        options={"layout": "TAM"},
        notes=counted.notes,
        expected=grandf.EXPECTED[dataset],
    )


def _labels(
    folders: Folders, name: Any, where: str, image: Picture, *, needed: bool
) -> Int[np.ndarray, "height width"]:
    """Return a label image of the picture's size; where there is none and none is needed: zeros."""
    try:
        labels = read_labels(folders.read(name, where))
    except FileNotFoundError:
        if needed:
            raise
        return np.zeros((image.height, image.width), np.int32)
    if labels.shape != (image.height, image.width):
        size = f"{labels.shape[1]} x {labels.shape[0]}"
        raise ValueError(f"the label image has {size} pixels, the image {image.width} x {image.height}")
    return labels


def _masks(labels: Int[np.ndarray, "height width"], named: Mapping[str, int]) -> Masks:
    """Return the mask of every name: where its number stands. A number below 1 stands nowhere."""
    masks = Masks(*labels.shape)
    found = encode_labels(labels, [number for number in named.values() if number > 0])
    for name, number in named.items():
        masks.add(name, [found[number]] if number > 0 else [])
    masks.notes += ["pixels of a label without a name"] * bool(set(np.unique(labels).tolist()) - {0, *named.values()})
    return masks
