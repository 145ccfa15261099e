"""Architecture Surgery: visual tokens that attend by their values through the last blocks."""

import torch

from pipeline.explainers.base import LENS, Explainer, Passes
from pipeline.ops.lens import lens
from pipeline.ops.maps import fold
from pipeline.ops.text import before, score_positions
from pipeline.types import Answer, Explanation, Extent, Query, without_scores


class ArchiSurgery(Explainer):
    """Architecture surgery (Li et al. 2023, CLIP Surgery), carried over to a decoder.

    Before the last `blocks` blocks a new path starts from the visual tokens' states. Each block adds to it
    `o_proj(softmax(V V^T / sqrt(width)) V)`, V the block's values on the model's own path; MLPs are skipped. Map of
    token k: `relu([W_U z_i]_k)`, z_i the end of the new path after the final norm. Text scores: CAM's, of the own path.

    There is no public code for decoders. As in CLIP, visual tokens attend to all visual tokens; unlike there, values
    are made from the norm before the block and shared by groups of heads, and no positions are rotated in. A norm that
    a family applies to attention's output (Gemma 3) is left out. Feature surgery is no part of it.

    Args:
        blocks: how many of the last blocks the new path runs through; 0 gives CAM.
        causal: whether visual tokens attend to none after them.
    """

    needs = frozenset({"attention", "output_projection"})

    def __init__(self, *, blocks: int = 6, causal: bool = False) -> None:
        if blocks < 0:
            raise ValueError(f"blocks: not negative, got {blocks}")
        self.blocks, self.causal = blocks, causal

    def formula(self) -> str:
        return super().formula() if self.blocks else LENS

    def check(self, extent: Extent) -> None:
        if self.blocks >= extent.depth:
            raise ValueError(
                f"blocks: {self.blocks} where the model has {extent.depth} in all; at most {extent.depth - 1}"
            )

    @torch.no_grad()
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        layout, trace = query.layout, passes.trace(query)
        self.check(passes.extent)
        if not answer.ids:
            return without_scores(torch.zeros(0, layout.rows, layout.cols))
        assert trace.text is not None
        ids = torch.tensor(answer.ids)
        positions = score_positions(layout, len(ids))
        states = passes.surgery(query, self.blocks, self.causal)
        maps = fold(lens(passes.unembed, states, ids), layout.rows, layout.cols)
        scores = lens(passes.unembed, trace.text[positions - trace.start], ids)
        valid = before(positions, layout, len(ids))
        return Explanation(maps.relu(), scores.relu(), valid.to(scores.device))
