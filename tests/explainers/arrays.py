"""Passes over arrays: what a model would have left behind, given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from pipeline.explainers.base import Explainer
from pipeline.types import WHOLE, Answer, Explanation, Extent, Layout, Query, Trace
from tests.oracles.scene import Scene


@dataclass(frozen=True)
class ArrayPasses:
    """The verbs an explainer asks for, over given hidden states and an unembedding matrix."""

    traces: Mapping[float, Trace]
    head: Float[Tensor, "vocab dim"]
    valid: int | None = None

    def trace(self, query: Query, scale: float = 1.0) -> Trace:
        return self.traces[scale]

    def unembed(self, states: Float[Tensor, "n dim"], ids: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        assert len(ids.unique()) == len(ids), "an id was asked for twice"
        return states @ self.head[ids].T

    def top(self, query: Query, k: int) -> Int[Tensor, "text {k}"]:
        text = self.traces[1.0].text
        assert text is not None
        return (text @ self.head.T).sort(dim=-1, descending=True, stable=True).indices[:, :k]

    def least(self, query: Query, valid_ids_only: bool = False) -> int:
        totals = (self.traces[1.0].vision @ self.head.T).sum(0)
        return int(totals[: self.valid if valid_ids_only else None].argmin())

    def refused(self, *arguments: object) -> NoReturn:
        raise AssertionError("arrays know only traces")

    attention = rollout = grad_rollout = relevance = gradients = surgery = at = refused

    @property
    def extent(self) -> Extent:
        return Extent(depth=1, vocabulary=len(self.head))


def scene(
    states: Mapping[float, tuple[np.ndarray, int, int]],
    text: np.ndarray,
    start: int,
    prompt: np.ndarray,
    ids: np.ndarray,
    answer: np.ndarray,
    head: np.ndarray,
    valid: int | None = None,
) -> tuple[ArrayPasses, Query, Answer]:
    """A query of `len(ids)` input tokens and its answer.

    states: per scale the visual states and their grid. text: states of the positions from `start` on.
    """
    traces = {
        scale: Trace(
            scale,
            rows,
            cols,
            torch.tensor(vision),
            torch.tensor(text) if scale == 1 else None,
            start if scale == 1 else 0,
        )
        for scale, (vision, rows, cols) in states.items()
    }
    one = traces[1.0]
    vision = torch.arange(1, 1 + one.rows * one.cols)
    layout = Layout(vision, one.rows, one.cols, WHOLE, torch.tensor(prompt, dtype=torch.long), len(ids))
    inputs = {"input_ids": torch.tensor(ids, dtype=torch.long)[None]}
    pieces = tuple(f" {token}" for token in answer)
    said = Answer(tuple(int(token) for token in answer), pieces, "".join(pieces), True)
    return (
        ArrayPasses(traces, torch.tensor(head), valid),
        Query(Image.new("RGB", (8, 8)), "", 1.0, inputs, layout),
        said,
    )


def passes_of(random: Scene) -> tuple[ArrayPasses, Query, Answer]:
    """The oracles' random scene in the nouns of the pipeline."""
    text = random.hidden[random.start :]
    return scene(random.states, text, random.start, random.prompt, random.ids, random.answer, random.head, random.valid)


def explain(explainer: Explainer, random: Scene) -> Explanation:
    return explainer.explain(*passes_of(random))
