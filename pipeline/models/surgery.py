"""A second path through the last decoder blocks, on which visual tokens attend by their values alone."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from pipeline.models.base import VLM
from pipeline.models.decoder import Entry, run
from pipeline.models.heads import Heads, attend
from pipeline.types import Layout


@torch.no_grad()
def surgery(vlm: VLM, entry: Entry, layout: Layout, blocks: int, causal: bool = False) -> Float[Tensor, "vision dim"]:
    """States of the visual tokens after the final norm, at the end of the new path.

    The path leaves the model's own before the last `blocks` blocks. Each adds `o_proj(softmax(V V^T / sqrt(width)) V)`
    with the values V that its heads have on the model's own path (shared values repeated), over visual tokens only;
    there is no MLP. causal: a visual token attends to none after it.
    """
    first, vision = len(vlm.blocks) - blocks, layout.vision.to(entry.embeds.device)
    order = vision <= vision[:, None] if causal else None
    stack: Any = vlm.blocks
    begin: list[Tensor] = []
    added: list[Tensor] = []

    def watch(block: int, heads: Heads) -> Tensor:
        if block >= first:
            values = heads.value[:, :, vision]
            seen = scaled_dot_product_attention(values, values, values, order)
            added.append(stack[block].self_attn.o_proj(seen[0].transpose(0, 1).flatten(1)))
        return attend(heads)

    def start(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        begin.append(args[0][0, vision])

    with (stack[first] if blocks else vlm.norm).register_forward_pre_hook(start):
        run(vlm, entry, watch)
    return vlm.norm(sum(added, begin[0]))
