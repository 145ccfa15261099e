"""What the gallery of a page loads: for each run an index of its samples, for each sample a file of its own, and all
texts once the reader searches them.

A page opened from disk may fetch nothing, but it may add a script: each file hands its name and one JSON value to
`seewhy`. Names are made of numbers, never of keys.
"""

import base64
import io
import json
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from matplotlib import colormaps
from PIL import Image

from datamodules.printable import describe
from metrics.base import Box
from metrics.entries import Entries
from metrics.pixels import Maps, below, decode
from pipeline.outputs import kept
from pipeline.outputs.draw import PROFILE, phrase
from pipeline.outputs.kept import Kept
from pipeline.outputs.panel import COLOUR_MAP
from pipeline.outputs.records import Row
from pipeline.outputs.report.read import Run, ordered
from pipeline.outputs.report.style import short

THUMB = 96
LARGE = 1 << 25
"""Pixels of all masks of a sample that is prepared alone."""
WORK = 1 << 32
"""Pixels that the maps of a sample's objects may have at the size of the image, all explainers and tokens together."""
SAID = 100
"""So many characters of a caption stand in the list."""


Brief = tuple[int, str, str, int, list[list[Any]]]
Scored = Sequence[Entries | None]
"""The entries of each explainer; None where it failed."""


class Unit(NamedTuple):
    """What a click on a word chooses: the word, or all words that name one object. words, tokens: which."""

    words: range
    tokens: Sequence[int]
    category: str | None


class Shown(NamedTuple):
    """samples: how many the gallery shows. damaged: key -> why one is not shown, of samples that the run kept."""

    samples: int
    damaged: dict[str, str]


class Prepared(NamedTuple):
    """What is written of one sample: two JPEG files, what its script says, its line in the index, its text."""

    image: bytes
    thumb: bytes
    detail: dict[str, Any]
    brief: Brief
    text: str


def write(folder: Path, name: str, run: Run) -> Shown:
    """Write the files of one run into `folder`, under `name`. A sample that is damaged costs itself alone."""
    places = {key: run.folder / "figures" / str(run.rows.heads[key].index) for key in run.keys}
    shown = [key for key in run.keys if run.rows.heads[key].error is None and kept.whole(places[key])]
    target, explainers = folder / name, ordered(run)
    target.mkdir(parents=True)

    reading = Lock()  # Python 3.11 may fail where two threads parse at once, as numpy does to read an array

    large = Lock()  # samples whose masks take much memory come one after the other

    def prepared(row: Row) -> Prepared:
        with reading:
            sample = kept.load(places[row.key], run.folder, len(row.answer["ids"]) if row.answer else 0)
        pixels = sample.size[0] * sample.size[1] * len(sample.masks)
        with large if pixels > LARGE else nullcontext():
            told = detail(row, sample, explainers)
        return Prepared(sample.image, _thumb(sample.image), told, brief(row, explainers), f"{_text(row)} {sample.name}")

    def one(key: str) -> tuple[Brief, str] | str:
        with reading:
            row = run.rows[key]
        try:
            made = prepared(row)
        except Exception as error:  # a stranger's bytes can raise anything
            return describe(error)
        (target / f"{row.index}.jpg").write_bytes(made.image)
        (target / f"{row.index}.thumb.jpg").write_bytes(made.thumb)
        _put(target / f"{row.index}.js", f"{name}/{row.index}", made.detail)
        return made.brief, made.text

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # most of it is done outside the interpreter's lock
        found = dict(zip(shown, pool.map(one, shown), strict=True))
    damaged = {key: of for key, of in found.items() if isinstance(of, str)}
    done = [of for of in found.values() if not isinstance(of, str)]
    briefs, texts = [brief for brief, _ in done], [text for _, text in done]
    categories = sorted({category for *_, objects in briefs for category, *_ in objects})
    numbers = {category: number for number, category in enumerate(categories)}
    for *_, objects in briefs:
        objects[:] = [[numbers[category], *figures] for category, *figures in objects]
    has = {"scored": run.summary["ground_truth"], "objects": categories, "absent": any(one[3] for one in briefs)}
    known = " ".join(name for name, there in has.items() if there)
    index = {"explainers": explainers, "has": known, "categories": categories}
    _put(target / "index.js", f"{name}/index", index | {"samples": briefs, "colours": colours()})
    _put(target / "texts.js", f"{name}/texts", texts)
    return Shown(len(done), damaged)


