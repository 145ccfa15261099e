"""An explainer that fails costs its own entries, and is named with its reason."""

import sys
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.sample import Sample
from pipeline import faults
from pipeline.explainers.base import Explainer, Passes
from pipeline.explainers.cam import CAM
from pipeline.explainers.msea import MSEA
from pipeline.explainers.tam import TAM
from pipeline.models.qwen2_vl import Qwen2VL
from pipeline.outputs.records import decode, encode
from pipeline.outputs.summary import summarise
from pipeline.types import Answer, Explanation, Query
from tests.test_module import OUT_OF_MEMORY, module, samples, vlm

__all__ = ["vlm"]


class Own(Explainer):
    """CAM, spoilt."""

    def __init__(self, spoil: Callable[[Explanation], object]) -> None:
        self.spoil = spoil

    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        return self.spoil(CAM().explain(passes, query, answer))  # type: ignore[return-value]


def other(**tensors: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Explanation], Explanation]:
    """What changes tensors of an explanation behind the back of the shapes that tests check."""

    def spoil(explanation: Explanation) -> Explanation:
        changed = copy(explanation)
        for name, change in tensors.items():
            object.__setattr__(changed, name, change(getattr(explanation, name)))
        return changed

    return spoil


def ends(_: Explanation) -> Any:
    sys.exit(3)


class PanicException(BaseException):
    """As libraries written in Rust raise it."""


def panics(_: Explanation) -> Any:
    raise PanicException("index out of bounds")


def bug(_: Explanation) -> Any:
    raise KeyError("my own bug")


SPOILT = {
    "not folded": (other(maps=lambda m: m.flatten(1)), "ValueError: own: maps of shape (8, 20), expected (8, 4, 5)"),
    "transposed": (other(maps=lambda m: m.mT), "ValueError: own: maps of shape (8, 5, 4), expected (8, 4, 5)"),
    "a row short": (other(maps=lambda m: m[:, 1:]), "ValueError: own: maps of shape (8, 3, 5), expected (8, 4, 5)"),
    "a token short": (other(maps=lambda m: m[1:]), "ValueError: own: maps of shape (7, 4, 5), expected (8, 4, 5)"),
    "one score": (other(scores=lambda s: s[:1]), "ValueError: own: scores of shape (1, 16), expected (8, 16)"),
    "flat scores": (other(scores=lambda s: s[:, 0]), "ValueError: own: scores of shape (8,), expected (8, 0)"),
    "one mask": (other(valid=lambda v: v[:1]), "ValueError: own: valid of shape (1, 16), expected (8, 16)"),
    "not finite": (other(maps=lambda m: m * torch.nan), "ValueError: own: a map or a text score is not finite"),
    "complex": (other(maps=lambda m: m * 1j), "TypeError: own: maps of torch.complex64, expected real numbers"),
    "the end": (ends, "EndedError: own (test_explainer_faults.py:{line}): SystemExit: 3"),
    "a panic": (panics, "EndedError: own (test_explainer_faults.py:{line}): PanicException: index out of bounds"),
    "nothing": (lambda _: None, "TypeError: own: explain returned NoneType, expected Explanation"),
    "a bug": (bug, "KeyError: own (test_explainer_faults.py:{line}): 'my own bug'"),
}


@pytest.mark.parametrize(("spoil", "said"), SPOILT.values(), ids=SPOILT)
def test_what_an_explainer_does_wrong_is_told_with_its_name(
    vlm: Qwen2VL, tmp_path: Path, spoil: Callable[[Explanation], object], said: str
) -> None:
    said = said.format(line=Own.explain.__code__.co_firstlineno + 1)
    rows = module(vlm, tmp_path, own=Own(spoil)).rows(samples())
    assert [(row.error, row.failed) for row in rows] == [(None, {"own": said})] * 2
    assert [list(row.explainers) for row in rows] == [["cam"], []], "the other has its entries where there are masks"
    summary = summarise({row.key: row for row in rows}, ["known", "unknown"], ["cam", "own"], "hanta")
    assert summary["failed"] == {"own": {said.partition(":")[0]: 2}}
    assert summary["samples"] == {"expected": 2, "scored": 2, "quarantined": 0}


def test_msea_does_not_stretch_maps_of_another_grid(vlm: Qwen2VL, tmp_path: Path) -> None:
    several = MSEA(base=Own(other(maps=lambda maps: maps[:, 1:])), scales=[1.0])
    row, _ = module(vlm, tmp_path, several=several).rows(samples())
    assert row.failed["several"].startswith("ValueError: several (msea.py:")
    assert row.failed["several"].endswith("): maps of shape (8, 3, 5), expected (8, 4, 5)")


def ten() -> list[Sample]:
    """Ten samples with the same image and mask, whose questions differ."""
    known = samples()[0]
    return [replace(known, key=f"k{at}", index=at, prompt="Why" + "?" * (at + 1)) for at in range(10)]


