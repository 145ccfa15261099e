"""Grounded captions in GLaMM's GranD-f JSON: one reader for GranDf and for OpenPSG."""

from pathlib import Path
from typing import Any

from datamodules.names import keys
from datamodules.record import Record
from datamodules.sources.base import Folders, Masks, Source, file_names, load_json, once, record, spelt
from datamodules.sources.fields import listed, mapped, need, text, whole

PROMPTS = {
    "grandf": "Write a description for this image using around two sentences:",
    "openpsg": "Write a description for this image using around three sentences:",
}
EXPECTED = {"grandf": 1000, "openpsg": 3176}


def grounded(name: str, annotations: Path, images: Folders) -> Source:
    """Read `GranDf_HA_GCG_*.json` or `OpenPsgGCG_*.json`: a list of {file_name, caption, groundings}, the groundings
    phrase -> {token_positives, rle_masks}.

    name: grandf or openpsg. Phrases of one normalised name share a mask. The provenance keeps each phrase with its
    place in the caption, as published. Of two entries that name one file and differ the first counts.
    """
    data, digest = load_json(annotations)
    if not isinstance(data, list) or (data and not any(isinstance(entry, dict) for entry in data)):
        raise ValueError(f"{annotations} is no GranD-f JSON: a list of objects is expected")
    files = file_names(entry.get("file_name") if isinstance(entry, dict) else None for entry in data)
    counted = once([spelt(file) for file in files], data)
    made = keys(files)

    def read(index: int) -> Record:
        at = counted.order[index]
        where = f"{annotations.name}: [{at}]"
        entry = mapped(data[at], where)
        if (before := counted.differing.get(at)) is not None:
            raise ValueError(f"{where} names the file of [{before}] and differs from it; the first counts")
        image = images.picture(need(entry, "file_name", where), f"{where}: file_name")
        masks = Masks(image.height, image.width)
        phrases = {}
        for phrase, grounding in mapped(need(entry, "groundings", where), f"{where}: groundings").items():
            place = f"{where}: groundings, {phrase[:50]!r}"
            segmentations = listed(need(grounding, "rle_masks", place), f"{place}: rle_masks")
            masks.add(phrase, segmentations, f"{place}: rle_masks")
            phrases[phrase] = positives(grounding.get("token_positives"), f"{place}: token_positives")
        said = text(need(entry, "caption", where), f"{where}: caption")
        captions = [said.strip('"').strip()]  # GLaMM's own reader drops the quotes
        return record(made[at], image, captions, masks, {"phrases": phrases})

    return Source(
        name=name,
        prompt=PROMPTS[name],
        categories=(),
        files={annotations.name: digest},
        names=[files[at] for at in counted.order],
        read=read,
        notes=counted.notes,
        expected=EXPECTED[name],
    )


def positives(value: Any, where: str) -> Any:
    """Return where a phrase stands in its caption: a list of numbers, of such lists, or None. Raises ValueError for any
    other."""
    if value is None:
        return None
    return [positives(v, where) if isinstance(v, list) else whole(v, where) for v in listed(value, where)]
