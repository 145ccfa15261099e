"""How dear is an explanation? Time of MSEA+ARC after generation, in units of one whole-prompt prefill.

Bound from below for scales 0.5, 0.75 and 1 on a free-size model: 0.25 + 0.56 = 0.81. Two models: random weights of
real proportions (over 200 M parameters, vocabulary 32,768, 448 x 448 pixels, 30 answer tokens) and the embedded one.

    python benchmarks/bench_explain.py
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from common import compare, demo_samples, demo_vlm, report
from PIL import Image

from pipeline.explainers.msea_arc import MSEAARC
from pipeline.models.base import VLM
from pipeline.models.passes import Passes
from pipeline.ops.maps import finish
from tests import tiny

PROMPT = "Describe this image in one sentence."


def ratio(name: str, vlm: VLM, image: Image.Image, prompt: str, rounds: int, goal: float) -> None:
    """Print the ratio for one model and one image."""
    queries = vlm.ask([image], [prompt])
    answers, traces = vlm.answer(queries)
    explainer = MSEAARC(scales=(0.5, 0.75, 1.0))

    def explain() -> None:
        passes = Passes(vlm, queries, answers, traces)
        finish(explainer.explain(passes, queries[0], answers[0]), explainer.rank_filter, explainer.normalise)

    @torch.no_grad()
    def prefill() -> None:
        vlm.model(**queries[0].inputs, logits_to_keep=1, use_cache=True)

    found, work, unit = compare(explain, prefill, rounds)
    parameters = sum(p.numel() for p in vlm.model.parameters()) / 1e6
    layout = queries[0].layout
    shape = (
        f"{parameters:.0f} M parameters, {layout.rows} x {layout.cols} visual and {len(answers[0].ids)} answer tokens"
    )
    report(f"explanation / prefill, {name} ({shape})", found, goal, work, unit)


def main() -> None:
    """Both models, one line each."""
    sample = demo_samples(1)[0]
    assert sample.image is not None
    ratio("embedded model", demo_vlm(), sample.image, sample.prompt, 21, 2.0)
    sizes = {"hidden": 1024, "layers": 14, "heads": 8, "vocab": 32_768, "patch": 14, "most": 256}
    sizes |= {"vision": 768, "vision_layers": 10, "vision_heads": 12}
    noise = np.random.default_rng(0).integers(0, 256, (448, 448, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        big = tiny.qwen2_vl(Path(folder), max_new_tokens=30, **sizes)
        ratio("random weights", big, Image.fromarray(noise), PROMPT, 5, 0.9)


if __name__ == "__main__":
    main()
