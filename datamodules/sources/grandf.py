"""Grounded captions in GLaMM's GranD-f JSON: one reader for GranDf and for OpenPSG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datamodules.names import keys
from datamodules.record import Record
from datamodules.sources.base import Masks, Source, first_of, load_json, picture, record

PROMPTS = {
    "grandf": "Write a description for this image using around two sentences:",
    "openpsg": "Write a description for this image using around three sentences:",
}
EXPECTED = {"grandf": 1000, "openpsg": 3176}
LICENCES = {
    "grandf": "Annotations: GranD-f (MBZUAI), under the terms of its release. Images: SA-1B, under its own licence.",
    "openpsg": "Annotations: GranD-f (MBZUAI), from OpenPSG (MIT) and COCO (CC BY 4.0). Images: Flickr, each under the "
    "terms that its owner chose.",
}


def grounded(name: str, annotations: Path, images: Sequence[Path]) -> Source:
    """`GranDf_HA_GCG_*.json` or `OpenPsgGCG_*.json`: a list of {file_name, caption, groundings}, the groundings phrase
    -> {token_positives, rle_masks}.

    name: grandf or openpsg. Phrases of one normalised name share a mask. The provenance keeps each phrase with its
    place in the caption, as published.
    """
    data, digest = load_json(annotations)
    if not isinstance(data, list) or not all(isinstance(entry, Mapping) for entry in data):
        raise ValueError(f"{annotations} is no GranD-f JSON: a list of objects is expected")
    files = [str(entry.get("file_name")) for entry in data]
    first, made = first_of(files), keys(files)

    def read(index: int) -> Record:
        if first[files[index]] != index:
            raise ValueError("the file stands twice; the first counts")
        entry: Mapping[str, Any] = data[index]
        image = picture(images, entry["file_name"])
        masks = Masks(image.height, image.width)
        phrases = {}
        for phrase, grounding in entry["groundings"].items():
            masks.add(phrase, grounding["rle_masks"])
            phrases[phrase] = grounding.get("token_positives")
        text = entry["caption"]
        captions = [text.strip('"').strip() if isinstance(text, str) else text]  # GLaMM's own reader drops the quotes
        return record(made[index], image, captions, masks, {"phrases": phrases})

    return Source(
        name=name,
        prompt=PROMPTS[name],
        categories=(),
        licence=LICENCES[name],
        files={annotations.name: digest},
        names=files,
        read=read,
        expected=EXPECTED[name],
    )
