"""Figures of an embedded model on scenes with masks: captions, and last-layer logit-lens maps by their IoU."""

import re
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from family import Family
from numpy.typing import NDArray
from scenes import CATEGORIES, PROMPT, Scene

PATTERN = re.compile(r"\b(" + "|".join(sorted(CATEGORIES, key=len, reverse=True)) + r")\b")


def mentioned(text: str) -> list[str]:
    """Categories that a caption names, in order."""
    return PATTERN.findall(text)


def answer(family: Family, model: Any, processor: Any, scene: Scene) -> tuple[str, torch.Tensor]:
    """The greedy caption, and the visual tokens' last hidden states [rows, columns, dim]."""
    inputs, rows, cols = family.inputs(processor, scene.image, PROMPT)
    with torch.inference_mode():
        out = model.generate(
            **inputs, max_new_tokens=48, do_sample=False, output_hidden_states=True, return_dict_in_generate=True
        )
    start = inputs["input_ids"].shape[1]
    text = processor.tokenizer.decode(out.sequences[0, start:], skip_special_tokens=True)
    where = inputs["input_ids"][0] == model.config.image_token_id
    return text, out.hidden_states[0][-1][0, where].view(rows, cols, -1)


def overlap(scores: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """IoU of a signed map with a mask: min-max to uint8, resized to the mask, cut by Otsu."""
    spread = scores.max() - scores.min()
    levels = ((scores - scores.min()) / max(spread, 1e-12) * 255).astype(np.uint8)
    large = cv2.resize(levels, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    _, cut = cv2.threshold(large, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    inside = cut > 0
    return float((inside & mask).sum() / max((inside | mask).sum(), 1))


def pointing(scores: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Expected hit of a pixel drawn from the cells that hold the maximum."""
    plateau = cv2.resize((scores == scores.max()).astype(np.uint8), mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return float(mask[plateau > 0].mean())


def judge(family: Family, model: Any, processor: Any, scenes: Sequence[Scene]) -> dict[str, float]:
    """Recall, precision and exact sets of captions; IoU of right-word, wrong-word and random maps; pointing.

    Maps are those of correctly named objects: the first token of the right word, the mean over the first tokens of
    five seeded absent categories, the mean over 20 i.i.d. uniform maps at the token grid.
    """
    rng = np.random.default_rng(0)
    head = model.get_output_embeddings().weight
    hits = present = named = exact = 0
    right, wrong, chance, points = [], [], [], []
    for scene in scenes:
        text, states = answer(family, model, processor, scene)
        said = set(mentioned(text))
        found = [name for name in scene.names if name in said]
        hits, present, named = hits + len(found), present + len(scene.names), named + len(said)
        exact += said == set(scene.names)

        def lens(name: str, states: torch.Tensor = states) -> NDArray[np.float32]:
            return (states @ head[processor.tokenizer.encode(" " + name)[0]]).detach().float().numpy()

        absent = [name for name in CATEGORIES if name not in scene.names]
        for name in found:
            mask = scene.masks[name]
            right.append(overlap(lens(name), mask))
            points.append(pointing(lens(name), mask))
            wrong.append(np.mean([overlap(lens(absent[i]), mask) for i in rng.choice(len(absent), 5, replace=False)]))
            uniform = rng.random((20, *states.shape[:2]), dtype=np.float32)
            chance.append(np.mean([overlap(noise, mask) for noise in uniform]))
    mean = lambda values: float(np.mean(values)) if values else float("nan")  # noqa: E731
    return {
        "recall": hits / max(present, 1),
        "precision": hits / max(named, 1),
        "exact": exact / max(len(scenes), 1),
        "iou": mean(right),
        "wrong": mean(wrong),
        "random": mean(chance),
        "pointing": mean(points),
    }
