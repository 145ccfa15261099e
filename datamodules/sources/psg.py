"""OpenPSG as first published: panoptic PNG and segments. Its figures are not comparable with the paper's tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.names import inside, keys
from datamodules.pictures import read_labels
from datamodules.record import Record
from datamodules.rle import encode_mask
from datamodules.sources.base import Masks, Source, check_size, first_of, load_json, picture, read_file, record
from datamodules.sources.coco import CROWD, Crowd
from datamodules.sources.grandf import PROMPTS

LICENCE = (
    "Annotations: OpenPSG (MIT), on COCO's panoptic masks (CC BY 4.0). Images: Flickr, each under its owner's terms."
)


def panoptic(annotations: Path, segments: Path, images: Sequence[Path], *, crowd: Crowd = "keep") -> Source:
    """`psg.json` and its folder of panoptic PNG files, whose ids are R + 256 G + 65536 B; 0 is nothing.

    Taken are the images that `test_image_ids` lists, or all where it is empty. There are no captions. A name's mask is
    the union of the segments of all categories that are so called ("wall-brick" and "wall-other-merged" differ).
    """
    data, digest = load_json(annotations)
    try:
        names = [str(name) for name in [*data["thing_classes"], *data["stuff_classes"]]]
        tested = {str(identity) for identity in data.get("test_image_ids") or ()}
        entries: list[Mapping[str, Any]] = [e for e in data["data"] if not tested or str(e["image_id"]) in tested]
        files = [str(entry["file_name"]) for entry in entries]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{annotations} is no OpenPSG JSON: {error!r}") from error
    first, made = first_of(files), keys(files)

    def read(index: int) -> Record:
        entry = entries[index]
        if first[files[index]] != index:
            raise ValueError("the file stands twice; the first counts")
        image = picture(images, entry["file_name"])
        check_size(image, entry.get("height"), entry.get("width"))
        ids = read_labels(read_file(inside([segments], entry["pan_seg_file_name"])), panoptic=True)
        if ids.shape != (image.height, image.width):
            raise ValueError(f"the panoptic PNG has {ids.shape[1]} x {ids.shape[0]} pixels, the image another number")
        masks = Masks(image.height, image.width)
        for segment in entry["segments_info"]:
            if segment.get("iscrowd"):
                masks.notes.append(CROWD[crowd])
                if crowd == "drop":
                    continue
            if type(segment["category_id"]) is not int or not 0 <= segment["category_id"] < len(names):
                raise ValueError(f"category id {segment['category_id']!r} is not listed")
            masks.add(names[segment["category_id"]], [encode_mask(ids == segment["id"])])
        known = [0, *(segment["id"] for segment in entry["segments_info"])]
        masks.notes += ["pixels of a segment that is not listed"] * bool((~np.isin(ids, known)).any())
        return record(made[index], image, [], masks, {"id": str(entry["image_id"])})

    return Source(
        name="openpsg_panoptic",
        prompt=PROMPTS["openpsg"],
        categories=(),
        licence=LICENCE,
        files={annotations.name: digest},
        names=files,
        read=read,
        options={"crowd": crowd, "comparable with the paper's tables": False},
    )
