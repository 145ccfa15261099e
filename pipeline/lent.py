"""Lend copies to an explainer of the user's own, so that whatever it changes in place is nobody else's.

The explainers of a run share what was computed for a batch. Those of the project only read it, which tests show.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from functools import partial
from inspect import ismethod
from typing import Any, TypeVar

from torch import Tensor

from pipeline.explainers.base import Explainer, Passes
from pipeline.types import Query, Trace

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
    """Hold copies of a query's inputs, each made when it is first read."""

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
    """Stand for `passes`: each verb asks them about the query that a copy stands for, and gives copies."""

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

    def __getattr__(self, name: str) -> Any:
        """Return a verb of `passes` that takes and gives copies, or what else they have of that name."""
        found = getattr(self._passes, name)
        return partial(self._asked, found) if ismethod(found) else found

    def _asked(self, verb: Callable[..., Any], *given: Any, **options: Any) -> Any:
        """Ask `passes` about their own queries, and return copies."""
        return _copy(verb(*map(self._own, given), **{name: self._own(one) for name, one in options.items()}))

    def _own(self, given: Any) -> Any:
        """Return the query of `passes` that a copy stands for; anything else as it is."""
        return self._lent.get(id(given), (given, given))[1]

    @property
    def queries(self) -> list[Query]:
        """Return copies of the queries of the batch."""
        return [self.lent(query) for query in self._passes.queries]  # type: ignore[attr-defined]

    def at(self, query: Query, scale: float) -> "tuple[Lent, Query]":
        """Return copies of what `Passes.at` returns: the passes at another scale, and the query to ask them about."""
        passes, shown = self._passes.at(self._own(query), scale)
        lent = self._scaled.setdefault(id(passes), Lent(passes))
        return lent, lent.lent(shown)


def _copy(found: Any) -> Any:
    """Return what a verb gave, with copies of its tensors."""
    if isinstance(found, Tensor):
        return found.clone()
    if isinstance(found, Trace):
        return copied(found)
    if isinstance(found, tuple):
        return tuple(map(_copy, found))
    return map(_copy, found) if isinstance(found, Iterator) else found