def brief(row: Row, explainers: Sequence[str]) -> Brief:
    """Index, key, how the text begins, whether it names absent objects; and for each category that it names, how many
    words do, and in thousandths the sum of their IoU under each explainer, None under one that failed."""
    scored = _scored(row, explainers)
    named: dict[str, list[Any]] = {}
    for place, match in enumerate(_any(scored).objects):
        known = named.setdefault(match.category, [0, *(None if of is None else 0 for of in scored)])
        known[0] += 1
        for at, of in enumerate(scored):
            if of is not None:
                known[at + 1] += round(1000 * of.objects[place].iou)
    absent = bool(_any(scored).absent)
    return row.index, row.key, short(_text(row), SAID), int(absent), [[name, *named[name]] for name in named]


def detail(row: Row, sample: Kept, explainers: Sequence[str]) -> dict[str, Any]:
    """Everything that is shown of a sample.

    words: text with its spaces, kind (object, absent, else its label), number of its unit. units: first token, tokens,
    category or None, and per explainer (None where it failed) a list of token, least value that is foreground, and
    figures, the token that counts first. Figures of an object are IoU, precision, recall; of a function word or
    punctuation the share below the foreground, and that of the whole word where it has more tokens.
    maps: rows, columns and zlib of uint8 for each explainer; None where it failed. failed: why, for each that did.
    """
    spoken, pieces = row.spoken, row.answer["pieces"] if row.answer else []
    masks = {name: mask for name, rle in sample.masks.items() if (mask := decode(rle)).any()}
    scored = _scored(row, explainers)
    lists = [() if of is None else (*of.functions, *of.punctuation) for of in scored]
    wholes = [{share.first: share.share for share in shares} for shares in lists]
    maps = [None if name in row.failed else sample.maps.get(name) for name in explainers]
    found = _units(row, _any(scored))
    tokens = sum(len(unit.tokens) for unit in found if unit.category in masks)
    if tokens * len(explainers) * sample.size[0] * sample.size[1] > WORK:
        raise ValueError(f"{tokens} tokens of objects on an image of that size are too many to be shown")
    words: list[list[Any]] = []
    units: list[list[Any]] = []
    for number, unit in enumerate(found):
        for word in spoken[unit.words.start : unit.words.stop]:
            kind = word.label if unit.category is None else "object" if unit.category in masks else "absent"
            text = "".join(pieces[token] for token in word.tokens)
            words.append([text, kind, number])
        if unit.category in masks:
            shown = [of if of is None else _overlaps(unit, of, masks[unit.category], sample.box) for of in maps]
        else:
            each = zip(maps, scored, wholes, strict=True)
            shown = [
                None if of is None or known is None else _shares(unit, of, known.threshold, whole)
                for of, known, whole in each
            ]
        units.append([unit.tokens[0], len(unit.tokens), unit.category, shown])
    return {
        "file": sample.name,
        "prompt": sample.prompt,
        "truth": list(sample.captions),
        "size": list(sample.size),
        "box": list(sample.box),
        "words": words,
        "units": units,
        "masks": [[name, outline(mask)] for name, mask in masks.items()],
        "maps": [of if of is None else [*of.shape[1:], _packed(of)] for of in maps],
        "failed": {name: reason for name, reason in row.failed.items() if name in explainers},
    }


def colours() -> str:
    """The 256 colours of the maps, as hexadecimal digits; 0 comes first."""
    return bytes(colormaps[COLOUR_MAP](np.arange(256), bytes=True)[:, :3]).hex()


