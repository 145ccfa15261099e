"""Logits from states after the final norm, without ever making all of them: rows in chunks, vocabulary in blocks."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear

ROWS = 64
BLOCK = 1024
SPARE = 16


class Head:
    """The unembedding W_U of a model. Its weights stay in their own dtype.

    dtype: in which logits are computed, before they become fp32: fp32 by default; the dtype of the weights gives the
    logits that the model itself gives, rounded to that dtype. `least`, whose sums would drown in the rounding, is
    computed in fp32 always.
    """

    def __init__(self, layer: nn.Module, dtype: torch.dtype = torch.float32) -> None:
        self.weight: Tensor = layer.weight  # type: ignore[assignment]
        self.bias: Tensor | None = getattr(layer, "bias", None)
        self.vocab = len(self.weight)
        self.dtype = dtype

    def unembed(self, states: Float[Tensor, "n dim"], ids: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """Logits of the entries `ids` alone."""
        ids = ids.to(self.weight.device)
        bias = None if self.bias is None else self.bias[ids].to(self.dtype)
        return project(states, self.weight[ids].to(self.dtype), bias)

    def row(self, token: int) -> list[Tensor]:
        """Weights and, where there is one, bias of one entry, in their own dtype."""
        return [part[token] for part in (self.weight, self.bias) if part is not None]

    def top(self, states: Float[Tensor, "n dim"], k: int) -> Int[Tensor, "n {k}"]:
        """The k best entries of every row, best first, equal logits by the smaller id.

        Raises ValueError when the vocabulary has fewer than k entries.
        """
        if not 1 <= k <= self.vocab:
            raise ValueError(f"k = {k} best tokens asked of a vocabulary of {self.vocab}")
        best: list[tuple[Tensor, Tensor]] = [
            (rows.new_empty(len(rows), 0, dtype=torch.float32), rows.new_empty(len(rows), 0, dtype=torch.long))
            for rows in states.split(ROWS)
        ]
        for start, weight, bias in self.blocks():
            for chunk, rows in enumerate(states.split(ROWS)):
                values, ids = leaders(project(rows, weight, bias), k)
                values, ids = torch.cat([best[chunk][0], values], 1), torch.cat([best[chunk][1], ids + start], 1)
                values, order = values.sort(dim=1, descending=True, stable=True)
                best[chunk] = values[:, :k], ids.gather(1, order)[:, :k]
        return torch.cat([ids for _, ids in best])

    def least(
        self, groups: Sequence[Float[Tensor, "_ dim"]], allowed: Bool[Tensor, " vocab"] | None = None
    ) -> list[int]:
        """For each group of states the entry with the smallest logit summed over its rows, of equals the smallest id.

        The sum over rows moves inside the product, so one pass over the vocabulary serves all groups.
        """
        totals = torch.stack([states.float().sum(0) for states in groups])
        sizes = totals.new_tensor([[len(states)] for states in groups])
        sums = torch.cat(
            [
                project(totals, weight.float(), None) + (0 if bias is None else sizes * bias.float())
                for _, weight, bias in self.blocks()
            ],
            1,
        )
        if allowed is not None:
            sums = sums.masked_fill(~allowed.to(sums.device), torch.inf)
        return sums.argmin(1).tolist()

    def probabilities(self, states: Float[Tensor, "n dim"], ids: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Softmax probability, fp32, of one entry per row."""
        norms = states.new_full((len(states),), -torch.inf, dtype=torch.float32)
        for _, weight, bias in self.blocks():
            parts = [project(rows, weight, bias).logsumexp(1) for rows in states.split(ROWS)]
            norms = torch.logaddexp(norms, torch.cat(parts))
        return (self.each(states, ids) - norms).exp()

    def each(self, states: Float[Tensor, "n dim"], ids: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Logit, fp32, of one entry per row; gradients pass."""
        ids = ids.to(self.weight.device)
        logits = (states.float() * self.weight[ids].float()).sum(1)
        logits = logits if self.bias is None else logits + self.bias[ids].float()
        return logits.to(self.dtype).float()

    def blocks(self) -> Iterator[tuple[int, Tensor, Tensor | None]]:
        """Consecutive blocks of the vocabulary: first id, weights and bias in the dtype of logits."""
        for start in range(0, self.vocab, BLOCK):
            bias = None if self.bias is None else self.bias[start : start + BLOCK].to(self.dtype)
            yield start, self.weight[start : start + BLOCK].to(self.dtype), bias


def project(
    rows: Float[Tensor, "n dim"], weight: Float[Tensor, "block dim"], bias: Float[Tensor, " block"] | None
) -> Float[Tensor, "n block"]:
    """Logits of a few rows against one block, computed in the dtype of `weight`, returned in fp32."""
    if weight.dtype != torch.float32:
        return linear(rows.to(weight.dtype), weight, bias).float()
    logits = rows.float() @ weight.T
    return logits if bias is None else logits + bias


def leaders(logits: Float[Tensor, "n block"], k: int) -> tuple[Float[Tensor, "n kept"], Int[Tensor, "n kept"]]:
    """The k largest of every row (or all), in stable order by (-logit, id).

    A few spare candidates settle ties at the k-th place; where more are equal than that, the row chunk is sorted.
    """
    kept, k = min(k + SPARE, logits.shape[1]), min(k, logits.shape[1])
    values, ids = logits.topk(kept, dim=1)
    if kept < logits.shape[1] and bool((values[:, -1] == values[:, k - 1]).any()):
        values, ids = logits.sort(dim=1, descending=True, stable=True)
    else:
        ids, order = ids.sort(dim=1)
        values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
        ids = ids.gather(1, order)
    return values[:, :k], ids[:, :k]
