"""OpenPSG as first published: panoptic PNG and segments. Its figures are not comparable with the paper's tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.names import keys
from datamodules.pictures import read_labels
from datamodules.record import Record
from datamodules.rle import encode_labels
from datamodules.sources.base import Folders, Masks, Source, check_size, file_names, load_json, once, record, spelt
from datamodules.sources.coco import CROWD, Crowd
from datamodules.sources.fields import fail, flag, listed, mapped, need, text, whole
from datamodules.sources.grandf import PROMPTS
from datamodules.sources.statements import statements


def panoptic(annotations: Path, segments: Folders, images: Folders, *, crowd: Crowd = "keep") -> Source:
    """Read `psg.json` and its folder of panoptic PNG files, whose ids are R + 256 G + 65536 B; 0 is nothing.

    Taken are the images that `test_image_ids` lists, or all where it is empty or missing. There are no captions. A
    name's mask is the union of the segments of all categories that are so called ("wall-brick" and "wall-other-merged"
    differ). Of two entries that name one file and differ the first counts.
    """
    data, digest = load_json(annotations)
    file = annotations.name
    names = [
        text(name, f"{file}: {kind}[{at}]")
        for kind in ("thing_classes", "stuff_classes")
        for at, name in enumerate(listed(need(data, kind, file), f"{file}: {kind}"))
    ]
    entries = listed(need(data, "data", file), f"{file}: data")
    files = file_names(entry.get("file_name") if isinstance(entry, dict) else None for entry in entries)
    counted = once([spelt(name) for name in files], entries)
    made = keys(files)
    tested = data.get("test_image_ids")
    tested = [] if tested is None else listed(tested, f"{file}: test_image_ids")
    wanted = dict.fromkeys(identity(one, f"{file}: test_image_ids[{at}]") for at, one in enumerate(tested))
    ids = [usable(entry) for entry in entries]
    order = [at for at in counted.order if not wanted or ids[at] is None or ids[at] in wanted]
    held = set(ids)
    missing = [one for one in wanted if one not in held]

    def read(index: int) -> Record:
        if index >= len(order):
            raise ValueError(
                f"{file}: test_image_ids has the id {missing[index - len(order)]}, and data has no such image"
            )
        at = order[index]
        where = f"{file}: data[{at}]"
        entry = mapped(entries[at], where)
        if (before := counted.differing.get(at)) is not None:
            raise ValueError(f"{where} names the file of data[{before}] and differs from it; the first counts")
        number = identity(need(entry, "image_id", where), f"{where}: image_id")
        image = images.picture(need(entry, "file_name", where), f"{where}: file_name")
        check_size(image, entry, where)
        labels = read_labels(
            segments.read(need(entry, "pan_seg_file_name", where), f"{where}: pan_seg_file_name"), panoptic=True
        )
        if labels.shape != (image.height, image.width):
            raise ValueError(
                f"the panoptic PNG has {labels.shape[1]} x {labels.shape[0]} pixels, the image another number"
            )
        masks = Masks(image.height, image.width)
        kept = segment_names(entry, where, names, masks, crowd)
        found = encode_labels(labels, kept.keys())
        for segment, name in kept.items():
            if name is not None:
                masks.add(name, [found[segment]])
        unlisted = (~np.isin(labels, [0, *kept])).any()
        masks.notes += ["pixels of a segment that is not listed"] * bool(unlisted)
        return record(made[at], image, [], masks, {"id": number})

    return Source(
        name="openpsg_panoptic",
        prompt=PROMPTS["openpsg"],
        categories=(),
        said=statements(data, file),
        files={file: digest},
        names=[*(files[at] for at in order), *missing],
        read=read,
        options={"crowd": crowd, "comparable with the paper's tables": False},
        notes=counted.notes,
    )


def segment_names(
    entry: Mapping[str, Any], where: str, names: list[str], masks: Masks, crowd: Crowd
) -> dict[int, str | None]:
    """Return id -> name of the segments of an image, in their order; None for a crowd region that is left out.

    Raises ValueError for an id that two segments share and that differ.
    """
    found: dict[int, str | None] = {}
    listing = listed(need(entry, "segments_info", where), f"{where}: segments_info")
    places = [f"{where}: segments_info[{at}]" for at in range(len(listing))]
    ids = [whole(need(one, "id", at), f"{at}: id", 1, (1 << 24) - 1) for one, at in zip(listing, places, strict=True)]
    counted = once(ids, listing)
    for at in counted.order:
        segment, place = listing[at], places[at]
        if at in counted.differing:
            raise ValueError(f"{places[counted.differing[at]]} and [{at}] have the id {ids[at]} and differ")
        category = whole(need(segment, "category_id", place), f"{place}: category_id")
        if category >= len(names):
            raise ValueError(f"{place}: category id {category} is not listed")
        left_out = False
        if flag(segment.get("iscrowd", 0), f"{place}: iscrowd"):
            masks.notes.append(CROWD[crowd])
            left_out = crowd == "drop"
        found[ids[at]] = None if left_out else names[category]
    masks.notes += ["a segment that stands twice"] * counted.copies
    return found


def usable(entry: object) -> str | None:
    """Return the id of an entry's image; None where it has none, and only reading it says why."""
    try:
        return identity(need(entry, "image_id", ""), "")
    except ValueError:
        return None


def identity(value: object, where: str) -> str:
    """Return the id of an image as text; OpenPSG writes numbers as text. Raises ValueError for any other."""
    if isinstance(value, str):
        return value
    if type(value) in (int, float):
        return str(whole(value, where))
    raise fail(where, "an id", value)
