"""What explainers ask of the model about one batch, each thing computed once."""

import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, cat

from pipeline.clock import Clock, Work
from pipeline.models import attention, grad_rollout, gradients, relevance, surgery
from pipeline.models.base import VLM
from pipeline.models.decoder import Entry, enter
from pipeline.notice import Notice
from pipeline.types import Answer, Extent, Query, Trace


class Passes:
    """Memoised verbs of `vlm` for one batch; keeps the `Passes` protocol of the explainers.

    traces: the scale-1 traces that generation left, where it did. clock: measures the work that explainers share; the
    trace at scale 1 is common to all. count: passes made so far for these queries, without those of `at` and those that
    only prepare others.
    """

    def __init__(
        self,
        vlm: VLM,
        queries: Sequence[Query],
        answers: Sequence[Answer],
        traces: Sequence[Trace] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.vlm, self.queries, self.answers = vlm, list(queries), list(answers)
        self.clock = clock or Clock()
        self.count = 0
        self._shown: tuple[float, ...] = ()
        self._traces: dict[float, Sequence[Trace]] = {} if traces is None else {1.0: traces}
        self._top: list[Tensor] | None = None
        self._least: dict[bool, list[int]] = {}
        self._entries: dict[int, Entry] = {}
        self._rows: dict[Hashable, Tensor] = {}
        self._scaled: dict[float, Passes] = {}

    @property
    def extent(self) -> Extent:
        """How deep the language model is and how many entries its head has."""
        return self.vlm.extent

    @property
    def places(self) -> range:
        """Places of the queries in the batch."""
        return range(len(self.queries))

    def part(self, places: Sequence[int]) -> "Passes":
        """Return passes for some of the queries, which keep of what is known already their traces alone."""
        some = Passes(
            self.vlm, [self.queries[at] for at in places], [self.answers[at] for at in places], None, self.clock
        )
        some._traces = {scale: [traces[at] for at in places] for scale, traces in self._traces.items()}
        some._shown = self._shown
        return some

    def trace(self, query: Query, scale: float = 1.0) -> Trace:
        """States of `query` at `scale` (at 1.0 with the text of its answer)."""
        work = self._asked("trace", scale, common=scale == 1.0)
        if scale not in self._traces:
            self.count += 1
            with self.clock(work):
                self._traces[scale] = self._traced(scale)
        return self._traces[scale][self.queries.index(query)]

    def unembed(self, states: Float[Tensor, "n dim"], ids: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """Logits, fp32, of the vocabulary entries `ids` for states after the final norm."""
        return self.vlm.unembed(states, ids)

    def top(self, query: Query, k: int) -> Int[Tensor, "text {k}"]:
        """The k best next tokens at every row of `trace(query).text`, best first, ties by the smaller id."""
        work = self._asked("top")
        if self._top is None or self._top[0].shape[1] < k:
            with self.clock(work):
                texts = [text for q in self.queries if (text := self.trace(q).text) is not None]
                self._top = list(self.vlm.top(cat(texts), k).split([len(text) for text in texts]))
        return self._top[self.queries.index(query)][:, :k]

    def least(self, query: Query, valid_ids_only: bool = False) -> int:
        """The vocabulary entry with the smallest logit summed over the visual tokens at scale 1."""
        work = self._asked("least", valid_ids_only)
        if valid_ids_only not in self._least:
            with self.clock(work):
                states = [self.trace(q).vision for q in self.queries]
                self._least[valid_ids_only] = self.vlm.least(states, valid_ids_only)
        return self._least[valid_ids_only][self.queries.index(query)]

    def attention(self, query: Query, layers: Sequence[int]) -> Float[Tensor, "answer tokens"]:
        """Attention of the predicting positions, mean over the heads of the blocks `layers`."""
        return self._once(attention.attention, query, tuple(layers))

    def rollout(self, query: Query) -> Float[Tensor, "answer tokens"]:
        """Attention of the predicting positions, rolled out over all blocks."""
        return self._once(attention.rollout, query)

    def grad_rollout(self, query: Query, discard: float = 0.0) -> Float[Tensor, "answer tokens"]:
        """Attention times its gradient, rolled out over all blocks; of each the smallest share `discard` left out."""
        return self._once(grad_rollout.grad_rollout, query, discard)

    def relevance(self, query: Query, rule: relevance.Rule) -> Float[Tensor, "answer tokens"]:
        """Signed relevance at the language model's input, summed over channels."""
        return self._once(relevance.relevance, query, rule)

    def surgery(self, query: Query, blocks: int, causal: bool = False) -> Float[Tensor, "vision dim"]:
        """Visual states after the final norm at the end of a second path through the last blocks."""
        return self._once(surgery.surgery, query, query.layout, blocks, causal)

    def gradients(self, query: Query, block: int | None) -> tuple[Trace, gradients.Gradients]:
        """States that leave `block`, and at the visual tokens the gradient of each answer token's logit, in turn.

        None: states after the final norm, and the gradient of the logit summed over the visual tokens. Not kept.
        """
        answer = self.answers[self.queries.index(query)]
        if block is None:
            trace = self.trace(query)
            return trace, gradients.view_gradients(self.vlm, trace, answer)
        self.count += 1
        return gradients.block_gradients(self.vlm, self._entry(query), query, answer, block)

    def at(self, query: Query, scale: float) -> "tuple[Passes, Query]":
        """The same answers about the image at another scale: the passes and the query to ask them about."""
        work = self._asked("ask", scale)
        if scale not in self._scaled:
            with self.clock(work):
                asked = self.vlm.ask([q.image for q in self.queries], [q.text for q in self.queries], scale)
            self._compare(scale, [(q.layout.rows, q.layout.cols) for q in asked])
            self._scaled[scale] = Passes(self.vlm, asked, self.answers, clock=self.clock)
            self._scaled[scale]._shown = (*self._shown, scale)
        other = self._scaled[scale]
        return other, other.queries[self.queries.index(query)]

    def _entry(self, query: Query) -> Entry:
        """What enters the language model for `query` and its answer."""
        index, work = self.queries.index(query), self._asked("enter")
        if index not in self._entries:
            with self.clock(work):
                self._entries[index] = enter(self.vlm, query, self.answers[index])
        return self._entries[index]

    def _once(self, verb: Callable[..., Tensor], query: Query, *arguments: Any) -> Tensor:
        """What `verb` says of `query`, computed by the first who asks."""
        key = verb, self.queries.index(query), arguments
        # a layout is that of the query, and no argument by which two explainers ask for different things
        work = self._asked(verb.__name__, *(each for each in arguments if each is not query.layout))
        if key not in self._rows:
            self.count += 1
            with self.clock(work):
                self._rows[key] = verb(self.vlm, self._entry(query), *arguments)
        return self._rows[key]

    def _asked(self, verb: str, *detail: Hashable, common: bool = False) -> Work:
        """Note who asks for what may be known already."""
        work = Work(verb, (*self._shown, *detail), common and not self._shown)
        self.clock.ask(work)
        return work

    def _traced(self, scale: float) -> list[Trace]:
        """One pass over the whole batch: teacher-forced at scale 1, otherwise up to the last visual token."""
        if scale == 1.0:
            return self.vlm.trace(self.queries, self.answers)
        found = self.vlm.look([q.image for q in self.queries], [q.text for q in self.queries], scale)
        self._compare(scale, [(trace.rows, trace.cols) for trace in found])
        return found

    def _compare(self, scale: float, grids: Sequence[tuple[int, int]]) -> None:
        """Warn where images were not shown at `scale`."""
        for query, (rows, cols) in zip(self.queries, grids, strict=True):
            base = query.layout
            if max(abs(rows - scale * base.rows), abs(cols - scale * base.cols)) > 1 + scale / 2:
                warnings.warn(
                    f"scale {scale}: some images were shown at another size than {scale} times their own, because the "
                    "model's processor takes no fewer and no more pixels than its limits (min_pixels, max_pixels); "
                    "maps of this scale are of the size that was shown",
                    Notice,
                    stacklevel=4,
                )
