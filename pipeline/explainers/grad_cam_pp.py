"""Grad-CAM++: channels weighted by their positive gradients, places where those matter more."""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.explainers.activations import ActivationExplainer

EPSILON = 1e-6
"""As in pytorch-grad-cam."""


class GradCAMPP(ActivationExplainer):
    """Grad-CAM++ (Chattopadhay et al. 2018, in pytorch-grad-cam 1.5.7's form): weight of channel d =

    `sum_i a_id relu(G_id)`, `a_id = G_id^2 / (2 G_id^2 + S_d G_id^3 + 1e-6)` where G_id is not 0, S_d the sum of the
    channel's activations over the visual tokens. The map changes with the scale of the gradient: summed and averaged
    logits give different ones (`preset: paper` sums). Where the denominator comes close to 0 weights are large, as
    there.
    """

    def weights(
        self, activations: Float[Tensor, "vision dim"], gradients: Float[Tensor, "vision dim"]
    ) -> Float[Tensor, "1 dim"]:
        squared = gradients.square()
        below = 2 * squared + activations.sum(0) * squared * gradients + EPSILON
        share = torch.where(gradients == 0, 0.0, squared / below)
        return (share * gradients.relu()).sum(0, keepdim=True)
