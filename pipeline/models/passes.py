"""What explainers ask of the model about one batch, each thing computed once."""

import warnings
from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor, cat

from pipeline.models.base import VLM
from pipeline.types import Answer, Query, Trace


class Passes:
    """Memoised verbs of `vlm` for one batch; keeps the `Passes` protocol of the explainers.

    traces: the scale-1 traces that generation left, where it did. count: forward passes made so far.
    """

    def __init__(
        self, vlm: VLM, queries: Sequence[Query], answers: Sequence[Answer], traces: Sequence[Trace] | None = None
    ) -> None:
        self.vlm, self.queries, self.answers = vlm, list(queries), list(answers)
        self.count = 0
        self._traces: dict[float, Sequence[Trace]] = {} if traces is None else {1.0: traces}
        self._top: list[Tensor] | None = None
        self._least: dict[bool, list[int]] = {}

    def trace(self, query: Query, scale: float = 1.0) -> Trace:
        """States of `query` at `scale` (at 1.0 with the text of its answer)."""
        if scale not in self._traces:
            self.count += 1
            self._traces[scale] = self._traced(scale)
        return self._traces[scale][self.queries.index(query)]

    def unembed(self, states: Float[Tensor, "n dim"], ids: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """Logits, fp32, of the vocabulary entries `ids` for states after the final norm."""
        return self.vlm.unembed(states, ids)

    def top(self, query: Query, k: int) -> Int[Tensor, "text {k}"]:
        """The k best next tokens at every row of `trace(query).text`, best first, ties by the smaller id."""
        if self._top is None or self._top[0].shape[1] < k:
            texts = [text for q in self.queries if (text := self.trace(q).text) is not None]
            self._top = list(self.vlm.top(cat(texts), k).split([len(text) for text in texts]))
        return self._top[self.queries.index(query)][:, :k]

    def least(self, query: Query, valid_ids_only: bool = False) -> int:
        """The vocabulary entry with the smallest logit summed over the visual tokens at scale 1."""
        if valid_ids_only not in self._least:
            self._least[valid_ids_only] = self.vlm.least([self.trace(q).vision for q in self.queries], valid_ids_only)
        return self._least[valid_ids_only][self.queries.index(query)]

    def _traced(self, scale: float) -> list[Trace]:
        """One pass over the whole batch: teacher-forced at scale 1, otherwise up to the last visual token."""
        if scale == 1.0:
            return self.vlm.trace(self.queries, self.answers)
        found = self.vlm.look([q.image for q in self.queries], [q.text for q in self.queries], scale)
        for query, small in zip(self.queries, found, strict=True):
            base = query.layout
            if max(abs(small.rows - scale * base.rows), abs(small.cols - scale * base.cols)) > 1 + scale / 2:
                warnings.warn(
                    f"scale {scale}: the processor's pixel limits keep some grids from that ratio", stacklevel=3
                )
        return found
