"""CAM: the logit lens on the visual tokens."""

import torch

from pipeline.explainers.base import LENS, Explainer, Passes
from pipeline.ops.lens import lens
from pipeline.ops.maps import fold
from pipeline.ops.text import before, score_positions
from pipeline.types import Answer, Explanation, Query, without_scores


class CAM(Explainer):
    """Class activation map (Zhou et al. 2016), with the language model's head as the classifier.

    Map of token k at visual token i: `relu([W_U z_i]_k)`, z_i after the final norm. Text scores: the same at text
    positions. No interference is removed and no filter applied. Grad-CAM with `preset: paper` gives the same maps by
    definition, up to rounding.
    """

    def formula(self) -> str:
        return LENS

    @torch.no_grad()
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        layout, trace = query.layout, passes.trace(query)
        if not answer.ids:
            return without_scores(torch.zeros(0, layout.rows, layout.cols))
        assert trace.text is not None
        ids = torch.tensor(answer.ids)
        positions = score_positions(layout, len(ids))
        maps = fold(lens(passes.unembed, trace.vision, ids), layout.rows, layout.cols)
        scores = lens(passes.unembed, trace.text[positions - trace.start], ids)
        valid = before(positions, layout, len(ids))
        return Explanation(maps.relu(), scores.relu(), valid.to(scores.device))
