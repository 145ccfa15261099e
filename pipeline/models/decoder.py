"""The language model on its own: what enters it for one answered sample, a pass from there, the logits to explain."""

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.models import scope
from pipeline.models.base import VLM
from pipeline.models.batch import unreplaced
from pipeline.types import Answer, Query


@dataclass(frozen=True, eq=False)
class Entry:
    """What enters the language model, teacher-forced, up to the position that predicts the last answer token.

    embeds: of text and visual tokens. others: the remaining arguments (positions, mask).
    predicting, ids: where each answer token is predicted, and its id.
    """

    embeds: Float[Tensor, "1 tokens dim"]
    others: Mapping[str, Any]
    predicting: Int[Tensor, " answer"]
    ids: Int[Tensor, " answer"]


class _Reached(Exception):
    """Not an error: ends a forward pass that has gone far enough."""


def enter(vlm: VLM, query: Query, answer: Answer) -> Entry:
    """Everything before the language model, the image's encoder above all: done once, without gradient.

    The tensors may take part in gradients, also where torch's inference mode is on outside.
    """
    seen: dict[str, Any] = {}

    def stop(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        seen.update(kwargs)
        raise _Reached

    with torch.inference_mode(False), torch.no_grad():
        batch = vlm.batch([query], [answer])
        embedding = vlm.model.get_input_embeddings()
        hook = vlm.decoder.register_forward_pre_hook(stop, with_kwargs=True)
        with hook, unreplaced(embedding, batch), suppress(_Reached):
            vlm.model.model(**batch.inputs, use_cache=False)
        embeds = seen.pop("inputs_embeds")
        ids = torch.tensor(answer.ids, device=embeds.device, dtype=torch.long)
        predicting = torch.arange(len(ids), device=embeds.device) + query.layout.length - 1
    return Entry(embeds, seen, predicting, ids)


def run(vlm: VLM, entry: Entry, rule: scope.Attention | None = None) -> Float[Tensor, "tokens dim"]:
    """States after the final norm; `rule`, where given, attends."""
    with nullcontext() if rule is None else scope.attention(vlm.decoder, len(vlm.blocks), rule):
        out = vlm.decoder(inputs_embeds=entry.embeds, **entry.others)
    return out.last_hidden_state[0]


def logits(vlm: VLM, entry: Entry, states: Float[Tensor, "tokens dim"]) -> Float[Tensor, " answer"]:
    """The logit of every answer token where it is predicted, fp32, with its gradient."""
    return vlm.head.each(states[entry.predicting], entry.ids)