def outline(mask: Bool[np.ndarray, "height width"]) -> str:
    """The borders of a mask as an SVG path, in pixels; a six-hundredth of the longer side may be smoothed away."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    lines = [cv2.approxPolyDP(line, max(mask.shape) / 600, True)[:, 0] for line in found]
    return "".join("M" + " ".join(f"{x},{y}" for x, y in line) + "Z" for line in lines)


def _units(row: Row, entries: Entries) -> list[Unit]:
    """The words of an answer in order; those of a phrase that names an object, also an absent one, are together."""
    named = {entry.first: entry.category for entry in entries.objects}
    named |= {entry.first: entry.category for entry in entries.absent}
    units: list[Unit] = []
    words, phrases = row.spoken, dict(row.phrases)
    for at, word in enumerate(words):
        if units and at < units[-1].words.stop:
            continue
        category = named.get(at)
        length = phrases.get(at)
        spoken = word if category is None else phrase(words, at, category, length)
        tokens = set(spoken.tokens)
        near = words[at : at + (length or len((category or "").split()) or 1)]
        count = 1 if category is None else sum(one.first_token in tokens for one in near)
        units.append(Unit(range(at, at + count), spoken.tokens, category))
    return units


def _overlaps(
    unit: Unit, maps: UInt8[np.ndarray, "answer _ _"], mask: Bool[np.ndarray, "height width"], box: Box
) -> list[list[Any]]:
    """Of each token its foreground, which lies above Otsu's threshold, against the mask; the best first."""
    truth, on_image = int(np.count_nonzero(mask)), Maps(maps, mask.shape)
    placed = {token: on_image.placed(token, box) for token in unit.tokens}
    found = [[token, int(one.threshold) + 1, *one.overlap(mask, truth)] for token, one in placed.items()]
    found.sort(key=lambda one: -one[2])  # stable: of equal ones the first counts, as in scoring
    return [[*one[:2], *(0.0 if math.isnan(value) else round(value, 6) for value in one[2:])] for one in found]


def _shares(
    unit: Unit, maps: UInt8[np.ndarray, "answer _ _"], threshold: float | None, shares: Mapping[int, float]
) -> list[list[Any]]:
    """Of each token the foreground by the image's threshold; of one that should point nowhere also what lies below.
    shares: word -> the share of all of it."""
    share = shares.get(unit.words.start)
    if threshold is None or share is None:
        return [[token, None if threshold is None else math.ceil(threshold)] for token in unit.tokens]
    whole = [round(share, 6)] if len(unit.tokens) > 1 else []
    return [[token, math.ceil(threshold), round(below(maps[token], threshold), 6), *whole] for token in unit.tokens]


def _text(row: Row) -> str:
    return str((row.answer or {}).get("text", ""))


def _scored(row: Row, explainers: Sequence[str]) -> Scored:
    """What each explainer scored; nothing where there is no ground truth."""
    found = (row.explainers.get(name, {}).get(PROFILE, Entries()) for name in explainers)
    return [None if name in row.failed else entries for name, entries in zip(explainers, found, strict=True)]


def _any(scored: Scored) -> Entries:
    """The entries of any explainer, for what is the same under all: which words name what."""
    return next((of for of in scored if of is not None), Entries())


def _thumb(source: bytes) -> bytes:
    """A small JPEG of a JPEG; the whole file is read, so that a damaged one raises."""
    with Image.open(io.BytesIO(source), formats=["JPEG"]) as image:
        image.draft("RGB", (2 * THUMB, 2 * THUMB))
        small = image.convert("RGB")
    small.thumbnail((THUMB, THUMB))
    target = io.BytesIO()
    small.save(target, "JPEG", quality=80)
    return target.getvalue()


def _packed(maps: UInt8[np.ndarray, "answer rows cols"]) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(maps).tobytes(), 1)).decode("ascii")


def _put(path: Path, name: str, value: Mapping[str, Any] | Sequence[str]) -> None:
    """The value as a script; all in ASCII, so that no character of a caption can end or break it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    path.write_text(f"seewhy({json.dumps(name)},{text});\n", encoding="ascii")
