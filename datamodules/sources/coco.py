"""COCO Caption: captions and instance masks of COCO 2014, for the images of a split."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from datamodules.faults import excuse
from datamodules.files import read_text
from datamodules.manifest import MAX_TEXT
from datamodules.names import normalise
from datamodules.record import Record
from datamodules.sources.base import Folders, Masks, Source, check_size, load_json, once, record, spelt
from datamodules.sources.fields import flag, listed, mapped, need, text, whole
from datamodules.sources.statements import statements

NAME, PROMPT, EXPECTED = "coco_caption", "Write a one-sentence caption for this image:", 5000
MOST = 10**12 - 1
"""The largest id of an image: a key has twelve digits of it."""
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
Annotations = Mapping[int, Sequence[tuple[str, Mapping[str, Any]]]]
"""Image id -> where each of its annotations stands, and the annotation."""


def coco_caption(
    instances: Path, captions: Path, images: Folders, *, split: Path | None = None, crowd: Crowd = "keep"
) -> Source:
    """Read COCO's own files. split: the images to take, in order; None takes all of `instances`.

    A category's mask is the union of its annotations; masks stand in the order in which their categories appear first.
    Raises ValueError where the files are no COCO annotations, a category id has two names, or an annotation does not
    say to which image it belongs; any other fault leaves out the image that has it.
    """
    data, of_instances = load_json(instances)
    told, of_captions = load_json(captions)
    files = {instances.name: of_instances, captions.name: of_captions}
    entries = listed(need(data, "images", instances.name), f"{instances.name}: images")
    names = category_names(need(data, "categories", instances.name), instances.name)
    said, drawn = by_image(told, captions.name), by_image(data, instances.name)
    ids = [usable(entry, at) for at, entry in enumerate(entries)]
    counted = once(ids, entries)
    first = {identity: at for at, identity in reversed(list(enumerate(ids)))}
    differing = {ids[at]: (before, at) for at, before in counted.differing.items()}
    owner = {name: at for at in reversed(counted.order) if (name := file_of(entries[at])) is not None}
    wanted, notes = [ids[at] for at in counted.order if at not in counted.differing], counted.notes
    if split is not None:
        listing, files[split.name] = read_split(split)
        wanted = list(dict.fromkeys(listing))
        twice = len(listing) - len(wanted)
        notes |= {"an id of the split that stands twice": twice} if twice else {}

    def read(index: int) -> Record:
        if wanted[index] not in first:
            raise ValueError("the instances know no such image")
        at = first[wanted[index]]
        where = f"{instances.name}: images[{at}]"
        key = key_of(need(entries[at], "id", where), f"{where}: id")
        if (identity := int(key)) in differing:
            one, other = differing[identity]
            raise ValueError(f"{instances.name}: images[{one}] and images[{other}] have the id {identity} and differ")
        about = mapped(entries[at], where)
        image = images.picture(need(about, "file_name", where), f"{where}: file_name")
        if (other := owner[spelt(about["file_name"])]) != at:
            raise ValueError(f"{where} names the file of images[{other}] under another id; the first counts")
        check_size(image, about, where)
        masks = Masks(image.height, image.width)
        for place, annotation in unrepeated(drawn.get(identity, ()), masks):
            if flag(annotation.get("iscrowd", 0), f"{place}: iscrowd"):
                masks.notes.append(CROWD[crowd])
                if crowd == "drop":
                    continue
            category = whole(need(annotation, "category_id", place), f"{place}: category_id")
            if category not in names:
                raise ValueError(f"{place}: category id {category} is not listed")
            masks.add(names[category], [need(annotation, "segmentation", place)], f"{place}: segmentation")
        texts = [text(need(caption, "caption", p), f"{p}: caption") for p, caption in said.get(identity, ())]
        return record(key, image, texts, masks, {"id": identity})

    return Source(
        name=NAME,
        prompt=PROMPT,
        categories=tuple(dict.fromkeys(filter(None, names.values()))),
        said=statements(data, instances.name) | statements(told, captions.name),
        files=files,
        names=[str(identity) for identity in wanted],
        read=read,
        options={"crowd": crowd, "split": split.name if split else None},
        notes=notes,
        expected=EXPECTED,
    )


def usable(entry: Any, at: int) -> int | str:
    """Return the id of an image, or what to call an entry that has none."""
    try:
        return whole(entry["id"], "")
    except (TypeError, KeyError, ValueError):
        said = entry.get("id") if isinstance(entry, dict) else None
        return said if isinstance(said, str) else f"images[{at}]"


def file_of(entry: Any) -> str | None:
    """Return the file that an image's entry names, if it does."""
    name = entry.get("file_name") if isinstance(entry, dict) else None
    return spelt(name) if isinstance(name, str) else None


