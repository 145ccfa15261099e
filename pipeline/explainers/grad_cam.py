"""Grad-CAM: channels weighted by their mean gradient."""

from jaxtyping import Float
from torch import Tensor

from pipeline.explainers.activations import ActivationExplainer
from pipeline.explainers.base import LENS


class GradCAM(ActivationExplainer):
    """Grad-CAM (Selvaraju et al. 2017): weight of a channel = mean over the visual tokens of its gradient.

    With `preset: paper` that is the token's row of W_U and the map is CAM's by definition, up to rounding: explain by
    one of the two, or choose `preset: causal`.
    """

    def formula(self) -> str:
        return LENS if self.preset == "paper" else super().formula()

    def weights(
        self, activations: Float[Tensor, "vision dim"], gradients: Float[Tensor, "vision dim"]
    ) -> Float[Tensor, "1 dim"]:
        return gradients.mean(0, keepdim=True)
