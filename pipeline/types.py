"""The nouns that pass between models and explainers. Data only, no behaviour, nothing about ground truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

Box = tuple[float, float, float, float]
"""(top, left, bottom, right) as fractions of the image's height and width, each in [0, 1]."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Layout:
    """Where things stand in the unpadded token sequence of one query.

    vision: positions of the visual tokens that show the image, row-major over the grid: with tiles not in ascending
        order, on a canvas not all tokens of the image.
    rows, cols: the token grid; rows * cols == len(vision).
    box: the part of the image that the grid covers.
    prompt: positions of the user's own words after the image (no template, no special token).
    length: number of input tokens, n0; the first answer token would stand at position n0.
    """

    vision: Int[Tensor, " vision"]
    rows: int
    cols: int
    box: Box
    prompt: Int[Tensor, " prompt"]
    length: int


@dataclass(frozen=True)
class Extent:
    """What a parameter of an explainer may be too large for: decoder blocks, entries of the vocabulary."""

    depth: int
    vocabulary: int


@dataclass(frozen=True, eq=False)
class Query:
    """One image and one question, processed for the model at one scale.

    inputs: keyword arguments of the model's forward for this sample alone (batch axis of one, no padding).
    """

    image: "Image"
    text: str
    scale: float
    inputs: Mapping[str, Tensor]
    layout: Layout


@dataclass(frozen=True)
class Answer:
    """What the model said. The end token is no part of it; `ended` is False when the token limit stopped it.

    pieces: the text that each token adds, so that "".join(pieces) == text. alone: the text of each token by itself: of
        a special token, which adds nothing, its name; of bytes that are no whole character U+FFFD. Empty where unknown.
    end: the text of the end token that ended it; empty where the limit did, or where nobody says.
    """

    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    text: str
    ended: bool
    alone: tuple[str, ...] = ()
    end: str = ""


@dataclass(frozen=True, eq=False)
class Trace:
    """What one forward pass left behind at one scale: states after the final norm, in the model's dtype.

    vision: states of the visual tokens, row-major over the grid of `rows` x `cols`.
    text: states of the positions `start`, `start + 1`, ...: from the one before the first prompt word to the one
        that predicts the last answer token (n0 + G - 2). None at scales other than 1, where no text is fed.
    """

    scale: float
    rows: int
    cols: int
    vision: Float[Tensor, "vision dim"]
    text: Float[Tensor, "text dim"] | None = None
    start: int = 0


@dataclass(frozen=True, eq=False)
class Explanation:
    """One map per answer token, raw: before floor, normalisation, filter and rounding (`ops.maps.finish`).

    scores: the same quantity at text positions, so that maps can be compared across tokens; `valid` says which
        positions precede the token. No column at all where an explainer has no such quantity.
    """

    maps: Float[Tensor, "answer rows cols"]
    scores: Float[Tensor, "answer text"]
    valid: Bool[Tensor, "answer text"]
    notes: Mapping[str, float] = field(default_factory=dict)


def without_scores(maps: Float[Tensor, "answer rows cols"]) -> Explanation:
    """An explanation whose maps are normalised over the image alone."""
    empty = maps.new_zeros(len(maps), 0)
    return Explanation(maps, empty, empty.to(torch.bool))
