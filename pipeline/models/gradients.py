"""Activations inside the language model and the gradient that an answer token's score has there."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.models.base import VLM
from pipeline.models.batch import gather
from pipeline.models.decoder import Entry, logits, run
from pipeline.types import Answer, Query, Trace

Gradients = Iterator[Float[Tensor, "vision dim"]]
"""For one answer token after the other, at its turn: all of them would be answer x vision x dim values."""


def view_gradients(vlm: VLM, trace: Trace, answer: Answer) -> Gradients:
    """Gradient at the visual states after the final norm of the token's logit summed over these states.

    The head is linear, so it is the token's row of the unembedding, at every state.
    """
    for token in answer.ids:
        yield vlm.entry(token).float().expand(trace.vision.shape)


def block_gradients(vlm: VLM, entry: Entry, query: Query, answer: Answer, block: int) -> tuple[Trace, Gradients]:
    """States that leave `block`, before any later norm, and there, at the visual tokens, the gradient of the token's
    logit at its predicting position. The graph begins at that block.
    """
    left: list[Tensor] = []

    def cut(module: object, args: object, out: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        states = (out if isinstance(out, Tensor) else out[0]).detach().requires_grad_()
        left.append(states)
        copied = states.clone()  # some models go on in place
        return copied if isinstance(out, Tensor) else (copied, *out[1:])

    with torch.inference_mode(False), torch.enable_grad(), vlm.blocks[block].register_forward_hook(cut):
        targets = logits(vlm, entry, run(vlm, entry)).unbind()
    states = left[0]
    vision = query.layout.vision.to(states.device)

    def gradients() -> Gradients:
        for target in targets:
            (found,) = torch.autograd.grad(target, states, retain_graph=True)
            yield found[0, vision].float()

    return gather(query, answer, states.detach()[0], 0), gradients()
