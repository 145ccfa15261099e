"""TAM: token activation maps, rid of what earlier words left in them."""

import torch
from jaxtyping import Int
from torch import Tensor

from pipeline.explainers.base import TAM as FORMULA
from pipeline.explainers.base import Explainer, Passes
from pipeline.ops import interference as inter
from pipeline.ops.lens import lens
from pipeline.ops.maps import fold
from pipeline.ops.text import before, earlier, score_positions, text_ids
from pipeline.types import Answer, Explanation, Query, without_scores


class TAM(Explainer):
    """Token Activation Map (Li et al. 2025, arXiv 2506.23270; public code xmed-lab/TAM @7c7df1d).

    Raw map of token k: `A = relu([W_U z_i]_k)`. Interference: the mean of the raw maps A_j of the earlier text tokens
    (prompt and answer), weighted by `relu([W_U h_j]_k)`, the target's own logit at token j (a prompt word at its
    position, an answer token at the one that predicts it); tokens equal to the target are left out. Then
    `relu(A - beta I)` with the least-squares beta, min-max together with the text scores, rank Gaussian filter.

    Deviations with `compat: false`: answer token 0 is explained by its own map and its own id, every context map by
    its own id, and the filter keeps constant windows. Equality of words is equality of ids (the public code compares
    decoded and tokenised text). beta is in closed form (a numerical search there).

    Args:
        compat: the public code, level for level. What it returns for answer token 0 is the map of the first prompt
            word, whose id is the model's best guess there; the context map of answer token 0 is that of the last input
            token; constant windows of the filter become 0.
    """

    def __init__(self, *, compat: bool = False) -> None:
        self.compat = compat
        self.rank_filter = "compat" if compat else "finite"

    def formula(self) -> str:
        return super().formula() if self.compat else FORMULA

    @torch.no_grad()
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        layout, trace = query.layout, passes.trace(query)
        if not answer.ids:
            return without_scores(torch.zeros(0, layout.rows, layout.cols))
        assert trace.text is not None
        prompts, answers = len(layout.prompt), len(answer.ids)
        positions = score_positions(layout, answers)
        words = text_ids(query, answer)
        context = earlier(prompts, answers) & inter.other_words(words[prompts:].cpu(), words[:-1].cpu())
        ids, targets = words, torch.arange(prompts, len(words))
        if self.compat:
            ids = self._public_ids(passes, query, words, trace.start)
            context[0], targets[0] = False, 0

        maps = fold(lens(passes.unembed, trace.vision, ids).relu(), layout.rows, layout.cols)
        scores = lens(passes.unembed, trace.text[positions - trace.start], ids[targets]).relu()
        weights = inter.tam_weights(scores, context.to(scores.device))
        interference = inter.weighted_mean(weights, maps[:-1])
        valid = before(positions, layout, answers).to(scores.device)
        return Explanation(inter.subtract(maps[targets], interference), scores, valid)

    @staticmethod
    def _public_ids(passes: Passes, query: Query, words: Int[Tensor, " tokens"], start: int) -> Int[Tensor, " tokens"]:
        """The ids by which the public code looks up the maps of the prompt's words and of the answer's tokens."""
        layout, ids = query.layout, words.clone()
        prompts = len(layout.prompt)
        ids[prompts] = query.inputs["input_ids"][0, layout.length - 1]
        if prompts:
            ids[0] = passes.top(query, 1)[layout.prompt[0] - start, 0]
        return ids
