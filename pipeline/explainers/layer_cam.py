"""Layer-CAM: every place weighted by its own positive gradient."""

from jaxtyping import Float
from torch import Tensor

from pipeline.explainers.activations import ActivationExplainer


class LayerCAM(ActivationExplainer):
    """Layer-CAM (Jiang et al. 2021): weight of a channel at a visual token = its gradient there, if positive.

    `preset: causal` has no text scores, as weights of one place mean nothing at another: its maps are normalised over
    the image alone.
    """

    scored = ("paper",)

    def weights(
        self, activations: Float[Tensor, "vision dim"], gradients: Float[Tensor, "vision dim"]
    ) -> Float[Tensor, "vision dim"]:
        return gradients.relu()
