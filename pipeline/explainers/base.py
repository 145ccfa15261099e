"""The contract that every explainer keeps."""

from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from pipeline.ops.maps import Normalise, RankFilter
from pipeline.types import Answer, Explanation, Query, Trace


@runtime_checkable
class Passes(Protocol):
    """What an explainer may ask of the model: each thing computed once per batch, batched, whoever asks first."""

    def trace(self, query: Query, scale: float = 1.0) -> Trace:
        """States of `query` at `scale` (at 1.0 with the text of its answer)."""

    def unembed(self, states: Float[Tensor, "n dim"], ids: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """Logits, fp32, of the vocabulary entries `ids` for states after the final norm."""

    def top(self, query: Query, k: int) -> Int[Tensor, "text {k}"]:
        """The k best next tokens at every row of `trace(query).text`, best first, ties by the smaller id."""

    def least(self, query: Query, valid_ids_only: bool = False) -> int:
        """The vocabulary entry with the smallest logit summed over the visual tokens at scale 1."""


class Explainer(ABC):
    """Turns one answer into one raw map per token.

    scales: image scales whose traces `explain` will ask for. rank_filter, normalise: how `ops.maps.finish`
    completes the maps; an explainer never does that itself.
    """

    scales: tuple[float, ...] = (1.0,)
    rank_filter: RankFilter = "none"
    normalise: Normalise = "joint"

    def check(self, vocabulary: int) -> None:  # noqa: B027 (most suit any model)
        """Refuse a model with so many vocabulary entries, before it is loaded: ValueError `<parameter>: <mend>`."""

    @abstractmethod
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        """Explain every token of `answer`: maps `answer x rows x cols` on the grid of `query`, fp32, detached."""
