"""What earlier tokens leave in a map, and how much of it to take away."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def mean_weights(context: Bool[Tensor, "answer text"]) -> Float[Tensor, "answer text"]:
    """Every earlier token alike."""
    return context.double()


def tam_weights(
    scores: Float[Tensor, "answer text"], context: Bool[Tensor, "answer text"]
) -> Float[Tensor, "answer text"]:
    """By the target's own logit at the earlier token, floored at 0 (TAM)."""
    return scores.double().clamp(min=0) * context


def arc_weights(
    overlap: Float[Tensor, "answer text"], context: Bool[Tensor, "answer text"]
) -> Float[Tensor, "answer text"]:
    """1 - r: the less the next-token rankings agree, the more an earlier token interferes (ARC, eq. 8)."""
    return (1 - overlap.double()).clamp(min=0) * context


def other_words(targets: Int[Tensor, " answer"], context: Int[Tensor, " text"]) -> Bool[Tensor, "answer text"]:
    """False where an earlier token has the id of the target itself."""
    return targets[:, None] != context


def weighted_mean(
    weights: Float[Tensor, "answer text"], maps: Float[Tensor, "text rows cols"]
) -> Float[Tensor, "answer rows cols"]:
    """Interference of every answer token (eq. 8), fp64; 0 where all its weights are 0."""
    total = weights.sum(1, keepdim=True)
    share = weights / torch.where(total > 0, total, 1)
    return torch.einsum("at,trc->arc", share.double(), maps.double())


def least_squares(
    maps: Float[Tensor, "answer rows cols"], interference: Float[Tensor, "answer rows cols"]
) -> Float[Tensor, " answer"]:
    """beta that minimises ||A - beta I||^2 (eq. 9), fp64: <A, I> / <I, I>, and 0 where I is 0."""
    norm = interference.double().square().sum((1, 2))
    product = (maps.double() * interference).sum((1, 2))
    return torch.where(norm > 0, product / norm, 0.0)


def subtract(
    maps: Float[Tensor, "answer rows cols"],
    interference: Float[Tensor, "answer rows cols"],
    beta_floor: float | None = None,
) -> Float[Tensor, "answer rows cols"]:
    """A - beta I (eq. 9 before its floor), in the dtype of `maps`; `beta_floor` bounds beta from below."""
    beta = least_squares(maps, interference)
    if beta_floor is not None:
        beta = beta.clamp(min=beta_floor)
    return (maps - beta[:, None, None] * interference).to(maps.dtype)
