"""Layer-wise relevance propagation as gradient times input, by rules that change the backward pass alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.models import scope
from pipeline.models.base import VLM
from pipeline.models.capabilities import gated_mlp
from pipeline.models.decoder import Entry, logits, run
from pipeline.models.heads import Heads, attend

Rule = Literal["cp", "attn"]
"""cp: attention weights and gates are constants (Ali et al. 2022). attn: a product's relevance is shared by its factors
and a non-linearity passes on by its secant (Achtibat et al. 2024)."""
LATE, WHERE = "deepstack_visual_embeds", "visual_pos_masks"
"""What transformers calls visual features that join behind the first blocks, and the mask of their positions."""


def relevance(vlm: VLM, entry: Entry, rule: Rule) -> Float[Tensor, "answer tokens"]:
    """Signed relevance of every position for every answer token, where the language model is entered, summed over
    channels. One backward pass a token over one shared graph.
    """
    with graph(vlm, entry, rule) as (inputs, targets):
        rows = targets.new_zeros(len(targets), entry.embeds.shape[1])
        for row, target in zip(rows.unbind(), targets, strict=True):
            grads = torch.autograd.grad(target, [each.states for each in inputs], retain_graph=True)
            for each, grad in zip(inputs, grads, strict=True):
                found = (each.states.detach().float() * grad.float()).sum(-1)
                row.index_add_(0, each.positions, found.flatten())
    return rows


@dataclass(frozen=True, eq=False)
class Input:
    """States that enter the language model, and the positions that they are added to."""

    states: Float[Tensor, "*batch tokens dim"]
    positions: Int[Tensor, " tokens"]


@contextmanager
def graph(vlm: VLM, entry: Entry, rule: Rule) -> Iterator[tuple[list[Input], Tensor]]:
    """All inputs and, made from them under `rule`, the logit of every answer token where it is predicted.

    The embeddings come first; visual features that some models (Qwen3-VL) add behind the first blocks follow.
    """
    with torch.inference_mode(False), torch.enable_grad():
        embeds, *late = [
            each.detach().clone().requires_grad_() for each in (entry.embeds, *(entry.others.get(LATE) or []))
        ]
        inputs = [Input(embeds, torch.arange(embeds.shape[1], device=embeds.device))]
        inputs += [Input(each, entry.others[WHERE][0].nonzero()[:, 0]) for each in late]
        own = replace(entry, embeds=embeds, others={**entry.others, LATE: late} if late else entry.others)
        with scope.frozen_norms(2 * len(vlm.blocks) + 1), scope.outputs(gates(vlm, rule)):
            states = run(vlm, own, constant if rule == "cp" else shared)
        yield inputs, logits(vlm, own, states)


def constant(block: int, heads: Heads) -> Tensor:
    """Attention through its values alone."""
    query, key = heads.query.detach(), heads.key.detach()
    return attend(Heads(query, key, heads.value, heads.mask, heads.causal, heads.scale))


def shared(block: int, heads: Heads) -> Tensor:
    """Half the relevance to the values, half to the weights and of that half to the queries and half to the keys."""
    query, key, value = damp(heads.query, 0.25), damp(heads.key, 0.25), damp(heads.value, 0.5)
    return attend(Heads(query, key, value, heads.mask, heads.causal, heads.scale))


def damp(states: Tensor, factor: float) -> Tensor:
    """The same values, with `factor` times their gradient."""
    same = states.view_as(states)
    same.register_hook(lambda grad: grad * factor)
    return same


class Secant(torch.autograd.Function):
    """The output of an activation function, passing on gradients by output / input: its slope from 0."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, out: Tensor) -> Tensor:
        ctx.save_for_backward(torch.where(states == 0, 0.5, out / states))
        return out.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return grad * ctx.saved_tensors[0], None


def gates(vlm: VLM, rule: Rule) -> dict[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """What becomes of the two factors of every gated MLP, `act_fn(gate_proj(x))` and `up_proj(x)`."""
    rules: dict[nn.Module, Callable[[Tensor, Tensor], Tensor]] = {}
    for number, block in enumerate(vlm.blocks):
        try:
            found = gated_mlp(block)
        except ValueError as error:
            raise ValueError(f"block {number} {error}") from error
        if rule == "cp":
            rules[found.act_fn] = lambda states, out: out.detach()
        else:
            rules[found.act_fn] = lambda states, out: damp(Secant.apply(states, out), 0.5)
            rules[found.up_proj] = lambda states, out: damp(out, 0.5)
    return rules
