"""What explainers share that have one quantity per input position: maps and text scores are parts of one row."""

from abc import abstractmethod
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.explainers.base import Explainer, Passes, one_of
from pipeline.ops.maps import fold
from pipeline.ops.text import before, score_positions
from pipeline.types import Answer, Explanation, Query, without_scores


class PositionExplainer(Explainer):
    """A row per answer token: its visual positions are the map, its text positions the scores."""

    needs = frozenset({"attention"})

    @abstractmethod
    def rows(self, passes: Passes, query: Query) -> Float[Tensor, "answer tokens"]:
        """The quantity at every input position, for every answer token."""

    @torch.no_grad()
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        layout, answers = query.layout, len(answer.ids)
        self.check(passes.extent)
        if not answers:
            return without_scores(torch.zeros(0, layout.rows, layout.cols))
        rows, positions = self.rows(passes, query), score_positions(layout, answers)
        valid = before(positions, layout, answers).to(rows.device)
        return Explanation(fold(rows[:, layout.vision], layout.rows, layout.cols), rows[:, positions], valid)


Sign = Literal["signed", "relu", "abs"]


class RelevanceExplainer(PositionExplainer):
    """Relevance of every input position, read where text and visual tokens enter the language model.

    Args:
        sign: what becomes of negative relevance: kept, so that the smallest value, not 0, becomes the darkest; cut off;
            or counted as positive.
    """

    needs = frozenset({"attention", "gated_mlp", "rms_norm", "gradients"})
    rule: Literal["cp", "attn"]

    def __init__(self, *, sign: Sign = "signed") -> None:
        one_of("sign", sign, Sign)
        self.sign, self.floor = sign, sign != "signed"

    def rows(self, passes: Passes, query: Query) -> Float[Tensor, "answer tokens"]:
        rows = passes.relevance(query, self.rule)
        return {"signed": rows, "relu": rows.relu(), "abs": rows.abs()}[self.sign]
