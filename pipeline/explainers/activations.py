"""What the explainers share that weigh the channels of hidden states by gradients: Grad-CAM and its kin."""

from abc import abstractmethod
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.explainers.base import Explainer, Passes, one_of
from pipeline.ops.maps import fold
from pipeline.ops.text import before, score_positions
from pipeline.types import Answer, Explanation, Extent, Query, without_scores

Preset = Literal["paper", "causal"]


class ActivationExplainer(Explainer):
    """Map of an answer token: `relu(sum over channels of weight * activation)` at every visual token.

    A weight that is not finite counts as 0; `notes["undefined_weights"]` says how many were.

    Args:
        preset: `paper`, as the published figures must have been made (arXiv 2509.22415, table 1): the states after the
            final norm, and the gradient of the token's logit summed over the visual tokens. The head is linear, so
            that gradient is the token's row of W_U at every visual token, and where the token was predicted plays no
            part. `causal`, as a decoder asks for: the states that leave block `layer`, and the gradient of the token's
            logit where it was predicted.
        layer: of `causal`; counted from the first block, or backwards from the last, -1, which will not do: no visual
            token reaches the predicting position after its attention, so that all gradients are 0 there.
    """

    scored: tuple[Preset, ...] = ("paper", "causal")
    """Presets in which text positions have a score: the same weights applied to the states there."""

    def __init__(self, *, preset: Preset = "paper", layer: int = -2) -> None:
        one_of("preset", preset, Preset)
        if layer == -1:
            raise ValueError("layer: behind the last block (-1) all gradients at visual tokens are 0; -2 is the last")
        self.preset, self.layer = preset, layer
        self.needs = frozenset({"gradients"}) if preset == "causal" else frozenset()

    def check(self, extent: Extent) -> None:
        if self.preset == "causal" and not -extent.depth <= self.layer < extent.depth - 1:
            last = extent.depth - 2
            raise ValueError(
                f"layer: {self.layer} is no block that another follows; the model has those from 0 to {last}"
            )

    @abstractmethod
    def weights(
        self, activations: Float[Tensor, "vision dim"], gradients: Float[Tensor, "vision dim"]
    ) -> Float[Tensor, "weighted dim"]:
        """Weight of every channel: one row for all visual tokens, or one each."""

    @torch.no_grad()
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        layout, answers = query.layout, len(answer.ids)
        self.check(passes.extent)
        if not answers:
            return without_scores(torch.zeros(0, layout.rows, layout.cols))
        trace, gradients = passes.gradients(query, None if self.preset == "paper" else self.layer)
        assert trace.text is not None
        positions = score_positions(layout, answers)
        vision, text = trace.vision.float(), trace.text[positions - trace.start].float()
        maps, scores, undefined = [], [], 0
        for found in gradients:
            if not found.isfinite().all():
                raise ValueError(f"a gradient in {type(self).__name__} is not finite: load the model in another dtype")
            weights = self.weights(vision, found)
            undefined += int((~weights.isfinite()).sum())
            weights = weights.nan_to_num(0, 0, 0)
            maps.append((vision * weights).sum(1).relu())
            scores.append((text @ weights[0]).relu())
        plain = without_scores(fold(torch.stack(maps), layout.rows, layout.cols))
        if self.preset not in self.scored:
            return plain
        valid = before(positions, layout, answers).to(text.device)
        return Explanation(plain.maps, torch.stack(scores), valid, {"undefined_weights": float(undefined)})
