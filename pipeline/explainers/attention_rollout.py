"""Attention Rollout: attention followed through all blocks down to the input."""

from jaxtyping import Float
from torch import Tensor

from pipeline.explainers.base import Passes
from pipeline.explainers.positions import PositionExplainer
from pipeline.types import Query


class AttentionRollout(PositionExplainer):
    """Attention rollout (Abnar and Zuidema 2020): row of the predicting position in `R = A_L ... A_1`,

    `A_l = (mean over heads of the attention + identity) / 2`, of all blocks and without a discard ratio, as in
    Transformer-Explainability @c3e578f. Map: its visual tokens; text scores: its text. Each row of R sums to one. It
    depends neither on the token that is explained nor on the head of the model.
    """

    def rows(self, passes: Passes, query: Query) -> Float[Tensor, "answer tokens"]:
        return passes.rollout(query)
