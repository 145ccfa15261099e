"""Tiny random models, saved to a folder and loaded through the loader that real checkpoints take."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from pipeline.models import source
from pipeline.models.base import VLM
from pipeline.models.internvl import InternVL
from pipeline.models.llava import LLaVA
from pipeline.models.passes import Passes
from pipeline.models.qwen2_vl import Qwen2VL
from pipeline.types import WHOLE, Answer, Layout, Query
from tests import golden_files
from tests.checkpoints import CELL, internvl_folder, llava_folder, qwen2_vl_folder

Loaded = TypeVar("Loaded", bound=VLM)


def qwen2_vl(folder: Path, max_new_tokens: int = 8, **options: int | bool) -> Qwen2VL:
    """A tiny loaded Qwen2-VL; `options` are those of `qwen2_vl_folder`."""
    return loaded(Qwen2VL(str(qwen2_vl_folder(folder, **options)), max_new_tokens=max_new_tokens))  # type: ignore[arg-type]


def llava(folder: Path, max_new_tokens: int = 8, **options: int | bool) -> LLaVA:
    """A tiny loaded LLaVA; `options` are those of `llava_folder`."""
    return loaded(LLaVA(str(llava_folder(folder, **options)), max_new_tokens=max_new_tokens))  # type: ignore[arg-type]


def internvl(folder: Path, max_new_tokens: int = 8, **options: int | bool) -> InternVL:
    """A tiny loaded InternVL; `options` are those of `internvl_folder`."""
    return loaded(InternVL(str(internvl_folder(folder, **options)), max_new_tokens=max_new_tokens))  # type: ignore[arg-type]


FAMILIES: dict[str, Callable[..., VLM]] = {"qwen2_vl": qwen2_vl, "llava": llava, "internvl": internvl}
"""Family -> builder of a tiny loaded model in a folder."""


GOLDEN: dict[str, type[VLM]] = {"qwen2vl": Qwen2VL, "llava": LLaVA}
"""Family of a golden model -> its class."""


def loaded(vlm: Loaded) -> Loaded:
    """`vlm` with its weights read. Its files are tried in this process, which is twice as fast: they are tests' own."""
    with patch.object(source, "tried", lambda work, allowed: work()):
        vlm.load("cpu")
    return vlm


def image(rows: int, cols: int, seed: int = 0) -> Image.Image:
    """Noise that fills a grid of rows x cols visual tokens exactly."""
    noise = np.random.default_rng(seed).integers(0, 256, (rows * CELL, cols * CELL, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def golden_passes(path: Path) -> tuple[Passes, Query, Answer, dict[str, np.ndarray]]:
    """A golden model on one of its golden cases: its passes, query, answer and all arrays of the file."""
    arrays = golden_files.load(path)
    start = int(arrays["n_prompt"])
    inputs = {n.removeprefix("in_"): torch.from_numpy(a) for n, a in arrays.items() if n.startswith("in_")}
    length = inputs["input_ids"].shape
    inputs = {name: a[:, :start] if a.shape == length else a for name, a in inputs.items()}
    rows, cols = arrays["grid"].tolist()
    vision, prompt = (torch.from_numpy(arrays[n]) for n in ("visual_positions", "prompt_text_positions"))
    query = Query(image(rows, cols), "", 1.0, inputs, Layout(vision, rows, cols, WHOLE, prompt, start))
    ids = tuple(arrays["target_ids"].tolist())
    pieces = tuple(f" {i}" for i in ids)
    answer = Answer(ids, pieces, "".join(pieces), True)
    family = path.stem.split("_case")[0]
    vlm = GOLDEN[family](str(path.parent / f"model_{family}"))
    vlm.__dict__.update(facts={}, try_out=lambda: None)  # its folder holds no tokenizer, which a run would refuse
    return Passes(loaded(vlm), [query], [answer]), query, answer, arrays


def tolerance(path: Path, name: str) -> float:
    """Largest allowed max|difference| / max|reference| of one array of a golden case, by its manifest."""
    manifest = json.loads((path.parent / "manifest.json").read_text())
    return manifest["files"][path.name][name]["tolerance_fp32"]
