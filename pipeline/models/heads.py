"""What the heads of one decoder block attend with, and their attention weights, a few heads at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

WEIGHTS = 2**25
"""So many attention weights are made at once (fp32: 128 MB), or those of one head where they are more.

About twice that lives for a moment while they are normalised, five times where their gradients are made too.
"""


@dataclass(frozen=True, eq=False)
class Heads:
    """Queries, keys and values of all heads of one block for one sample; shared keys and values are repeated.

    mask: bool (True attends) or added to the scores. causal: no position attends to a later one; then no mask.
    """

    query: Float[Tensor, "1 heads tokens width"]
    key: Float[Tensor, "1 heads tokens width"]
    value: Float[Tensor, "1 heads tokens _"]
    mask: Tensor | None
    causal: bool
    scale: float


def attend(heads: Heads) -> Float[Tensor, "1 heads tokens _"]:
    """The attention's output, by the fused kernel: no weights are kept."""
    return scaled_dot_product_attention(
        heads.query, heads.key, heads.value, heads.mask, is_causal=heads.causal, scale=heads.scale
    )


def weights(
    heads: Heads, rows: Int[Tensor, " rows"] | None = None
) -> Iterator[tuple[slice, Float[Tensor, "some rows tokens"]]]:
    """Attention weights, fp32, of some heads after the other (which, and theirs); all rows or those asked for."""
    count, tokens = heads.query.shape[1:3]
    rows = torch.arange(tokens, device=heads.query.device) if rows is None else rows.to(heads.query.device)
    step = max(1, WEIGHTS // max(1, len(rows) * tokens))
    for start in range(0, count, step):
        part = slice(start, start + step)
        scores = heads.query[0, part, rows].float() @ heads.key[0, part].float().mT * heads.scale
        if heads.causal:
            scores = scores.masked_fill(torch.arange(tokens, device=rows.device) > rows[:, None], -torch.inf)
        elif heads.mask is not None:
            mask = heads.mask[0, part, rows] if heads.mask.shape[1] > 1 else heads.mask[0, :, rows]
            scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
        yield part, scores.softmax(-1)


def mean_weights(heads: Heads, rows: Int[Tensor, " rows"] | None = None) -> Float[Tensor, "rows tokens"]:
    """Attention weights, averaged over the heads, fp32. Each row sums to one."""
    total = sum(found.sum(0) for _, found in weights(heads, rows))
    return total / heads.query.shape[1]  # type: ignore[return-value]
