"""Attention: what the model looks at when it predicts a token."""

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from pipeline.explainers.base import Passes
from pipeline.explainers.positions import PositionExplainer
from pipeline.types import Extent, Query


class Attention(PositionExplainer):
    """Attention weights of the predicting position, mean over the heads (the "raw attention" of Chefer et al. 2021).

    Map: the weights of the visual tokens; text scores: those of the text. It depends neither on the token that is
    explained nor on the head of the model.

    Args:
        layers: the `last` block, the mean over `all`, or over those listed (from 0, or backwards from -1).
    """

    def __init__(self, *, layers: Literal["last", "all"] | Sequence[int] = "last") -> None:
        if not layers or (isinstance(layers, str) and layers not in ("last", "all")):
            raise ValueError(f"layers: last, all or a list of blocks, got {layers!r}")
        self.layers = layers

    def check(self, extent: Extent) -> None:
        if not isinstance(self.layers, str) and (
            wrong := [n for n in self.layers if not -extent.depth <= n < extent.depth]
        ):
            raise ValueError(
                f"layers: {wrong[0]} is none of the model's {extent.depth} blocks, 0 to {extent.depth - 1}"
            )

    def rows(self, passes: Passes, query: Query) -> Float[Tensor, "answer tokens"]:
        depth = passes.extent.depth
        named = {"last": [depth - 1], "all": range(depth)}
        chosen = named[self.layers] if isinstance(self.layers, str) else self.layers
        return passes.attention(query, sorted({n % depth for n in chosen}))
