"""The contract that every explainer keeps."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from pipeline.ops.maps import Normalise, RankFilter
from pipeline.types import Answer, Explanation, Extent, Query, Trace


@runtime_checkable
class Passes(Protocol):
    """What an explainer may ask of the model: each thing computed once per batch, whoever asks first.

    Rows `answer x tokens` hold, for every answer token, one quantity at each position up to the last that predicts.
    """

    @property
    def extent(self) -> Extent:
        """How deep the language model is and how many entries its head has."""

    def trace(self, query: Query, scale: float = 1.0) -> Trace:
        """States of `query` at `scale` (at 1.0 with the text of its answer)."""

    def unembed(self, states: Float[Tensor, "n dim"], ids: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """Logits, fp32, of the vocabulary entries `ids` for states after the final norm."""

    def top(self, query: Query, k: int) -> Int[Tensor, "text {k}"]:
        """The k best next tokens at every row of `trace(query).text`, best first, ties by the smaller id."""

    def least(self, query: Query, valid_ids_only: bool = False) -> int:
        """The vocabulary entry with the smallest logit summed over the visual tokens at scale 1."""

    def attention(self, query: Query, layers: Sequence[int]) -> Float[Tensor, "answer tokens"]:
        """Attention of the predicting positions, mean over the heads of the blocks `layers`."""

    def rollout(self, query: Query) -> Float[Tensor, "answer tokens"]:
        """Attention of the predicting positions, rolled out over all blocks."""

    def grad_rollout(self, query: Query, discard: float = 0.0) -> Float[Tensor, "answer tokens"]:
        """Attention times its gradient, rolled out over all blocks; of each the smallest share `discard` left out."""

    def relevance(self, query: Query, rule: Literal["cp", "attn"]) -> Float[Tensor, "answer tokens"]:
        """Signed relevance at the language model's input, summed over channels."""

    def gradients(self, query: Query, block: int | None) -> tuple[Trace, Iterator[Float[Tensor, "vision dim"]]]:
        """States that leave `block`, and at the visual tokens the gradient of each answer token's logit, in turn.

        None: states after the final norm, and the gradient of the logit summed over the visual tokens. Not kept.
        """

    def surgery(self, query: Query, blocks: int, causal: bool = False) -> Float[Tensor, "vision dim"]:
        """Visual states after the final norm at the end of a second path through the last blocks."""

    def at(self, query: Query, scale: float) -> "tuple[Passes, Query]":
        """The same answers about the image at another scale: the passes and the query to ask them about."""


LENS, TAM = "logit lens", "logit lens less interference by logits"
"""Formulae that several explainers come to with some of their parameters."""


class Explainer(ABC):
    """Turns one answer into one raw map per token.

    needs: what it needs of a model beyond its states after the final norm, each a key of `models.capabilities.NEEDS`:
    `attention` (weights of every block), `gated_mlp` and `rms_norm` (in every block), `output_projection` (of
    attention), `gradients`. A model that lacks one is refused before the first sample.
    scales: image scales that `explain` will ask for. windows: whether, where images cannot be shown at a scale, visual
    states averaged over windows of the enlarged image will do. rank_filter, normalise, floor: how `ops.maps.finish`
    completes the maps; an explainer never does that itself.
    """

    needs: frozenset[str] = frozenset()
    scales: tuple[float, ...] = (1.0,)
    windows: bool = True
    rank_filter: RankFilter = "none"
    normalise: Normalise = "joint"
    floor: bool = True

    def check(self, extent: Extent) -> None:  # noqa: B027 (most suit any model)
        """Refuse a model of that extent, before it is loaded: ValueError `<parameter>: <mend>`."""

    def formula(self) -> str:
        """Return what decides the raw maps: explainers that agree in it give equal maps by definition, up to rounding.
        By default class and parameters; a class says here where it comes to the formula of another."""
        parts = {name: value.formula() if isinstance(value, Explainer) else value for name, value in vars(self).items()}
        return f"{type(self).__module__}.{type(self).__qualname__} {sorted(parts.items())}"

    @abstractmethod
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        """Explain every token of `answer`: maps `answer x rows x cols` on the grid of `query`, fp32, detached."""


def equal_by_definition(explainers: Mapping[str, Explainer]) -> list[list[str]]:
    """Return the names of explainers whose finished maps are equal by definition, a list for each such group."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, one in explainers.items():
        groups.setdefault((one.formula(), one.rank_filter, one.normalise, str(one.floor)), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def checked(found: Any, query: Query, answer: Answer) -> Explanation:
    """What `explain` returned. TypeError or ValueError where that is no explanation of `answer` on the grid of `query`;
    shapes that broadcast would be scored without a word."""
    if not isinstance(found, Explanation):
        raise TypeError(f"explain returned {type(found).__name__}, expected Explanation")
    tokens, shape = len(answer.ids), tuple(found.scores.shape)
    expected = {
        "maps": (tokens, query.layout.rows, query.layout.cols),
        "scores": (tokens, *(shape[1:2] or (0,))),
        "valid": shape,
    }
    for name, wanted in expected.items():
        if (given := tuple(getattr(found, name).shape)) != wanted:
            raise ValueError(f"{name} of shape {given}, expected {wanted}")
    for name in ("maps", "scores"):
        if (kind := getattr(found, name).dtype).is_complex:  # its imaginary part would be lost without a word
            raise TypeError(f"{name} of {kind}, expected real numbers")
    return found


def one_of(name: str, value: str, options: Any) -> None:
    """Raises ValueError where `value` of the parameter `name` is not of the Literal `options`."""
    if value not in get_args(options):
        raise ValueError(f"{name}: one of {', '.join(get_args(options))}, got {value}")
