"""One sample as pictures: `masks.png` and `panel.png`, beside what `kept` keeps of it."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from matplotlib import colormaps
from PIL import Image

from datamodules.sample import Sample
from metrics.base import Box
from metrics.entries import Entries
from metrics.pixels import decode
from metrics.words import plain
from pipeline.outputs.fingerprint import write_atomic
from pipeline.outputs.maps import Maps
from pipeline.outputs.panel import COLOUR_MAP, Column, Panel, colour, draw_panel
from pipeline.outputs.records import Row, Spoken
from pipeline.outputs.typeset import Segment
from pipeline.types import WHOLE

PROFILE = "corrected"


@dataclass(frozen=True)
class Shown:
    """A word of the answer that has a column in the panel; `category` is None where it is not held to name one."""

    first_word: int
    word: Spoken
    category: str | None


def sample(folder: Path, drawn: Sample, row: Row, maps: Maps, box: Box = WHOLE) -> None:
    """Write `panel.png` of one sample into `folder`, and `masks.png` where there are masks. box: the part of the image
    that the token grid covers."""
    if drawn.image is None:
        raise ValueError("a sample without an image cannot be drawn")
    folder.mkdir(parents=True, exist_ok=True)
    image = drawn.image.convert("RGB")
    masks = {name: decode(rle) for name, rle in (drawn.masks or {}).items()}
    if masks:
        png = io.BytesIO()
        overlay(image, masks).save(png, "PNG")
        write_atomic(folder / "masks.png", png.getvalue())
    columns = [column(row, word, maps) for word in shown(row)]
    draw_panel(folder / "panel.png", Panel(image, masks, tuple(maps), columns, caption(row), box))


def shown(row: Row, limit: int = 5) -> list[Shown]:
    """At most `limit` object words, and one function word: the first after an object, or the first of all.

    Without ground truth no word is known to name an object; the first nouns take their place.
    """
    found: dict[int, str] = {}
    for profiles in row.explainers.values():
        entries = profiles.get(PROFILE, Entries())
        matches = [(entry.first, entry.category) for entry in entries.objects]
        for first, category in [*matches, *((entry.first, entry.category) for entry in entries.absent)]:
            found.setdefault(first, category)
    chosen = sorted(found)[:limit]
    if not row.explainers:
        chosen = [at for at, word in enumerate(row.spoken) if word.label == "noun"][:limit]
    functions = [at for at, word in enumerate(row.spoken) if word.label == "function"]
    later = [at for at in functions if chosen and at > chosen[0]]
    words = [
        Shown(at, phrase(row.spoken, at, found[at], dict(row.phrases).get(at)), found[at])
        if at in found
        else Shown(at, row.spoken[at], None)
        for at in chosen
    ]
    return words + [Shown(at, row.spoken[at], None) for at in (later or functions)[:1]]


def phrase(words: Sequence[Spoken], at: int, category: str, length: int | None = None) -> Spoken:
    """Return the words from `at` on that name `category`, as one.

    length: how many they are; where that is not known, those that spell the category, inflected as there or not, and
    the word at `at` where none do ("light").
    """
    names = [plain(name) for name in category.split()]
    taken = words[at : at + (length or len(names))]
    spelt = [name in (word.lemma, plain(word.text.strip())) for name, word in zip(names, taken, strict=False)]
    if length is None and (not names or len(taken) < len(names) or not all(spelt)):
        return words[at]
    tokens = [token for word in taken for token in word.tokens]
    return Spoken.of(" ".join(word.text.strip() for word in taken), "noun", category, tokens)


def word_map(maps: UInt8[np.ndarray, "answer rows cols"], word: Spoken) -> UInt8[np.ndarray, "rows cols"]:
    """The map of a word: cell by cell the largest of its tokens'."""
    return maps[word.tokens].max(axis=0)


def column(row: Row, word: Shown, maps: Maps) -> Column:
    """What the panel shows of one word: a map and a figure for each explainer."""
    named = word.category is not None and word.category != word.word.text.strip().lower()
    title = word.word.text.strip() + (f" → {word.category}" if named else "")
    figures = {name: _figure(row.explainers.get(name, {}).get(PROFILE, Entries()), word) for name in maps}
    return Column(title, word.category, {name: word_map(of, word.word) for name, of in maps.items()}, figures)


def caption(row: Row) -> list[Segment]:
    """The answer in segments, each with its mark: a category, "" for the function word shown, None for the rest."""
    if row.answer is None:
        return []
    pieces = row.answer["pieces"]
    marks: dict[int, str] = {}
    for word in shown(row):
        marks.update(dict.fromkeys(word.word.tokens, word.category or ""))
    runs = groupby(range(len(pieces)), key=marks.get)
    return [("".join(pieces[at] for at in tokens), mark) for mark, tokens in runs]


def overlay(image: Image.Image, masks: Mapping[str, Bool[np.ndarray, "height width"]]) -> Image.Image:
    """The image with every mask in its colour, half transparent."""
    pixels = np.asarray(image).astype(np.float32)
    for number, mask in enumerate(masks.values()):
        paint = np.array([int(colour(number)[at : at + 2], 16) for at in (1, 3, 5)], np.float32)
        pixels[mask] = 0.5 * pixels[mask] + 0.5 * paint
    return Image.fromarray(pixels.round().astype(np.uint8))


def _figure(entries: Entries, word: Shown) -> str:
    """The score under a map; nothing where the word has no entry."""
    if word.category is None:
        shares = [entry.share for entry in entries.functions if entry.first == word.first_word]
        return f"Func-IoU {shares[0]:.2f}" if shares else ""
    found = [entry.iou for entry in entries.objects if entry.first == word.first_word]
    return f"Obj-IoU {found[0]:.2f}" if found else "not in the image"


def strip(maps: UInt8[np.ndarray, "answer _ _"], words: Sequence[Spoken], height: int = 192) -> Image.Image:
    """The maps of `words` side by side, about `height` pixels high, cells as squares."""
    side = max(1, height // maps.shape[1])
    tiles = [np.pad(word_map(maps, word).repeat(side, 0).repeat(side, 1), ((0, 0), (0, 4))) for word in words]
    coloured = colormaps[COLOUR_MAP](np.concatenate(tiles, axis=1), bytes=True)[..., :3]
    return Image.fromarray(np.ascontiguousarray(coloured))
