"""Grad-Rollout: attention rollout, each weight times the gradient of the token's logit."""

from jaxtyping import Float
from torch import Tensor

from pipeline.explainers.base import Passes
from pipeline.explainers.positions import PositionExplainer
from pipeline.types import Query


class GradRollout(PositionExplainer):
    """Gradient attention rollout (vit-explain): row of the predicting position in `R = A_L ... A_1`,

    `A_l = rownorm(relu(mean over heads of attention * gradient) + identity)`, with the gradient of the token's logit
    where it is predicted. Map: its visual tokens; text scores: its text. Gradients at attention weights are small
    beside the identity, so that most of a row stays at its own position: a property of the method.

    Deviations: rows are normalised as such (the public code divides columns, which differs wherever the row sums do);
    nothing is discarded by default (0.9 there); entries to discard are counted up to the predicting position, so that
    later tokens change nothing.

    Args:
        discard: share, in [0, 1), of each block's entries that are set to 0, the smallest first.
    """

    needs = frozenset({"attention", "gradients"})

    def __init__(self, *, discard: float = 0.0) -> None:
        if not 0 <= discard < 1:
            raise ValueError(f"discard: in [0, 1), got {discard}")
        self.discard = discard

    def rows(self, passes: Passes, query: Query) -> Float[Tensor, "answer tokens"]:
        return passes.grad_rollout(query, self.discard)
