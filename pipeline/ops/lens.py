"""The logit lens: what a hidden state says about a token of the vocabulary."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Unembed = Callable[[Tensor, Tensor], Tensor]
"""`(states, ids) -> logits`, states x ids: a product with a few rows of the unembedding matrix."""


def lens(
    unembed: Unembed, states: Float[Tensor, "states dim"], ids: Int[Tensor, " tokens"]
) -> Float[Tensor, "tokens states"]:
    """Logit of every token at every state (MSEA eq. 2); an id that occurs twice is computed once."""
    unique, which = torch.unique(ids.to(states.device), return_inverse=True)
    return unembed(states, unique).T[which]
