"""What the gallery of a page loads: for each run an index of its samples, for each sample a file of its own.

A page opened from disk may fetch nothing, but it may add a script: each file hands its name and one JSON value to
`seewhy`. Names are made of numbers, never of keys.
"""

import base64
import json
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from matplotlib import colormaps
from PIL import Image

from metrics.entries import Entries
from metrics.pixels import Maps, decode
from pipeline.outputs import kept
from pipeline.outputs.draw import PROFILE, phrase
from pipeline.outputs.kept import Kept
from pipeline.outputs.panel import COLOUR_MAP
from pipeline.outputs.records import Row
from pipeline.outputs.report.read import Run, ordered

THUMB = 96


def write(folder: Path, name: str, run: Run) -> int:
    """Write the files of one run into `folder`, under `name`; how many samples the gallery can show comes back."""
    places = {key: run.folder / "figures" / str(run.rows.heads[key].index) for key in run.keys}
    shown = [key for key in run.keys if run.rows.heads[key].error is None and kept.whole(places[key])]
    target, explainers = folder / name, ordered(run)
    target.mkdir(parents=True)
    briefs = []
    for key in shown:
        row, sample = run.rows[key], kept.load(places[key])
        shutil.copyfile(sample.image, target / f"{row.index}.jpg")
        _thumb(sample.image, target / f"{row.index}.thumb.jpg")
        _put(target / f"{row.index}.js", f"{name}/{row.index}", detail(row, sample, explainers))
        briefs.append(brief(row, explainers))
    categories = sorted({category for *_, objects in briefs for category, *_ in objects})
    numbers = {category: number for number, category in enumerate(categories)}
    for *_, objects in briefs:
        objects[:] = [[numbers[category], *figures] for category, *figures in objects]
    index = {"explainers": explainers, "scored": bool(run.summary["ground_truth"]), "categories": categories}
    _put(target / "index.js", f"{name}/index", index | {"samples": briefs, "colours": colours()})
    return len(shown)


def brief(row: Row, explainers: Sequence[str]) -> tuple[int, str, str, int, list[list[Any]]]:
    """Index, key, text, whether it names absent objects, and the objects that it names: category, and in thousandths
    the IoU under each explainer."""
    by_explainer = [_entries(row, name) for name in explainers]
    objects = [
        [same[0].category, *(round(1000 * entry.iou) for entry in same)]
        for same in zip(*(entries.objects for entries in by_explainer), strict=True)
    ]
    absent = bool(by_explainer and by_explainer[0].absent)
    return row.index, row.key, (row.answer or {}).get("text", ""), int(absent), objects


def detail(row: Row, sample: Kept, explainers: Sequence[str]) -> dict[str, Any]:
    """Everything that is shown of a sample.

    words: text with its spaces, label, first token, tokens. objects: first word, words, category, and a list per
    explainer of token, IoU, precision, recall and Otsu's threshold, the token that counts first; no list where the
    object is absent. shares: word, and its share under each explainer. thresholds: the image's, for each explainer.
    maps: rows, columns and zlib of uint8 for each explainer.
    """
    pieces = row.answer["pieces"] if row.answer else []
    words = [
        ["".join(pieces[w.first_token : w.first_token + w.n_tokens]), w.label, w.first_token, w.n_tokens]
        for w in row.spoken
    ]
    masks = {name: decode(rle) for name, rle in sample.masks.items()}
    placed = {name: Maps(sample.maps[name], sample.size) for name in explainers}
    objects = []
    for first, category in _matches(row):
        spoken = phrase(row.spoken, first, category)
        tokens = range(spoken.first_token, spoken.first_token + spoken.n_tokens)
        count = sum(word.first_token in tokens for word in row.spoken)
        mask = masks.get(category)
        known = explainers if mask is not None and mask.any() else ()
        figures = [_figures(placed[name], tokens, masks[category], sample) for name in known]
        objects.append([first, count, category, figures])
    return {
        "prompt": sample.prompt,
        "truth": list(sample.captions),
        "size": list(sample.size),
        "box": list(sample.box),
        "words": words,
        "objects": objects,
        "shares": _shares(row, explainers),
        "thresholds": [_entries(row, name).threshold for name in explainers],
        "masks": [[name, outline(mask)] for name, mask in masks.items() if mask.any()],
        "maps": [[*sample.maps[name].shape[1:], _packed(sample.maps[name])] for name in explainers],
    }


def colours() -> str:
    """The 256 colours of the maps, as hexadecimal digits; 0 comes first."""
    return bytes(colormaps[COLOUR_MAP](np.arange(256), bytes=True)[:, :3]).hex()


def outline(mask: Bool[np.ndarray, "height width"]) -> str:
    """The borders of a mask as an SVG path, in pixels; a six-hundredth of the longer side may be smoothed away."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    lines = [cv2.approxPolyDP(line, max(mask.shape) / 600, True)[:, 0] for line in found]
    return "".join("M" + " ".join(f"{x},{y}" for x, y in line) + "Z" for line in lines)


def _figures(maps: Maps, tokens: Sequence[int], mask: Bool[np.ndarray, "_ _"], sample: Kept) -> list[list[Any]]:
    truth = int(np.count_nonzero(mask))
    placed = {token: maps.placed(token, sample.box) for token in tokens}
    found = [(token, *one.overlap(mask, truth), one.threshold) for token, one in placed.items()]
    found.sort(key=lambda one: -one[1])  # stable: of equal ones the first counts, as in scoring
    return [[token, *(round(float(np.nan_to_num(value)), 6) for value in figures)] for token, *figures in found]


def _matches(row: Row) -> list[tuple[int, str]]:
    """First word and category of each object that the caption names, also of absent ones, in order."""
    entries = next((_entries(row, name) for name in row.explainers), Entries())
    present = {(entry.first, entry.category) for entry in entries.objects}
    return sorted(present | {(entry.first, entry.category) for entry in entries.absent})


def _shares(row: Row, explainers: Sequence[str]) -> list[list[Any]]:
    """Of function words and punctuation."""
    columns = [_entries(row, name) for name in explainers]
    found = zip(*((*entries.functions, *entries.punctuation) for entries in columns), strict=True)
    return [[same[0].first, *(round(share.share, 6) for share in same)] for same in found]


def _entries(row: Row, explainer: str) -> Entries:
    return row.explainers.get(explainer, {}).get(PROFILE, Entries())


def _thumb(source: Path, target: Path) -> None:
    with Image.open(source, formats=["JPEG"]) as image:
        image.draft("RGB", (2 * THUMB, 2 * THUMB))
        small = image.convert("RGB")
    small.thumbnail((THUMB, THUMB))
    small.save(target, quality=80)


def _packed(maps: UInt8[np.ndarray, "answer rows cols"]) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(maps).tobytes())).decode("ascii")


def _put(path: Path, name: str, value: Mapping[str, Any]) -> None:
    """The value as a script; all in ASCII, so that no character of a caption can end or break it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    path.write_text(f"seewhy({json.dumps(name)},{text});\n", encoding="ascii")
