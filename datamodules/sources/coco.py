"""COCO Caption: captions and instance masks of COCO 2014, for the images of a split."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from datamodules.names import normalise
from datamodules.record import Record
from datamodules.sources.base import Masks, Source, check_size, first_of, load_json, picture, record

NAME, PROMPT, EXPECTED = "coco_caption", "Write a one-sentence caption for this image:", 5000
LICENCE = "Annotations: COCO Consortium, CC BY 4.0. Images: Flickr, each under the terms that its owner chose."
Crowd = Literal["keep", "drop"]
"""What becomes of regions marked `iscrowd`: part of the category's mask, or no part of it."""
CROWD: dict[Crowd, str] = {"keep": "a crowd region, kept", "drop": "a crowd region, left out"}

SPELT = {"sports ball": "ball", "wine glass": "glass"}
"""Names that the reference scorer shortens, so that captions name them."""
_NAMES = """
person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant - stop_sign parking_meter
bench bird cat dog horse sheep cow elephant bear zebra giraffe - backpack umbrella - - handbag tie suitcase frisbee
skis snowboard ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket bottle - glass cup fork
knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch potted_plant bed
- dining_table - - toilet - tv laptop mouse remote keyboard cell_phone microwave oven toaster sink refrigerator -
book clock vase scissors teddy_bear hair_drier toothbrush
"""
IDS = {name.replace("_", " "): index for index, name in enumerate(_NAMES.split(), 1) if name != "-"}
"""COCO's 80 categories, as the scorer spells them, and their ids."""


def coco_caption(
    instances: Path, captions: Path, images: Sequence[Path], *, split: Path | None = None, crowd: Crowd = "keep"
) -> Source:
    """COCO's own files. split: the images to take, in order; None takes all of `instances`.

    A category's mask is the union of its annotations; masks stand in the order in which their categories appear first.
    """
    data, of_instances = load_json(instances)
    told, of_captions = load_json(captions)
    files = {instances.name: of_instances, captions.name: of_captions}
    try:
        known = {image["id"]: image for image in reversed(data["images"])}
        names = category_names(data["categories"])
        said, drawn = by_image(told["annotations"]), by_image(data["annotations"])
        ids = [image["id"] for image in data["images"]]
        if split is not None:
            ids, files[split.name] = read_split(split)
        first = first_of(ids)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{instances} and {captions} are no COCO annotations: {error!r}") from error

    def read(index: int) -> Record:
        identity = ids[index]
        if first[identity] != index:
            raise ValueError("the id stands twice; the first counts")
        if identity not in known:
            raise ValueError("the instances know no such image")
        about = known[identity]
        image = picture(images, about["file_name"])
        check_size(image, about.get("height"), about.get("width"))
        masks = Masks(image.height, image.width)
        for annotation in unrepeated(drawn[identity], masks):
            if annotation.get("iscrowd"):
                masks.notes.append(CROWD[crowd])
                if crowd == "drop":
                    continue
            if annotation["category_id"] not in names:
                raise ValueError(f"category id {annotation['category_id']} is not listed")
            masks.add(names[annotation["category_id"]], [annotation["segmentation"]])
        texts = [caption["caption"] for caption in said[identity]]
        return record(key_of(identity), image, texts, masks, {"id": identity})

    return Source(
        name=NAME,
        prompt=PROMPT,
        categories=tuple(dict.fromkeys(filter(None, names.values()))),
        licence=LICENCE,
        files=files,
        names=[str(identity) for identity in ids],
        read=read,
        options={"crowd": crowd, "split": split.name if split else None},
        expected=EXPECTED,
    )


def category_names(categories: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """id -> name, in the order of the ids."""
    names = {category["id"]: normalise(category["name"]) for category in categories}
    return {identity: SPELT.get(name, name) for identity, name in sorted(names.items())}


def by_image(annotations: Sequence[Mapping[str, Any]]) -> defaultdict[Any, list[Mapping[str, Any]]]:
    """Annotations by image, in their order."""
    found: defaultdict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for annotation in annotations:
        found[annotation["image_id"]].append(annotation)
    return found


def unrepeated(annotations: Sequence[Mapping[str, Any]], masks: Masks) -> list[Mapping[str, Any]]:
    """The annotations without exact copies of an earlier one; a shared id alone makes no copy."""
    kept: list[Mapping[str, Any]] = []
    for annotation in annotations:
        if annotation in kept:
            masks.notes.append("an annotation that stands twice")
        else:
            kept.append(annotation)
    return kept


def read_split(path: Path) -> tuple[list[Any], str]:
    """Image ids from an annotation file (its `images`), a JSON list, or a text with one id a line; and its sha256."""
    if path.suffix == ".txt":
        try:
            data = path.read_bytes()
            return [int(line) for line in data.decode().split()], sha256(data).hexdigest()
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error
    content, digest = load_json(path)
    try:
        return [image["id"] for image in content["images"]] if isinstance(content, dict) else list(content), digest
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} names no images: {error!r}") from error


def key_of(identity: object) -> str:
    """The key of an image: its id in twelve digits."""
    if type(identity) is not int or not 0 <= identity < 10**12:
        raise ValueError(f"image id {identity!r} is no number of at most twelve digits")
    return f"{identity:012d}"
