"""What does one image cost in models of the paper's largest sizes? Seconds and peak memory of each stage.

Random bfloat16 weights of the true shapes, an image of 840 x 560 pixels, 64 answer tokens, every explainer of
`configs/explainer`; each stage is run twice and its second run reported. Stems of `tests/sizes.py` may follow.
Without a CUDA device it counts parameters only.

    python benchmarks/bench_sizes.py
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from common import ROOT, seconds
from PIL import Image

from pipeline import cli
from pipeline.explainers.base import Explainer
from pipeline.models.base import VLM
from pipeline.models.passes import Passes
from pipeline.ops.maps import finish
from run_eval import quieten
from tests.sizes import on_meta, with_random_weights

STEMS = ("qwen2_vl_7b", "llava15_13b", "internvl25_8b")
PROMPT = "Describe this image in one sentence."
TOKENS = 64
Result = TypeVar("Result")


def stage(name: str, work: Callable[[], Result], device: torch.device) -> Result:
    """Do `work` twice; print seconds and peak memory of the second time."""
    done, cuda = [work()], device.type == "cuda"

    def again() -> None:
        done[0] = work()
        if cuda:
            torch.cuda.synchronize()

    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    spent = seconds(again)
    peak = f", peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if cuda else ""
    print(f"  {name}: {spent:.2f} s{peak}", flush=True)
    return done[0]


def measure(vlm: VLM, device: torch.device) -> None:
    """Every stage of one image."""
    weights = sum(p.nbytes for p in vlm.model.parameters()) / 2**30
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (560, 840, 3), dtype=np.uint8))
    queries = vlm.ask([image], [PROMPT])
    layout = queries[0].layout
    shape = f"{layout.rows} x {layout.cols} visual of {layout.length} prompt tokens"
    print(f"  weights {weights:.1f} GiB, {shape}", flush=True)
    answers, traces = stage(f"answer of {TOKENS} tokens", lambda: vlm.answer(queries), device)
    stems = sorted(path.stem for path in (ROOT / "configs" / "explainer").glob("*.yaml"))
    for name, explainer in cli.parse(["--explainers", ",".join(stems)]).build()[-1].items():

        def explain(explainer: Explainer = explainer) -> None:
            passes = Passes(vlm, queries, answers, traces)
            found = explainer.explain(passes, queries[0], answers[0])
            finish(found, explainer.rank_filter, explainer.normalise, explainer.floor)

        try:
            stage(name, explain, device)
        except torch.OutOfMemoryError:
            print(f"  {name}: out of memory", flush=True)


def main(stems: list[str]) -> None:
    """One model after the other; nothing of one is left when the next is made."""
    quieten()
    if not torch.cuda.is_available():
        print("no CUDA device: shapes only")
    for stem in stems:
        count = sum(p.numel() for p in on_meta(stem).model.parameters())
        print(f"{stem}: {count / 1e9:.2f} B parameters", flush=True)
        if torch.cuda.is_available():
            device = torch.device("cuda")
            with tempfile.TemporaryDirectory() as folder:
                measure(with_random_weights(stem, Path(folder), device, torch.bfloat16, TOKENS), device)
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main(sys.argv[1:] or list(STEMS))