def category_names(categories: Any, file: str) -> dict[int, str]:
    """Return id -> normalised name, in the order of the ids. Raises ValueError for an id that has two."""
    found: dict[int, tuple[int, str]] = {}
    for at, category in enumerate(listed(categories, f"{file}: categories")):
        where = f"{file}: categories[{at}]"
        identity = whole(need(category, "id", where), f"{where}: id")
        name = normalise(text(need(category, "name", where), f"{where}: name"))
        name = SPELT.get(name, name)
        before, other = found.setdefault(identity, (at, name))
        if other != name:
            both = f"categories[{before}] and categories[{at}]"
            raise ValueError(f"{file}: {both} have the id {identity} and two names, {other!r} and {name!r}")
    return {identity: name for identity, (_, name) in sorted(found.items())}


def by_image(content: Any, file: str) -> Annotations:
    """Return annotations by image, in their order. Raises ValueError for one that names no image."""
    found: defaultdict[int, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for at, annotation in enumerate(listed(need(content, "annotations", file), f"{file}: annotations")):
        where = f"{file}: annotations[{at}]"
        image = whole(need(annotation, "image_id", where), f"{where}: image_id")
        found[image].append((where, annotation))
    return found


def unrepeated(
    annotations: Sequence[tuple[str, Mapping[str, Any]]], masks: Masks
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the annotations without exact copies of an earlier one; a shared id alone makes no copy."""
    kept = {}
    for place, annotation in annotations:
        if (written := json.dumps(annotation, sort_keys=True)) in kept:
            masks.notes.append("an annotation that stands twice")
        else:
            kept[written] = (place, annotation)
    return list(kept.values())


def read_split(path: Path) -> tuple[list[int], str]:
    """Return image ids from an annotation file (its `images`), a JSON list, or a text with one id a line; and its
    sha256. Raises ValueError that names the file and the place of what is no id."""
    if path.suffix.lower() == ".txt":
        try:
            content, digest = read_text(path, MAX_TEXT)
        except (OSError, ValueError) as error:
            excuse(error, path)
            raise ValueError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        ids = [(at, word) for at, line in enumerate(content.splitlines(), 1) for word in line.split()]
        if bad := next(((at, word) for at, word in ids if not re.fullmatch("[0-9]{1,16}", word)), None):
            raise ValueError(f"{path}: line {bad[0]}: {bad[1][:50]!r} is no id of an image")
        return [int(word) for _, word in ids], digest
    loaded, digest = load_json(path)
    inner = "images" if isinstance(loaded, dict) else ""
    entries = listed(need(loaded, inner, str(path)) if inner else loaded, f"{path}: {inner or 'the file'}")
    places = [f"{path}: {inner}[{at}]" for at in range(len(entries))]
    ids = [need(entry, "id", at) if inner else entry for entry, at in zip(entries, places, strict=True)]
    return [whole(identity, f"{at}: id" if inner else at) for identity, at in zip(ids, places, strict=True)], digest


def key_of(identity: object, where: str) -> str:
    """Return the key of an image: its id in twelve digits."""
    return f"{whole(identity, where, most=MOST):012d}"
