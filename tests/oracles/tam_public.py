"""TAM as its public code runs it on a model: every step's hidden states through the model's own head, in its own dtype,
then numpy. Written anew from that code's rules (xmed-lab/TAM @7c7df1d), one token at a time."""

from copy import copy

import numpy as np
import torch
from torch import Tensor

from pipeline.models.base import VLM
from pipeline.types import Query


def stepwise_logits(vlm: VLM, query: Query) -> tuple[list[int], Tensor]:
    """The generated ids and the logits of all positions, of each step by itself, still in the model's dtype."""
    settings = copy(vlm.generation)
    settings.return_dict_in_generate = settings.output_hidden_states = True
    inputs = {n: v.to(vlm.dtype) if v.is_floating_point() else v for n, v in query.inputs.items()}
    with torch.no_grad():
        out = vlm.model.generate(**inputs, generation_config=settings)
        steps = [vlm.model.get_output_embeddings()(step[-1])[0] for step in out.hidden_states]
    return out.sequences[0, query.layout.length :].tolist(), torch.cat(steps)


def tam(query: Query, answer: list[int], logits: Tensor) -> np.ndarray:
    """Maps of all answer tokens, with the quirks of the public code: uint8, answer x rows x cols."""
    layout, tokens = query.layout, query.inputs["input_ids"][0].tolist() + answer
    prompt, last = layout.prompt.tolist(), layout.length - 1
    words = [tokens[p] for p in prompt] + answer
    vision: list[np.ndarray] = []
    maps = []
    for t in range(len(words)):
        if t < len(prompt):
            cls = tokens[prompt[t]] if t else int(logits[prompt[0]].argmax(0))
        else:
            cls = tokens[last] if t == len(prompt) else answer[t - len(prompt)]
        seen = max(t - len(prompt), 0)  # rounds before this one: what each predicted stands before it
        scores = logits[: layout.length + seen, cls].clip(min=0).float().numpy()
        text = np.concatenate([scores[prompt], scores[last:]])
        image = scores[layout.vision.numpy()]
        vision.append(image)
        others = [j for j in range(t) if words[j] != words[t]]
        if t:
            weights = text[others] / (text[others].sum() + 1e-8)
            mixed = (np.stack([vision[j] for j in others]) * weights[:, None]).sum(0) if others else image * 0
            norm = float(np.square(mixed, dtype=np.float64).sum())
            beta = float((image.astype(np.float64) * mixed).sum()) / norm if norm else 0.0
            image = (image - mixed * beta).astype(np.float32).clip(min=0)
        maps.append(finished(image, text[: len(prompt) + seen], layout.rows, layout.cols))
    return np.stack([maps[0], *maps[len(prompt) + 1 :]])


def finished(image: np.ndarray, text: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """Min-max with the text scores, the filter, eight bits."""
    both = np.concatenate([image, text])
    image = ((image - both.min()) / (both.max() - both.min())).reshape(rows, cols)
    padded, out = np.pad(image, 1, mode="reflect"), np.zeros_like(image)
    for i in range(rows):
        for j in range(cols):
            window = np.sort(padded[i : i + 3, j : j + 3].flatten())
            if window.mean() > 0 and window.std() > 0:
                width = window.std() / window.mean()
                kernel = np.exp(-((np.arange(9) - 4) ** 2) / (2 * width**2))
                out[i, j] = (window * (kernel / kernel.sum())).sum()
    return (out * 255).astype(np.uint8)
