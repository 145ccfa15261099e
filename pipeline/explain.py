"""Explain the answers of one batch by several explainers, each on its own: one that fails costs its own maps alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from pipeline import faults
from pipeline.explainers.base import Explainer, checked
from pipeline.lent import lend
from pipeline.models.passes import Passes
from pipeline.ops.maps import finish
from pipeline.types import Answer, Explanation, Query

STAGE = "explain/"
"""Before the name of an explainer in the name of its stage."""


@dataclass(frozen=True, eq=False)
class Explained:
    """What the explainers made of one answer.

    raw: explainer -> explanation. maps: explainer -> finished maps, 0..255. failed: explainer -> reason.
    batch: size of the smallest batch in which one of them was computed. redone: where that is a part of the batch asked
        for, the kind of error that the larger one ended with.
    """

    batch: int
    raw: dict[str, Explanation] = field(default_factory=dict)
    maps: dict[str, UInt8[np.ndarray, "answer rows cols"]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    redone: str | None = None


@dataclass(frozen=True, eq=False)
class _Made:
    """What one explainer made of one answer, as one of a batch of that size; redone: as in `Explained`."""

    explanation: Explanation
    maps: UInt8[np.ndarray, "answer rows cols"]
    batch: int
    redone: str | None = None


@dataclass(frozen=True)
class _Failure:
    """Why an explainer made nothing of an answer. memory: whether a smaller batch may do."""

    kind: str
    reason: str
    memory: bool


def explain(
    passes: Passes,
    explainers: Mapping[str, Explainer],
    ends: Callable[[Exception], bool] = faults.of_the_machine,
) -> list[Explained]:
    """Explain every answer of `passes` by every explainer, and finish the maps as the explainer declares.

    An explainer that fails on an answer is named in `failed`; the others are not touched. ends: says which errors are
    nobody's fault here; these are raised.
    """
    made = {name: _made(name, explainer, passes, ends) for name, explainer in explainers.items()}
    return [_together({name: of[at] for name, of in made.items()}, len(passes.queries)) for at in passes.places]


def _together(made: Mapping[str, _Made | _Failure], batch: int) -> Explained:
    """Return what all explainers made of one answer in a batch of that size."""
    good = {name: one for name, one in made.items() if isinstance(one, _Made)}
    smallest = min(good.values(), key=lambda one: one.batch, default=None)
    return Explained(
        batch if smallest is None else smallest.batch,
        {name: one.explanation for name, one in good.items()},
        {name: one.maps for name, one in good.items()},
        {name: one.reason for name, one in made.items() if isinstance(one, _Failure)},
        None if smallest is None else smallest.redone,
    )


def _made(
    name: str,
    explainer: Explainer,
    passes: Passes,
    ends: Callable[[Exception], bool],
    redone: str | None = None,
) -> list[_Made | _Failure]:
    """Explain every answer by one explainer.

    What a smaller batch may do is done again in parts, down to single answers: all answers in halves where none could
    be explained, since the work that they share may have failed for one of them; else those that lacked memory.
    """
    made = [_one(name, explainer, passes, at, ends, redone) for at in passes.places]
    lost = [at for at, one in enumerate(made) if isinstance(one, _Failure)]
    again = lost if len(lost) == len(made) else [at for at in lost if made[at].memory]  # type: ignore[union-attr]
    if not again or len(made) == 1:
        return made
    faults.release()
    half = len(again) // 2 if len(again) == len(made) else len(again)
    for part in filter(None, (again[:half], again[half:])):
        kind = redone or made[part[0]].kind  # type: ignore[union-attr]
        for at, one in zip(part, _made(name, explainer, passes.part(part), ends, kind), strict=True):
            made[at] = one
    return made


def _one(
    name: str,
    explainer: Explainer,
    passes: Passes,
    at: int,
    ends: Callable[[Exception], bool],
    redone: str | None,
) -> _Made | _Failure:
    """Explain the answer at place `at`."""
    query, answer = passes.queries[at], passes.answers[at]
    try:
        explanation, maps = _finished(name, explainer, passes, query, answer)
        return _Made(explanation, maps, len(passes.queries), redone)
    except Exception as error:
        if ends(error) and not faults.of_an_explainer(error):
            raise
        return _Failure(type(error).__name__, faults.reason(error), faults.out_of_memory(error))


def _finished(
    name: str, explainer: Explainer, passes: Passes, query: Query, answer: Answer
) -> tuple[Explanation, UInt8[np.ndarray, "answer rows cols"]]:
    """Return the explanation of one answer, and its maps as uint8, completed as the explainer declares."""
    with passes.clock(STAGE + name), faults.naming(name):
        explanation = checked(explainer.explain(*lend(explainer, passes, query), answer), query, answer)
    with passes.clock("finish"), faults.naming(name):
        maps = finish(explanation, explainer.rank_filter, explainer.normalise, explainer.floor)
        return explanation, maps.cpu().numpy()
