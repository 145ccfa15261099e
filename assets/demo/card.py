"""Measure the embedded models on the held-out scenes and write MODEL_CARD.md.

python assets/demo/card.py [FAMILY ...] [--limit N]: figures by the definitions that the card states.
"""

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scenes import FONT_SHA256

from datamodules.manifest import FILE, Manifest
from datamodules.sample import Sample
from datamodules.shards import read
from metrics import matching
from metrics.base import Sum, gather
from metrics.pixels import WHOLE, Maps, decode
from metrics.words import tagger, words_of
from pipeline.models.base import VLM
from pipeline.models.internvl import InternVL
from pipeline.models.llava import LLaVA
from pipeline.models.qwen2_vl import Qwen2VL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.types import Answer, Trace

HERE = Path(__file__).resolve().parent
MODELS: dict[str, tuple[type[VLM], str]] = {
    "qwen2_vl": (Qwen2VL, "model"),
    "llava": (LLaVA, "model_llava"),
    "internvl": (InternVL, "model_internvl"),
}
"""Family -> its class and the folder of its embedded checkpoint."""
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


def measure_one(model: VLM, sample: Sample, answer: "Answer", trace: "Trace", figures: Figures) -> None:
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


def measure(model: VLM, samples: Sequence[Sample]) -> Figures:
    """All figures of the card."""
    figures = Figures()
    for start in range(0, len(samples), BATCH):
        batch = samples[start : start + BATCH]
        queries = model.ask([s.image for s in batch if s.image], [s.prompt for s in batch])
        for sample, answer, trace in zip(batch, *model.answer(queries), strict=True):
            measure_one(model, sample, answer, trace, figures)
    return figures


def cells(sums: Mapping[str, Sum]) -> dict[str, str]:
    """Every figure of one model with what it stands on."""
    mean = {name: total.mean for name, total in sums.items()}
    share = lambda name: f"{100 * mean[name]:.1f} % of {sums[name].count}"  # noqa: E731
    overlap = lambda name: f"{mean[name]:.3f} over {sums[name].count}"  # noqa: E731
    return {
        "noun recall (categories in the scene that the caption names)": share("recall"),
        "noun precision (categories the caption names that are in the scene)": share("precision"),
        "exactly the right set of categories": share("exact"),
        "map of the right word, IoU": overlap("right"),
        "map of a wrong word, IoU": overlap("wrong"),
        "random map, IoU": overlap("random"),
        "right over wrong": f"{mean['right'] / mean['wrong']:.2f}",
        "right over random": f"{mean['right'] / mean['random']:.2f}",
        "pointing (expected hit over the plateau of maxima)": share("pointing"),
    }


AIMS = ("94 %", "92 %", "", "", "", "", "4", "3.5", "80 %")
"""What was aimed at, at least, on the default model."""


def table(figures: Mapping[str, Figures]) -> str:
    """The figures as Markdown, a column a family."""
    columns = [cells(found.sums()) for found in figures.values()]
    lines = [f"| figure | {' | '.join(figures)} | aim: at least |", "|---|" + "---|" * (len(figures) + 1)]
    for name, aim in zip(columns[0], AIMS, strict=True):
        lines.append(f"| {name} | {' | '.join(column[name] for column in columns)} | {aim} |")
    return "\n".join(lines)


def training(facts: Mapping[str, Any]) -> str:
    """One sentence about the run that made a model."""
    steps, planned = facts["steps"], facts["steps_planned"]
    state = "the training ran to its end" if facts["finished"] else f"the training was cut short (planned: {planned})"
    return f"{state}: {facts['cpu_minutes']} CPU-minutes, data generation included; steps by stage: {steps}."


def made(family: str, model: VLM) -> str:
    """How one model was made and how to know its weights, as an item of a list."""
    weights = HERE / MODELS[family][1] / "model.safetensors"
    parameters = sum(p.numel() for p in model.model.parameters()) / 1e6
    facts = json.loads((HERE / "training.json").read_text())[family]
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    size = weights.stat().st_size / 1e6
    about = f"**{family}**, {parameters:.2f} million parameters, {size:.1f} MB"
    return f"- {about}: {training(facts)} Weights: sha256 `{digest}`"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"any of {', '.join(MODELS)}; default: all")
    parser.add_argument("--shards", type=Path, default=HERE / "shards")
    parser.add_argument("--limit", type=int, help="measure the first N scenes only, print, and leave the card alone")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if unknown := set(options.families) - set(MODELS):
        parser.error(f"no such family: {', '.join(sorted(unknown))}")
    torch.set_num_threads(options.threads)
    manifest = Manifest.load(options.shards / FILE)
    count = len(manifest.samples[: options.limit])
    samples = list(read(manifest, options.shards, range(count)))
    figures, items = {}, []
    for family in options.families or MODELS:
        kind, folder = MODELS[family]
        model = kind(str(HERE / folder))
        model.load()
        figures[family] = measure(model, samples)
        items.append(made(family, model))
    measured = table(figures)
    print(measured)
    if options.limit is not None or len(figures) < len(MODELS):
        return
    text = Template((HERE / "card.in.md").read_text()).substitute(
        table=measured,
        models="\n".join(items),
        scenes=count,
        captions=", ".join(f"{len(found.captions)} ({name})" for name, found in figures.items()),
        manifest=manifest.digest,
        font=FONT_SHA256,
        categories=", ".join(manifest.categories),
    )
    (HERE / "MODEL_CARD.md").write_text(text)
    print(f"written to {HERE / 'MODEL_CARD.md'}")


if __name__ == "__main__":
    main()
