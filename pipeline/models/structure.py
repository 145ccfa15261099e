"""Parts of a model that is known by its shape alone."""

from typing import Any

from torch import nn


def blocks(decoder: nn.Module, config: Any) -> nn.ModuleList:
    """The decoder blocks: the one list of as many modules as `config`, of the text, says there are layers."""
    found = [m for m in decoder.children() if isinstance(m, nn.ModuleList) and len(m) == config.num_hidden_layers]
    return _only(found, "stack of decoder blocks")


def norm(decoder: nn.Module, config: Any) -> nn.Module:
    """The final norm: the one module beside the blocks with a weight, and at most a bias, per channel alone."""
    shapes = ([(config.hidden_size,)], [(config.hidden_size,)] * 2)
    found = [m for m in decoder.children() if [tuple(p.shape) for p in m.parameters()] in shapes]
    return _only(found, "final norm")


def picture(config: Any, images: Any) -> tuple[int, int]:
    """Height and width in pixels of what the vision tower takes, by `config` or else by its image processor. Raises
    ValueError where neither says them."""
    plain = images.size or {}
    for size in (getattr(config.vision_config, "image_size", None), plain.get("height"), plain.get("shortest_edge")):
        if size:
            return (size, size) if isinstance(size, int) else (size[0], size[1])
    raise ValueError("neither its vision tower nor its processor says how large a picture is")


def cell(config: Any, pixels: int, rows: int) -> int:
    """Pixels along the side of what one token stands for, a whole number of patches where there are patches."""
    patch = getattr(config.vision_config, "patch_size", None) or 1
    patch = patch if isinstance(patch, int) else patch[0]
    if pixels // patch % rows:
        raise ValueError(f"{pixels // patch} rows of patches are not shared evenly by {rows} rows of tokens")
    return pixels // patch // rows * patch


def _only(found: list[Any], what: str) -> Any:
    if len(found) != 1:
        raise ValueError(f"{len(found)} modules of its decoder could be the {what}")
    return found[0]
