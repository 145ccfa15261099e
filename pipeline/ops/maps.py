"""Maps: from a row of scores to the finished picture of eight bits."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from pipeline.types import Explanation

RankFilter = Literal["none", "finite", "compat"]
"""The rank Gaussian filter on the finished map: not at all; constant windows kept; constant windows to 0 as in the
public TAM code."""
Normalise = Literal["joint", "image"]
"""Min-max over the map and the text scores together, or over the map alone."""
Fuse = Literal["mean", "max"]
"""How maps of several scales become one."""


def fold(scores: Float[Tensor, "maps vision"], rows: int, cols: int) -> Float[Tensor, "maps {rows} {cols}"]:
    """One score per visual token, row-major, as a grid."""
    return scores.reshape(len(scores), rows, cols)


def resize(maps: Float[Tensor, "maps _ _"], rows: int, cols: int) -> Float[Tensor, "maps {rows} {cols}"]:
    """Bilinear, corners not aligned, no antialiasing: OpenCV's INTER_LINEAR. Weights in fp64."""
    if tuple(maps.shape[1:]) == (rows, cols):
        return maps
    exact = interpolate(maps[:, None].double(), (rows, cols), mode="bilinear", align_corners=False)
    return exact[:, 0].to(maps.dtype)


def fuse(
    maps: Sequence[Float[Tensor, "maps _ _"]], rows: int, cols: int, how: Fuse
) -> Float[Tensor, "maps {rows} {cols}"]:
    """Maps of several scales, each on its own grid, brought to one grid and fused (MSEA eq. 5)."""
    stacked = torch.stack([resize(each, rows, cols) for each in maps])
    return stacked.mean(0) if how == "mean" else stacked.amax(0)


def finish(
    explanation: Explanation, rank_filter: RankFilter = "none", normalise: Normalise = "joint", floor: bool = True
) -> UInt8[Tensor, "answer rows cols"]:
    """Floor at 0, min-max, rank Gaussian filter, times 255, truncated: in this order, as the public TAM code does.

    floor: False keeps what is negative until min-max.
    """
    maps = min_max(explanation, normalise, floor)
    if rank_filter != "none":
        maps = rank_gaussian(maps, constant_to_zero=rank_filter == "compat")
    return (maps * 255).to(torch.uint8)


def min_max(
    explanation: Explanation, normalise: Normalise = "joint", floor: bool = True
) -> Float[Tensor, "answer rows cols"]:
    """Each map, floored at 0 unless not, to [0, 1] in fp32; 0 where all that counts is one value.

    joint: the extremes are those of the map and the valid text scores of its token, so values compare across tokens.
    """
    least = 0.0 if floor else -torch.inf
    maps = explanation.maps.float().clamp(min=least)
    counted = flat = maps.flatten(1)
    if normalise == "joint":
        scores = explanation.scores.float().clamp(min=least)
        counted = torch.cat([flat, torch.where(explanation.valid, scores, flat[:, :1])], 1)
    if not torch.isfinite(counted).all():
        raise ValueError("a map or a text score is not finite")
    low, high = (extreme[:, None, None] for extreme in torch.aminmax(counted, dim=1))
    return torch.where(high == low, 0.0, (maps - low) / (high - low))


def rank_gaussian(
    maps: Float[Tensor, "maps rows cols"], constant_to_zero: bool = False
) -> Float[Tensor, "maps rows cols"]:
    """TAM's rank Gaussian filter, 3 x 3: a mean of the sorted window with Gaussian weights around its median.

    The width is the coefficient of variation, std / mean (population), of the window; a window of mean 0 gives 0. In a
    constant positive window the width is 0 and the public code divides 0 by 0, which its cast to eight bits turns
    into 0: so does `constant_to_zero`; otherwise the limit, the constant, is kept (the only deviation).

    Edges are reflected without repetition; an axis of one cell repeats it. The kernel is fp64, mean and width have the
    dtype of `maps`, and sums are taken in numpy's order, all as in the public code.
    """
    rows, cols = (_reflect(size).to(maps.device) for size in maps.shape[1:])
    windows = maps[:, rows[:, None, :, None], cols[None, :, None, :]].flatten(-2).sort(-1).values
    mean = _mean(windows)
    sigma = _mean((windows - mean[..., None]).square()).sqrt() / torch.where(mean > 0, mean, 1)
    width = 2 * sigma.square()
    offset = torch.arange(-4, 5, dtype=torch.float64, device=maps.device).square()
    kernel = torch.softmax(-offset / width.double().clamp(min=torch.finfo(torch.float64).tiny)[..., None], -1)
    keep = (mean > 0) & (width > 0) if constant_to_zero else mean > 0
    return torch.where(keep, (windows * kernel).sum(-1), 0.0).to(maps.dtype)


def _reflect(size: int) -> Tensor:
    """Indices of the three neighbours of every cell of an axis, reflected at its ends."""
    index = torch.arange(size)[:, None] + torch.arange(-1, 2)
    return (size - 1 - (size - 1 - index.abs()).abs()).abs().clamp(max=size - 1)


def _mean(windows: Float[Tensor, "*cells 9"]) -> Float[Tensor, "*cells"]:
    """Mean of nine values, added in the order in which numpy adds them."""
    a, b, c, d, e, f, g, h, last = windows.unbind(-1)
    return (((a + b) + (c + d)) + ((e + f) + (g + h)) + last) / 9
