"""Contrast: what speaks for a token and not for the words said before it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.explainers.base import Explainer, Passes
from pipeline.ops.lens import lens
from pipeline.ops.maps import fold
from pipeline.ops.text import before, score_positions
from pipeline.types import Answer, Explanation, Query, without_scores


class Contrast(Explainer):
    """Map of token t with id k at visual token i: `relu(l_ti - weight * mean of l_ji)`, `l_ti = [W_U z_i]_k`.

    j runs over the earlier tokens of the answer with other ids; where there is none nothing is taken away. Text
    scores: the same at text positions. An example of the guide, published nowhere.

    Args:
        weight: how much of the earlier tokens' mean is taken away; 0 gives CAM.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        if not 0 <= weight < math.inf:
            raise ValueError(f"weight: not negative and finite, got {weight}")
        self.weight = weight

    @torch.no_grad()
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        layout, trace = query.layout, passes.trace(query)
        if not answer.ids:
            return without_scores(torch.zeros(0, layout.rows, layout.cols))
        assert trace.text is not None
        ids = torch.tensor(answer.ids)
        others = (ids[:, None] != ids).tril(-1)
        positions = score_positions(layout, len(ids))
        maps, scores = (
            self.contrast(lens(passes.unembed, states, ids), others)
            for states in (trace.vision, trace.text[positions - trace.start])
        )
        valid = before(positions, layout, len(ids))
        return Explanation(fold(maps, layout.rows, layout.cols), scores, valid.to(scores.device))

    def contrast(self, logits: Float[Tensor, "answer states"], others: Tensor) -> Float[Tensor, "answer states"]:
        """Of each token's logits, what the mean of the `others` does not have."""
        share = others.to(logits) / others.sum(1, keepdim=True).clamp(min=1).to(logits)
        return (logits - self.weight * share @ logits).relu()
