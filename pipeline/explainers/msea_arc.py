"""MSEA and ARC: maps from several scales, rid of what unrelated earlier tokens left in them."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pipeline.explainers.base import LENS, TAM, Explainer, Passes, one_of
from pipeline.ops import interference as inter
from pipeline.ops.lens import lens
from pipeline.ops.maps import Fuse, Normalise, RankFilter, fold, fuse
from pipeline.ops.ranking import rbo as rank_biased_overlap
from pipeline.ops.text import before, earlier, score_positions, text_ids
from pipeline.types import Answer, Explanation, Extent, Query, without_scores

Interference = Literal["none", "mean", "tam", "arc"]
Rbo = Literal["ext", "truncated"]
Relu = Literal["end", "both"]
RankPosition = Literal["predicting", "own", "tam"]


class MSEAARC(Explainer):
    """Multi-Scale Explanation Aggregation and Activation Ranking Correlation (arXiv 2509.22415, section 3).

    MSEA (eq. 2-5): the logit map `[W_U z_i]_k` of the image at every scale, brought to the token grid of scale 1 and
    averaged: A_t. ARC (eq. 6-9): r_j = RBO of the next-token rankings (top k, scale 1) of an earlier token j and of the
    target; interference = mean of the A_j weighted by 1 - r_j; `G(relu(A_t - beta I))` with the least-squares beta.

    Where the paper is silent or ambiguous: the grid of scale 1 is the "original size" of eq. 5; scale 1 enters the mean
    only if listed, but always gives text, ids and ranks; earlier tokens are the prompt's words and the answer so
    far; their maps are multi-scale and unmitigated; the base map A_0 has weight 1 and scale 1; floor, min-max with
    the text scores and the filter G follow in TAM's order. beta may be negative.

    Args:
        scales: factors of the image's size whose maps are fused; one listed twice counts twice.
        fuse: mean over the scales (eq. 5), or their maximum.
        interference: how earlier tokens are weighted: not at all, alike, by the target's logit (TAM), or by ARC.
        k: length of the compared rankings.
        p: persistence of RBO, in (0, 1]; 1 is the average overlap.
        rbo: extrapolated (equal rankings give 1) or truncated at k.
        relu: `end`, signed maps until eq. 9, as the paper writes it; `both`, also floored at each scale, as TAM does.
        rank_filter: the filter G; `compat` turns its constant windows to 0 as the public TAM code does.
        normalise: min-max together with the text scores, or over the image alone.
        beta_floor: smallest beta; none by default.
        base_map: whether A_0, of the token with the least visual activation, joins the interference (arc only).
        valid_ids_only: whether that token must be one of the tokenizer's (the head may have unused rows).
        exclude_same_word: whether earlier tokens equal to the target are left out (always so with tam).
        rank_position: where an earlier token's ranking is read: where it is predicted (eq. 1), at its own position,
            or prompt words at their own and answer tokens where predicted (tam). The target's is always read where
            it is predicted.
    """

    def __init__(
        self,
        *,
        scales: Sequence[float] = (0.5, 0.75, 1.0),
        fuse: Fuse = "mean",
        interference: Interference = "arc",
        k: int = 50,
        p: float = 0.9,
        rbo: Rbo = "ext",
        relu: Relu = "end",
        rank_filter: RankFilter = "finite",
        normalise: Normalise = "joint",
        beta_floor: float | None = None,
        base_map: bool = True,
        valid_ids_only: bool = False,
        exclude_same_word: bool = False,
        rank_position: RankPosition = "predicting",
    ) -> None:
        if not scales or not all(0 < scale < math.inf for scale in scales):
            raise ValueError(f"scales: at least one, each positive and finite, got {scales}")
        if k < 1:
            raise ValueError(f"k: at least 1, got {k}")
        if not 0 < p <= 1:
            raise ValueError(f"p: in (0, 1], got {p}")
        if beta_floor is not None and not math.isfinite(beta_floor):
            raise ValueError(f"beta_floor: finite or null, got {beta_floor}")
        one_of("fuse", fuse, Fuse)
        one_of("interference", interference, Interference)
        one_of("rbo", rbo, Rbo)
        one_of("relu", relu, Relu)
        one_of("rank_filter", rank_filter, RankFilter)
        one_of("normalise", normalise, Normalise)
        one_of("rank_position", rank_position, RankPosition)
        self.fused, self.fuse = tuple(scales), fuse
        self.scales = tuple(dict.fromkeys((*scales, 1.0)))
        self.interference, self.base_map, self.beta_floor = interference, base_map, beta_floor
        self.k, self.p, self.rbo, self.rank_position = k, p, rbo, rank_position
        self.relu, self.rank_filter, self.normalise = relu, rank_filter, normalise
        self.valid_ids_only, self.exclude_same_word = valid_ids_only, exclude_same_word

    def formula(self) -> str:
        if set(self.fused) == {1.0} and self.interference == "none":
            return LENS
        if set(self.fused) == {1.0} and (self.interference, self.relu, self.beta_floor) == ("tam", "both", None):
            return TAM
        return super().formula()

    def check(self, extent: Extent) -> None:
        if self.interference == "arc" and self.k > extent.vocabulary:
            raise ValueError(f"k: at most the {extent.vocabulary} entries of the model's vocabulary, got {self.k}")

    @torch.no_grad()
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        layout, trace = query.layout, passes.trace(query)
        if not answer.ids:
            return without_scores(torch.zeros(0, layout.rows, layout.cols))
        assert trace.text is not None
        ids, prompts, answers = text_ids(query, answer), len(layout.prompt), len(answer.ids)
        positions = score_positions(layout, answers)
        scores = lens(passes.unembed, trace.text[positions - trace.start], ids[prompts:]).relu()
        valid = before(positions, layout, answers).to(scores.device)

        maps = self.aggregate(passes, query, ids)
        targets = maps[prompts:]
        if self.interference != "none":
            context = earlier(prompts, answers)
            if self.exclude_same_word or self.interference == "tam":
                context &= inter.other_words(ids[prompts:].cpu(), ids[:-1].cpu())
            weights = self.weights(passes, query, scores, context.to(scores.device))
            contexts = maps[:-1]
            if self.interference == "arc" and self.base_map:
                contexts = torch.cat([self.base(passes, query), contexts])
                weights = torch.cat([weights.new_ones(answers, 1), weights], 1)
            targets = inter.subtract(targets, inter.weighted_mean(weights, contexts), self.beta_floor)
        return Explanation(targets, scores, valid)

    def maps(
        self, passes: Passes, query: Query, ids: Int[Tensor, " tokens"], scale: float
    ) -> Float[Tensor, "tokens rows cols"]:
        """Raw maps at one scale, on its own grid (eq. 4)."""
        trace = passes.trace(query, scale)
        maps = fold(lens(passes.unembed, trace.vision, ids), trace.rows, trace.cols)
        return maps.relu() if self.relu == "both" else maps

    def aggregate(self, passes: Passes, query: Query, ids: Int[Tensor, " tokens"]) -> Float[Tensor, "tokens rows cols"]:
        """Maps of all scales on the grid of scale 1, fused (eq. 5)."""
        layout = query.layout
        scaled = [self.maps(passes, query, ids, scale) for scale in self.fused]
        return fuse(scaled, layout.rows, layout.cols, self.fuse)

    def base(self, passes: Passes, query: Query) -> Float[Tensor, "1 rows cols"]:
        """A_0: the map at scale 1 of the token with the least visual activation."""
        return self.maps(passes, query, torch.tensor([passes.least(query, self.valid_ids_only)]), 1.0)

    def overlaps(self, passes: Passes, query: Query, answers: int) -> Float[Tensor, "{answers} text"]:
        """r: the overlap of every target's ranking with that of every prompt word and answer token (eq. 7)."""
        layout = query.layout
        predicting = torch.arange(answers, device=layout.prompt.device) + layout.length - 1
        prompt = layout.prompt - 1 if self.rank_position == "predicting" else layout.prompt
        answer = predicting + 1 if self.rank_position == "own" else predicting
        positions = torch.cat([prompt, answer[:-1]])
        start, lists = passes.trace(query).start, passes.top(query, self.k)
        return rank_biased_overlap(lists[predicting - start], lists[positions - start], self.p, self.rbo == "ext")

    def weights(
        self,
        passes: Passes,
        query: Query,
        scores: Float[Tensor, "answer text"],
        context: Bool[Tensor, "answer text"],
    ) -> Float[Tensor, "answer text"]:
        """What each earlier token counts in the interference of each target, up to a factor (eq. 8)."""
        if self.interference == "arc":
            return inter.arc_weights(self.overlaps(passes, query, len(scores)), context)
        return inter.tam_weights(scores, context) if self.interference == "tam" else inter.mean_weights(context)
