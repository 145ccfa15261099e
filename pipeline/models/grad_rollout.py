"""Attention times its gradient, rolled out over all blocks while the backward pass runs."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.models.base import VLM
from pipeline.models.decoder import Entry, logits, run
from pipeline.models.heads import Heads, attend, weights


def grad_rollout(vlm: VLM, entry: Entry, discard: float = 0.0) -> Float[Tensor, "answer tokens"]:
    """For every answer token the row, at its predicting position, of the product over all blocks of

    `rownorm(F + I)`, `F = relu(mean over heads of attention * gradient of the token's logit)`; of every F the share
    `discard` of the smallest entries is set to 0. One backward pass a token over one shared graph.

    The row runs through the blocks from the last to the first, as does the gradient: it is the gradient of a dummy
    that runs through all attention functions beside the values. No attention matrix outlives its block.
    """
    tokens, device = entry.embeds.shape[1], entry.embeds.device
    with torch.inference_mode(False), torch.enable_grad():
        first = torch.zeros(tokens, device=device, requires_grad=True)
        last = first

        def roll(block: int, heads: Heads) -> Tensor:
            nonlocal last
            out, last = _Roll.apply(heads.query, heads.key, heads.value, last, heads, discard)
            return out

        targets = logits(vlm, entry, run(vlm, entry, roll))
        rows = torch.zeros(len(targets), tokens, device=device)
        for n, target in enumerate(targets):
            start = torch.zeros(tokens, device=device)
            start[entry.predicting[n]] = 1
            ends = (torch.ones_like(target), start)
            (rows[n],) = torch.autograd.grad([target, last], first, ends, retain_graph=True)
    return rows


class _Roll(torch.autograd.Function):
    """Attention whose backward pass makes the weights anew and takes the row one block further down."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, row: Tensor, heads: Heads, discard: float
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(query, key, value)
        ctx.mask, ctx.causal, ctx.scale, ctx.discard = heads.mask, heads.causal, heads.scale, discard
        return attend(heads), row.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor, row: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        query, key, value = ctx.saved_tensors
        heads = Heads(query, key, value, ctx.mask, ctx.causal, ctx.scale)
        down = any(ctx.needs_input_grad[:3])
        fused = query.new_zeros(query.shape[2], query.shape[2], dtype=torch.float32)
        grads = [torch.zeros_like(each) if down else None for each in (query, key, value)]
        for part, attention in weights(heads):
            out = grad[0, part].float()
            weighted = attention * (out @ value[0, part].float().mT)
            fused += weighted.sum(0)
            if down:
                scores = (weighted - attention * weighted.sum(-1, keepdim=True)) * ctx.scale
                for into, found in zip(
                    grads,
                    (scores @ key[0, part].float(), scores.mT @ query[0, part].float(), attention.mT @ out),
                    strict=True,
                ):
                    into[0, part] = found.to(into.dtype)  # type: ignore[index,union-attr]
        fused = discarded(fused.relu_(), row, ctx.discard) / query.shape[1]
        share = row / (fused.sum(1) + 1)
        return *grads, share @ fused + share, None, None


def discarded(fused: Float[Tensor, "tokens tokens"], row: Float[Tensor, " tokens"], discard: float) -> Tensor:
    """`fused` without the smallest share `discard` of its entries.

    Entries count up to the predicting position, the last where `row` is not 0, as if no later token were there.
    """
    if not discard:
        return fused
    tokens = int(row.nonzero()[-1]) + 1
    keep = tokens**2 - int(discard * tokens**2)
    least = fused.flatten().topk(keep).values[-1]
    return torch.where(fused >= least, fused, 0)
