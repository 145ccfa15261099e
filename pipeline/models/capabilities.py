"""What an explainer may need of a model beyond its states, and whether the structure of a loaded model has it."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

GATED = ("gate_proj", "up_proj", "down_proj", "act_fn")
"""Parts of a gated MLP: `down_proj(act_fn(gate_proj(x)) * up_proj(x))`."""
ATTENTION = ("full_attention", "sliding_attention", "chunked_attention")
"""Kinds of decoder blocks, as configurations name them, that have attention weights."""


def gated_mlp(block: nn.Module) -> Any:
    """Return the one gated MLP of a decoder block. Raises ValueError where there is not one, or tokens are routed to
    experts, whose parts are no modules of their own."""
    if any(hasattr(module, "experts") for module in block.modules()):
        raise ValueError("routes its tokens to experts (mixture of experts) instead of one gated MLP")
    found = [m for m in block.modules() if all(isinstance(getattr(m, n, None), nn.Module) for n in GATED)]
    if len(found) != 1:
        raise ValueError(f"has {len(found)} gated MLPs ({', '.join(GATED)}) where one was expected")
    return found[0]


def _attention(vlm: Any) -> str:
    """Attention weights can be read in every block, where it calls torch's scaled_dot_product_attention."""
    kinds = list(getattr(vlm.config.get_text_config(), "layer_types", None) or ())
    others = sorted({kind for kind in kinds if kind not in ATTENTION})
    if others:
        count = sum(kind in others for kind in kinds)
        return f"{count} of its {len(kinds)} decoder blocks have no attention weights ({', '.join(others)})"
    if not getattr(vlm.decoder, "_supports_sdpa", True):
        return "its attention cannot run through torch's scaled_dot_product_attention, where it is read"
    return ""


def _gated_mlp(vlm: Any) -> str:
    """Every block has one gated MLP whose parts are modules."""
    for number, block in enumerate(vlm.blocks):
        try:
            gated_mlp(block)
        except ValueError as error:
            return f"decoder block {number} {error}"
    return ""


def _rms_norm(vlm: Any) -> str:
    """All norms of the decoder are RMS norms."""
    found = [name for name, module in vlm.decoder.named_modules() if isinstance(module, nn.LayerNorm)]
    return f"its decoder has layer norms ({found[0]}) where RMS norms were expected" if found else ""


def _output_projection(vlm: Any) -> str:
    """Every block projects its attention's output by `self_attn.o_proj`."""
    for number, block in enumerate(vlm.blocks):
        if not isinstance(getattr(getattr(block, "self_attn", None), "o_proj", None), nn.Module):
            return f"decoder block {number} has no self_attn.o_proj"
    return ""


def _gradients(vlm: Any) -> str:
    """The head's weights are numbers that a gradient can be computed with."""
    weight = vlm.head.weight
    return "" if weight.is_floating_point() else f"its head is quantised ({weight.dtype}), so there are no gradients"


NEEDS: Mapping[str, Callable[[Any], str]] = {
    "attention": _attention,
    "gated_mlp": _gated_mlp,
    "rms_norm": _rms_norm,
    "output_projection": _output_projection,
    "gradients": _gradients,
}
"""What an explainer may need -> a function that says why a loaded model lacks it, "" where nothing tells that."""


def lacks(vlm: Any, need: str) -> str:
    """Return why the loaded `vlm` lacks `need`; "" where its structure does not tell that it does."""
    return NEEDS[need](vlm)
