"""How dear is an explanation? Time of MSEA+ARC after generation, in units of one whole-prompt prefill.

Bound from below for scales 0.5, 0.75 and 1 on a free-size model: 0.25 + 0.56 = 0.81. Two models: random weights of
real proportions (over 200 M parameters, vocabulary 32,768, 448 x 448 pixels, 30 answer tokens) and the embedded one.

    python benchmarks/bench_explain.py
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import ROOT, demo_vlm
from PIL import Image

from pipeline.explainers.msea_arc import MSEAARC
from pipeline.models.base import VLM
from pipeline.models.passes import Passes
from pipeline.ops.maps import finish
from tests import tiny

ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(vlm: VLM, side: int, tokens: int) -> None:
    """Print the ratio for one model; prefill and explanation alternate, so drift meets both alike."""
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    queries = vlm.ask([Image.fromarray(pixels)], ["Write a one-sentence caption for this image:"])
    answers, traces = vlm.answer(queries)
    explainer = MSEAARC()

    def explain() -> None:
        passes = Passes(vlm, queries, answers, traces)
        finish(explainer.explain(passes, queries[0], answers[0]), explainer.rank_filter, explainer.normalise)

    def prefill() -> None:
        with torch.inference_mode():
            vlm.model(**queries[0].inputs, logits_to_keep=1, use_cache=True)

    explain(), prefill()
    pairs = [(seconds(explain), seconds(prefill)) for _ in range(ROUNDS)]
    parameters = sum(p.numel() for p in vlm.model.parameters()) / 1e6
    print(
        f"{parameters:6.1f} M parameters, {side} x {side}, {len(answers[0].ids)} tokens (asked {tokens}): "
        f"explanation / prefill = {statistics.median(e / p for e, p in pairs):.2f} "
        f"(prefill {statistics.median(p for _, p in pairs):.3f} s)"
    )


def main() -> None:
    """Both models, one line each."""
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        big = tiny.qwen2_vl(Path(folder), hidden=1024, layers=12, ffn=2816, vocab=32_768, vision=768, depth=8, tokens=30)
        ratio(big, 448, 30)
    ratio(demo_vlm(ROOT), 256, 30)


if __name__ == "__main__":
    main()
