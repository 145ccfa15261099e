"""What eager attention leaves when it keeps everything, and the paper's formulae over it, slowly and in float64."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.models.base import VLM
from pipeline.types import Answer, Query


@dataclass
class Stored:
    """attentions: of every block, heads x tokens x tokens. logits: of every answer token where it is predicted.

    predicting: those positions.
    """

    attentions: list[Tensor]
    logits: Tensor
    predicting: list[int]


def stored(vlm: VLM, query: Query, answer: Answer) -> Stored:
    """One pass of transformers' own eager attention over prompt and answer, with its graph."""
    eager = type(vlm)(vlm.checkpoint, attention="eager")
    eager.load()
    inputs = eager.batch([query], [answer]).inputs
    inputs = {n: v.requires_grad_() if v.is_floating_point() else v for n, v in inputs.items()}
    out = eager.model(**inputs, use_cache=False, output_attentions=True)
    predicting = [query.layout.length - 1 + r for r in range(len(answer.ids))]
    logits = torch.stack([out.logits[0, q, k] for q, k in zip(predicting, answer.ids, strict=True)])
    return Stored(list(out.attentions), logits, predicting)


def rollout(attentions: list[Tensor]) -> Tensor:
    """The whole product (Abnar and Zuidema 2020)."""
    result = torch.eye(attentions[0].shape[-1], dtype=torch.float64)
    for attention in attentions:
        mixed = (attention[0].double().mean(0) + torch.eye(len(result), dtype=torch.float64)) / 2
        result = mixed @ result
    return result


def grad_rollout(given: Stored, token: int, discard: float) -> Tensor:
    """The row of one token: everything stored, cut to the prefix that ends where the token is predicted."""
    length = given.predicting[token] + 1
    grads = torch.autograd.grad(given.logits[token], given.attentions, retain_graph=True)
    result = torch.eye(length, dtype=torch.float64)
    for attention, grad in zip(given.attentions, grads, strict=True):
        fused = (attention[0].double() * grad[0].double()).mean(0).clamp(min=0)[:length, :length]
        flat = fused.flatten()
        flat[flat.argsort()[: int(discard * length**2)]] = 0
        mixed = flat.view(length, length) + torch.eye(length, dtype=torch.float64)
        result = (mixed / mixed.sum(-1, keepdim=True)) @ result
    row = torch.zeros(given.attentions[0].shape[-1], dtype=torch.float64)
    row[:length] = result[-1]
    return row
