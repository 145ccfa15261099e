"""Attention from the predicting positions, of single blocks and rolled out over all."""

from collections.abc import Collection

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.models.base import VLM
from pipeline.models.decoder import Entry, run
from pipeline.models.heads import Heads, attend, mean_weights


@torch.no_grad()
def attention(vlm: VLM, entry: Entry, layers: Collection[int]) -> Float[Tensor, "answer tokens"]:
    """Attention of every predicting position to all positions, mean over the heads and over the blocks `layers`.

    Only these rows are made: answer x tokens weights a head, while the output comes from the fused kernel.
    """
    found: list[Tensor] = []

    def watch(block: int, heads: Heads) -> Tensor:
        if block in layers:
            found.append(mean_weights(heads, entry.predicting))
        return attend(heads)

    run(vlm, entry, watch)
    return torch.stack(found).mean(0)


@torch.no_grad()
def rollout(vlm: VLM, entry: Entry) -> Float[Tensor, "answer tokens"]:
    """Rows of the product, over all blocks, of half their mean attention and half the identity.

    Multiplied from the first block on while the pass runs, so that of all attention only one block's mean is alive,
    beside the product: a few matrices of tokens x tokens, whatever the depth. Each row sums to one.
    """
    tokens = entry.embeds.shape[1]
    rolled = torch.eye(tokens, device=entry.embeds.device)

    def roll(block: int, heads: Heads) -> Tensor:
        nonlocal rolled
        rolled = (mean_weights(heads) @ rolled + rolled) / 2
        return attend(heads)

    run(vlm, entry, roll)
    return rolled[entry.predicting]