class Moody(Explainer):
    """CAM, which raises on some questions, or in a batch that is too large."""

    def __init__(self, questions: Sequence[str] = (), fits: int = 10, error: Exception | None = None) -> None:
        self.questions, self.fits, self.error = questions, fits, error or RuntimeError("no")

    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        if query.text in self.questions or len(passes.queries) > self.fits:  # type: ignore[attr-defined]
            raise self.error
        return CAM().explain(passes, query, answer)


def test_an_explainer_that_raises_on_one_sample_of_ten_costs_its_own_entry_there(vlm: Qwen2VL, tmp_path: Path) -> None:
    explainers: dict[str, Explainer] = {"tam": TAM(), "own": Moody(["Why????"])}
    rows = module(vlm, tmp_path, **explainers).rows(ten())
    alone = module(vlm, tmp_path / "alone", tam=TAM()).rows(ten())
    for row, expected in zip(rows, alone, strict=True):
        assert (row.error, row.batch, row.redone) == (None, 10, None)
        assert {name: row.explainers[name] for name in ("cam", "tam")} == expected.explainers, "to the last bit"
        assert list(row.failed) == (["own"] if row.key == "k3" else [])
    assert rows[3].failed["own"].startswith("RuntimeError: own (test_explainer_faults.py:")
    found = summarise(
        {row.key: decode(encode(row)) for row in rows}, [row.key for row in rows], ["cam", "tam", "own"], "x"
    )
    assert found["failed"] == {"own": {"RuntimeError": 1}}
    assert found["samples"] == {"expected": 10, "scored": 10, "quarantined": 0}
    nine = summarise(
        {row.key: row for row in rows if not row.failed}, [r.key for r in rows if not r.failed], ["cam", "own"], "x"
    )
    assert found["explainers"]["own"] == nine["explainers"]["own"]
    assert found["differences"]["cam-own"] == nine["differences"]["cam-own"], "over the nine that both have"


def test_an_explainer_that_lacks_memory_is_redone_in_halves_and_the_others_are_not(
    vlm: Qwen2VL, tmp_path: Path
) -> None:
    rows = module(vlm, tmp_path, own=Moody(["Why?????"], 3, MemoryError("none"))).rows(ten())
    alone = module(vlm, tmp_path / "alone").rows(ten())
    parts = [2, 2, 3, 3, 10, 2, 2, 3, 3, 3]
    assert [(row.batch, row.redone) for row in rows] == [(n, "MemoryError" if n < 10 else None) for n in parts]
    assert {row.key for row in rows if row.failed} == {"k4"}
    assert rows[4].failed["own"].startswith("MemoryError: own (test_explainer_faults.py:")
    for row, expected in zip(rows, alone, strict=True):
        assert row.explainers["cam"] == expected.explainers["cam"], "to the last bit"


@pytest.mark.parametrize("error", [*OUT_OF_MEMORY, RuntimeError("cuBLAS error: CUBLAS_STATUS_ALLOC_FAILED")])
def test_want_of_memory_is_known_by_kind_or_message_and_is_no_fault_of_the_machine(error: Exception) -> None:
    assert faults.out_of_memory(error)
    assert not faults.of_the_machine(error)
    assert not faults.out_of_memory(ValueError("maps of shape (9, 64)"))


def test_work_that_fails_for_one_sample_of_a_batch_costs_that_sample_alone(vlm: Qwen2VL, tmp_path: Path) -> None:
    class Shared(Explainer):
        """Asks for states of all samples, which one of them makes impossible."""

        def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
            if any(q.text == "Why???" for q in passes.queries):  # type: ignore[attr-defined]
                raise ValueError("the processor refuses it")
            return CAM().explain(passes, query, answer)

    rows = module(vlm, tmp_path, own=Shared()).rows(ten())
    assert [row.key for row in rows if row.failed] == ["k2"]
    assert {row.redone for row in rows if not row.failed} == {"ValueError"}


def test_a_fault_of_the_machine_in_an_explainer_is_no_row(vlm: Qwen2VL, tmp_path: Path) -> None:
    for error in (OSError(28, "full"), torch.AcceleratorError("CUDA error: device-side assert triggered")):
        with pytest.raises(type(error)):
            module(vlm, tmp_path, own=Moody(["Why?"], error=error)).rows(ten()[:2])


def test_a_sample_on_which_all_explainers_fail_keeps_its_caption(vlm: Qwen2VL, tmp_path: Path) -> None:
    of = module(vlm, tmp_path, cam=Moody(["Why?"]))
    rows = {row.key: row for row in of.rows(ten()[:2])}
    assert rows["k0"].captions
    assert (rows["k0"].error, rows["k0"].explainers, list(rows["k0"].failed)) == (None, {}, ["cam"])
    found = summarise(rows, list(rows), ["cam"], "x")
    assert (found["ground_truth"], found["captions"]["rouge_l"]["count"]) == (2, 2)
    assert (tmp_path / "figures" / "0" / "panel.png").exists()


def test_a_reason_of_any_length_is_kept_at_a_bounded_one() -> None:
    assert faults.reason(KeyError("x")) == "KeyError: 'x'"
    told = faults.reason(ValueError("x" * 10**6))
    assert len(told) == faults.LONGEST
    assert told.startswith("ValueError: xx")
    assert told.endswith("x…")
