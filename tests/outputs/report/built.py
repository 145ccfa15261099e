"""Run folders made up whole: images, masks and maps of nothing, but scored as a run scores them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from PIL import Image

from datamodules.rle import encode_mask
from datamodules.sample import Sample
from metrics import localisation, text
from metrics.base import Evidence
from metrics.words import plain, words_of
from pipeline.outputs import kept
from pipeline.outputs.fingerprint import open_run, write_json
from pipeline.outputs.records import Row, RowWriter, Spoken
from pipeline.outputs.summary import Timing, summarise

EXPLAINERS: Mapping[str, Mapping[str, Any]] = {
    "cam": {"class": "pipeline.explainers.cam.CAM"},
    "tam": {"class": "pipeline.explainers.tam.TAM", "compat": False},
    "msea_arc": {"class": "pipeline.explainers.msea_arc.MSEAARC", "k": 50, "p": 0.9},
}
BOX = (0.0, 0.0, 1.0, 0.75)
HOSTILE = (
    "<script>document.title='owned'</script>",
    "\"quoted\" & 'quoted' <img src=x onerror=alert(1)> </script> -->",
    "كلب يجلس على العشب \u202e",
    "👩‍👩‍👧‍👦 🐈 \U000f0000 \ud83d",
    "x" * 2000,
    "]]> $\\frac{1}{2}$ {{ 7 * 7 }} {% raw %}\u2028\x00\x07",
)
"""Texts that want to be more than text."""


class Reader:
    """A tagger that knows a few words; the others are nouns. Words without an end are no work for it."""

    name = "reader"
    KNOWN: Mapping[str, str] = dict.fromkeys(("a", "and", "another", "the", "is", "that"), "DT") | dict.fromkeys(
        ("sits", "looks", "by", "of", "in", "at", "not", "else", "there", "here", "green", "blue", "two", "whole"), "RB"
    )

    def tag(self, word: str) -> tuple[str, str]:
        lemma = plain(word)
        return self.KNOWN.get(lemma, "NN"), lemma.removesuffix("s")


READER = Reader()


@dataclass(frozen=True)
class Scene:
    """A sample to be: what is said of it, and the names of its masks; None without ground truth."""

    key: str
    said: str
    names: Sequence[str] | None = ()
    asked: str = "Describe this image."
    error: str | None = None


SCENES = (
    Scene("a", "A dog sits by a traffic light.", ("dog", "traffic light")),
    Scene(
        "b", "Two cats and a skateboard, and nothing else of note in the whole picture.", ("cat", "skateboard", "tv")
    ),
    Scene("c", "A cat looks at another dog that is not there.", ("cat",)),
    Scene("d", "Green and blue.", ("dog",)),
    Scene("e", "The skateboard of the dog.", ("dog", "skateboard")),
)


def run_folder(
    folder: Path,
    scenes: Sequence[Scene] = SCENES,
    explainers: Mapping[str, Mapping[str, Any]] = EXPLAINERS,
    *,
    model: str = "demo",
    data: str = "demo",
    beside: str | None = None,
    figures: int = 1000,
    size: tuple[int, int] = (48, 64),
    grid: tuple[int, int] = (6, 8),
    seed: int = 0,
    again: int = 1,
) -> Path:
    """A finished run of these scenes. size, grid: rows and columns. again: so many samples are made of each scene."""
    mark = {
        **{
            "manifest": f"{data} manifest",
            "model": {"family": model},
            "explainers": explainers,
            "answers": "generated",
        },
        **{"batch_size": 8, "limit": None, "threads": 1, "versions": {"seewhy": "0.1.0", "torch": "2.13.0"}},
    }
    open_run(folder, mark, environment={"command": ["run_eval.py", "--run_dir", "<folder> & co"], "python": "3.11"})
    names = {"vlm": model, "data": data}
    config = {"names": names, "explainers": list(explainers), "beside": beside}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    rows: dict[str, Row] = {}
    with RowWriter(folder / "rows.0.jsonl") as writer:
        for scene in scenes:
            row, keep = explained(scene, explainers, size, grid, seed)
            for number in range(again):
                key = scene.key if again == 1 else f"{scene.key} {number}"
                rows[key] = replace(row, key=key, index=len(rows))
                if scene.error is None and len(rows) <= figures:
                    keep(folder / "figures" / str(rows[key].index))
                writer.write(rows[key])
    timing = Timing()
    write_json(folder / "summary.json", summarise(rows, list(rows), list(explainers), READER.name, timing))
    write_json(folder / "timing.json", timing.figures())
    return folder


def explained(
    scene: Scene, explainers: Mapping[str, Any], size: tuple[int, int], grid: tuple[int, int], seed: int
) -> tuple[Row, Callable[[Path], None]]:
    """The row of a scene, and what keeps its picture in a folder."""
    if scene.error is not None:
        return Row(scene.key, 0, error=scene.error), lambda folder: None
    drawn = generator(seed, scene.key)
    pieces = tuple(re.findall(r"\s*(?:\w{1,6}|[^\w\s]{1,6})", scene.said))
    words = words_of(pieces, READER)
    masks = None if scene.names is None else {name: encode_mask(blob(drawn, size)) for name in scene.names}
    maps = {name: heat(generator(seed, scene.key + name), len(pieces), grid) for name in explainers}
    picture = Image.fromarray(drawn.integers(0, 256, (*grid, 3), np.uint8)).resize(size[::-1], Image.Resampling.BICUBIC)
    names, came = ("dog", "cat", *(scene.names or ())), {"file_name": f"{scene.key}.jpg"}
    sample = Sample(scene.key, 0, picture, scene.asked, (scene.said,), masks, names, provenance=came)
    scored, captions = {}, {}
    if masks is not None:
        known = Evidence(
            np.zeros((0, 1, 1), np.uint8), pieces, masks, sample.categories, sample.captions, BOX, size=size
        )
        captions = text.sums(scene.said, known, words, READER)
        for name, values in maps.items():
            scored[name] = localisation.score_all(replace(known, maps=values), words, READER)
    spoken = tuple(Spoken(w.text, w.label, w.lemma, w.tokens[0], len(w.tokens)) for w in words)
    answer = {"ids": list(range(len(pieces))), "pieces": list(pieces), "text": "".join(pieces), "ended": True}
    seconds = {"answer": 0.25, **{f"explain/{name}": 0.125 for name in explainers}}
    row = Row(scene.key, 0, answer, spoken, captions, scored, seconds, 8)
    return row, lambda folder: kept.keep(folder, sample, maps, BOX)


def generator(seed: int, text: str) -> np.random.Generator:
    """Random numbers that follow from a text."""
    return np.random.default_rng([seed, *text.encode("utf-8", "replace")])


def heat(drawn: np.random.Generator, answer: int, grid: tuple[int, int]) -> np.ndarray:
    """A map for each token of an answer: a few cells are hot."""
    return (255 * drawn.random((answer, *grid)) ** 3).astype(np.uint8)


def blob(drawn: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A mask: an ellipse somewhere in the image."""
    mask = np.zeros(size, np.uint8)
    middle = [int(side * drawn.uniform(0.3, 0.7)) for side in size[::-1]]
    axes = [int(side * drawn.uniform(0.1, 0.25)) for side in size[::-1]]
    cv2.ellipse(mask, middle, axes, 0, 0, 360, 1, -1)
    return mask.astype(bool)
