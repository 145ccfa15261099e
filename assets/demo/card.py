"""Measure the embedded model on the held-out scenes and write MODEL_CARD.md.

python assets/demo/card.py [--limit N]: figures by the definitions that the card states.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from datamodules.manifest import FILE, Manifest
from datamodules.sample import Sample
from datamodules.shards import read
from metrics import matching
from metrics.base import Sum, gather
from metrics.pixels import WHOLE, Maps, decode
from metrics.words import tagger, words_of
from pipeline.models.qwen2_vl import Qwen2VL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.types import Answer, Trace

BATCH = 8
WRONG, RANDOM = 5, 20
SEED = 0


@dataclass
class Figures:
    """Sums over the held-out scenes; maps are those of objects that the caption names."""

    recall: list[float] = field(default_factory=list)
    precision: list[float] = field(default_factory=list)
    exact: list[float] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    wrong: list[float] = field(default_factory=list)
    random: list[float] = field(default_factory=list)
    pointing: list[float] = field(default_factory=list)
    captions: set[str] = field(default_factory=set)

    def sums(self) -> dict[str, Sum]:
        """Total and count of every figure."""
        return {name: gather(values) for name, values in vars(self).items() if name != "captions"}


def levels(scores: "NDArray[np.float32]") -> "NDArray[np.uint8]":
    """A signed map as uint8, from its minimum to its maximum."""
    low, high = scores.min(), scores.max()
    return np.round((scores - low) / max(high - low, 1e-12) * 255).astype(np.uint8)


def measure_one(model: Qwen2VL, sample: Sample, answer: "Answer", trace: "Trace", figures: Figures) -> None:
    """Add one scene's figures."""
    words = words_of(answer.pieces, tagger("hanta"))
    names = matching.vocabulary(sample.categories, tagger("hanta"))
    said = {match.category for match in matching.corrected(words, names)}
    truth = dict(sample.masks or {})
    figures.recall += [name in said for name in truth]
    figures.precision += [name in truth for name in said]
    figures.exact.append(said == set(truth))
    figures.captions.add(answer.text)
    rng = np.random.default_rng((SEED, sample.index))
    absent = [name for name in sample.categories if name not in truth]
    for name in sorted(said & truth.keys()):
        mask = decode(truth[name])
        area = int(np.count_nonzero(mask))
        chosen = [name, *(absent[i] for i in rng.choice(len(absent), WRONG, replace=False))]
        ids = torch.tensor([model.spell(f" {word}").ids[0] for word in chosen])
        lens = model.unembed(trace.vision, ids).T.reshape(-1, trace.rows, trace.cols).numpy()
        noise = rng.random((RANDOM, trace.rows, trace.cols), dtype=np.float32)
        maps = Maps(np.stack([levels(scores) for scores in (*lens, *noise)]), mask.shape)
        overlaps = [maps.placed(i, WHOLE).overlap(mask, area)[0] for i in range(1 + WRONG + RANDOM)]
        figures.right.append(overlaps[0])
        figures.wrong.append(float(np.mean(overlaps[1 : 1 + WRONG])))
        figures.random.append(float(np.mean(overlaps[1 + WRONG :])))
        figures.pointing.append(maps.placed(0, WHOLE).pointing(mask))


def measure(model: Qwen2VL, samples: Sequence[Sample]) -> Figures:
    """All figures of the card."""
    figures = Figures()
    for start in range(0, len(samples), BATCH):
        batch = samples[start : start + BATCH]
        queries = model.ask([s.image for s in batch if s.image], [s.prompt for s in batch])
        for sample, answer, trace in zip(batch, *model.answer(queries), strict=True):
            measure_one(model, sample, answer, trace, figures)
    return figures
