"""Rank-biased overlap (Webber et al. 2010) of many rankings at once."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def rbo(
    first: Int[Tensor, "first k"],
    second: Int[Tensor, "second k"],
    p: float = 0.9,
    extrapolate: bool = True,
    chunk: int = 64,
) -> Float[Tensor, "first second"]:
    """Overlap, in [0, 1], of every ranking in `first` with every one in `second`, each without duplicates.

    With the overlap A_d = |S_1..d & T_1..d| / d: truncated, (1 - p) sum_d p^(d-1) A_d; extrapolated (eq. 23), A_k p^k
    more, so that equal rankings give 1. At p = 1 both are the average overlap, sum_d A_d / k.

    The sum over depths is swapped for one over shared items: an item at ranks (a, b), from 0, is part of every overlap
    deeper than max(a, b) and is thus worth g[max(a, b)] = sum_{d > max(a, b)} w_d / d. `chunk` rows at a time: memory
    is chunk x second x k.
    """
    worth = gains(first.shape[1], p, extrapolate).to(first.device)
    items, compact = torch.unique(torch.cat([first, second]), return_inverse=True)
    rows, columns = compact.split([len(first), len(second)])
    k = first.shape[1]
    rank = torch.arange(k, device=first.device)
    ranks = torch.full((len(second), len(items)), k, device=first.device)
    ranks.scatter_(1, columns, rank.expand(len(second), k))
    overlaps = [worth[torch.maximum(ranks[:, part], rank)].sum(-1).T for part in rows.split(chunk)]
    return torch.cat(overlaps)


def gains(k: int, p: float, extrapolate: bool) -> Float[Tensor, " ranks"]:
    """What a shared item adds, by the worse of its two ranks; rank k (not in the list) adds nothing."""
    depth = torch.arange(1, k + 1, dtype=torch.float64)
    weight = (1 - p) * p ** (depth - 1) if p < 1 else torch.full_like(depth, 1 / k)
    gain = (weight / depth).flip(0).cumsum(0).flip(0)
    if extrapolate and p < 1:
        gain = gain + p**k / k
    return torch.cat([gain, gain.new_zeros(1)])
