"""Seconds belong to the stage that spent them, and what several share to none of them, whoever asked first."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import permutations

import pytest
import torch
from PIL import Image

from pipeline.clock import Clock
from pipeline.explain import explain
from pipeline.explainers.base import Explainer, Passes
from pipeline.lent import HOME
from pipeline.models import passes as passes_of
from pipeline.models.base import VLM
from pipeline.types import Answer, Explanation, Extent, Layout, Query, Trace, without_scores


class Time:
    """A clock that only work moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def passes(self, seconds: float) -> None:
        self.seconds += seconds


class Slow:
    """A model whose verbs take whole seconds, and tell nothing."""

    extent = Extent(1, 1)

    def __init__(self, time: Time) -> None:
        self.time = time

    def trace(self, queries: Sequence[Query], answers: object) -> list[Trace]:
        self.time.passes(100 * len(queries))
        return [Trace(1.0, 1, 2, torch.zeros(2, 3), torch.zeros(2, 3)) for _ in queries]

    def look(self, images: Sequence[object], prompts: object, scale: float) -> list[Trace]:
        self.time.passes(40 * len(images))
        return [Trace(scale, 1, 2, torch.zeros(2, 3)) for _ in images]

    def top(self, states: torch.Tensor, k: int) -> torch.Tensor:
        self.time.passes(10)
        return torch.zeros(len(states), k, dtype=torch.long)


VLM.register(Slow)


class Asks(Explainer):
    """Takes a second of its own, after what it asks for."""

    def __init__(self, time: Time, *asked: Callable[[Passes, Query], object]) -> None:
        self.time, self.asked = time, asked

    __module__ = f"{HOME}asks"  # one of the project's is given no copies

    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        for ask in self.asked:
            ask(passes, query)
        self.time.passes(1)
        return without_scores(torch.zeros(len(answer.ids), 1, 2))


def base(passes: Passes, query: Query) -> object:
    return passes.trace(query)


def half(passes: Passes, query: Query) -> object:
    return passes.trace(query, 0.5)


def best(passes: Passes, query: Query) -> object:
    return passes.top(query, 1)


def measured(names: Sequence[str], asked: dict[str, tuple[Callable[[Passes, Query], object], ...]]) -> dict[str, float]:
    """Seconds a sample of two samples that these explainers explain in that order."""
    time = Time()
    clock = Clock(time)
    layout = Layout(torch.arange(2), 1, 2, (0.0, 0.0, 1.0, 1.0), torch.arange(1), 3)
    queries = [Query(Image.new("RGB", (1, 1)), "?", 1.0, {}, layout) for _ in range(2)]
    answers = [Answer((1,), ("a",), "a", True)] * 2
    passes = passes_of.Passes(Slow(time), queries, answers, None, clock)  # type: ignore[arg-type]
    passes._compare = lambda scale, grids: None  # type: ignore[method-assign]
    explain(passes, {name: Asks(time, *asked[name]) for name in names})
    found = clock.seconds(2)
    assert sum(found.values()) == pytest.approx(time.seconds / 2), "each second once"
    return {stage: seconds for stage, seconds in found.items() if seconds}


def test_a_pass_that_all_share_is_a_stage_of_its_own_in_any_order() -> None:
    asked = {"cam": (base,), "tam": (base, best), "msea": (base, half), "arc": (base, half, best)}
    alike = {"passes/trace": 100.0 + 40, "passes/top": 5.0, **{f"explain/{name}": 1.0 for name in asked}}
    for names in permutations(asked):
        assert measured(names, asked) == alike


def test_what_one_explainer_alone_asks_for_is_its_own_but_never_the_trace_of_the_answer() -> None:
    asked = {"cam": (base,), "msea": (base, half), "tam": (best,)}
    alike = {"passes/trace": 100.0, "explain/cam": 1.0, "explain/msea": 41.0, "explain/tam": 6.0}
    for names in permutations(asked):
        assert measured(names, asked) == alike
    assert measured(["cam"], asked) == {"passes/trace": 100.0, "explain/cam": 1.0}


def test_work_inside_shared_work_belongs_to_all_that_asked_for_either() -> None:
    """`top` asks for the states; here nobody else does, and these are at scale 1 common to all."""
    asked = {"tam": (best,), "arc": (best,)}
    for names in permutations(asked):
        assert measured(names, asked) == {
            "passes/trace": 100.0,
            "passes/top": 5.0,
            "explain/tam": 1.0,
            "explain/arc": 1.0,
        }


def test_time_counts_for_the_innermost_stage_also_after_an_exception() -> None:
    time = Time()
    clock = Clock(time)
    with suppress(KeyError), clock("outer"):
        time.passes(1)
        with clock("inner"):
            time.passes(2)
            raise KeyError
    time.passes(64)
    with clock("inner"):
        time.passes(4)
    assert clock.seconds() == {"outer": 1.0, "inner": 6.0}
