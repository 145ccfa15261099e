"""What an explainer of the user's own is given: copies, so that whatever it changes in place is nobody else's.

The explainers of a run share what was computed for a batch. Those of the project only read it, which tests show.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Literal, TypeVar

from jaxtyping import Float, Int
from torch import Tensor

from pipeline.explainers.base import Explainer, Passes
from pipeline.types import Extent, Query, Trace

HOME = "pipeline.explainers."
"""The package whose classes are known to change nothing that they are given."""
Noun = TypeVar("Noun")


def lend(explainer: Explainer, passes: Passes, query: Query) -> tuple[Passes, Query]:
    """Return what `explainer` may be given: `passes` and `query`, or copies of both for a class of the user's own."""
    if known(explainer):
        return passes, query
    lent = Lent(passes)
    return lent, lent.lent(query)


def known(explainer: Explainer) -> bool:
    """Return whether the class of an explainer, and those of explainers that it holds, are the project's own."""
    if not type(explainer).__module__.startswith(HOME):
        return False
    return all(known(part) for part in vars(explainer).values() if isinstance(part, Explainer))


def copied(noun: Noun) -> Noun:
    """Return a noun whose tensors are copies."""
    tensors = {one.name: getattr(noun, one.name) for one in fields(noun)}  # type: ignore[arg-type]
    return replace(noun, **{name: one.clone() for name, one in tensors.items() if isinstance(one, Tensor)})  # type: ignore[type-var]


class Inputs(Mapping[str, Tensor]):
    """Copies of a query's inputs, each made when it is first read."""

    def __init__(self, of: Mapping[str, Tensor]) -> None:
        self.of, self.made = of, dict[str, Tensor]()

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.made:
            self.made[name] = self.of[name].clone()
        return self.made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.of)

    def __len__(self) -> int:
        return len(self.of)


class Lent:
    """The verbs of `passes`, whose results are copies. Queries are copies too, and stand for those of `passes`."""

    def __init__(self, passes: Passes) -> None:
        self._passes = passes
        self._lent: dict[int, tuple[Query, Query]] = {}
        self._scaled: dict[int, Lent] = {}

    def lent(self, query: Query) -> Query:
        """Return a copy that stands for a query of `passes`: always the same one."""
        for copy, own in self._lent.values():
            if own is query:
                return copy
        copy = replace(query, image=query.image.copy(), inputs=Inputs(query.inputs), layout=copied(query.layout))
        self._lent[id(copy)] = copy, query
        return copy

    def _own(self, query: Query) -> Query:
        """Return the query of `passes` that a copy stands for."""
        return self._lent.get(id(query), (query, query))[1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._passes, name)

    @property
    def queries(self) -> list[Query]:
        """Copies of the queries of the batch."""
        return [self.lent(query) for query in self._passes.queries]  # type: ignore[attr-defined]

    @property
    def extent(self) -> Extent:
        """As `Passes.extent`."""
        return self._passes.extent

    def trace(self, query: Query, scale: float = 1.0) -> Trace:
        """As `Passes.trace`."""
        return copied(self._passes.trace(self._own(query), scale))

    def unembed(self, states: Float[Tensor, "n dim"], ids: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """As `Passes.unembed`, which makes a new tensor."""
        return self._passes.unembed(states, ids)

    def top(self, query: Query, k: int) -> Int[Tensor, "text {k}"]:
        """As `Passes.top`."""
        return self._passes.top(self._own(query), k).clone()

    def least(self, query: Query, valid_ids_only: bool = False) -> int:
        """As `Passes.least`."""
        return self._passes.least(self._own(query), valid_ids_only)

    def attention(self, query: Query, layers: Sequence[int]) -> Float[Tensor, "answer tokens"]:
        """As `Passes.attention`."""
        return self._passes.attention(self._own(query), layers).clone()

    def rollout(self, query: Query) -> Float[Tensor, "answer tokens"]:
        """As `Passes.rollout`."""
        return self._passes.rollout(self._own(query)).clone()

    def grad_rollout(self, query: Query, discard: float = 0.0) -> Float[Tensor, "answer tokens"]:
        """As `Passes.grad_rollout`."""
        return self._passes.grad_rollout(self._own(query), discard).clone()

    def relevance(self, query: Query, rule: Literal["cp", "attn"]) -> Float[Tensor, "answer tokens"]:
        """As `Passes.relevance`."""
        return self._passes.relevance(self._own(query), rule).clone()

    def gradients(self, query: Query, block: int | None) -> tuple[Trace, Iterator[Float[Tensor, "vision dim"]]]:
        """As `Passes.gradients`."""
        trace, found = self._passes.gradients(self._own(query), block)
        return copied(trace), (gradient.clone() for gradient in found)

    def surgery(self, query: Query, blocks: int, causal: bool = False) -> Float[Tensor, "vision dim"]:
        """As `Passes.surgery`."""
        return self._passes.surgery(self._own(query), blocks, causal).clone()

    def at(self, query: Query, scale: float) -> "tuple[Lent, Query]":
        """As `Passes.at`."""
        passes, shown = self._passes.at(self._own(query), scale)
        lent = self._scaled.setdefault(id(passes), Lent(passes))
        return lent, lent.lent(shown)
