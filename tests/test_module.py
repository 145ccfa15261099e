"""From samples to rows: a view never changes a result, and what has no ground truth has no scores."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.sample import Sample
from metrics import localisation
from metrics.base import Evidence, Sum
from metrics.entries import Entries
from metrics.words import tagger
from pipeline.explainers.base import Explainer
from pipeline.explainers.cam import CAM
from pipeline.models.qwen2_vl import Qwen2VL
from pipeline.module import ExplainModule, Given
from pipeline.outputs.records import Row, decode, encode
from pipeline.outputs.summary import summarise
from tests import tiny
from tests.metrics.scenes import rle, square


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Qwen2VL:
    return tiny.qwen2_vl(tmp_path_factory.mktemp("tiny"))


def module(vlm: Qwen2VL, run_dir: Path, given: Given | None = None, **others: Explainer) -> ExplainModule:
    explainers = {"cam": CAM(), **others}
    return ExplainModule(vlm, explainers, run_dir=run_dir, tagger=tagger("hanta"), given=given, figures=2, panels=2)


def samples() -> list[Sample]:
    """One with a mask, one without ground truth."""
    image, prompt = tiny.image(4, 5), "Describe this image."
    mask = rle(square(image.height, image.width, 8, 8, 40, 40))
    known = Sample("known", 0, image, prompt, captions=("A dog.",), masks={"dog": mask}, categories=("dog",))
    return [known, Sample("unknown", 1, image, prompt)]


def test_pictures_that_fail_change_no_row(vlm: Qwen2VL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = module(vlm, tmp_path / "drawn").rows(samples())
    assert (tmp_path / "drawn" / "figures" / "0" / "panel.png").exists()

    def fail(*_: object) -> None:
        raise OSError("no \x1b[31mfont\u202e")

    monkeypatch.setattr("pipeline.outputs.draw.sample", fail)
    with pytest.warns(UserWarning, match=r"^no pictures of known: OSError: no \[31mfont $"):
        bare = module(vlm, tmp_path / "bare").rows(samples())
    assert [(row.error, row.explainers, row.captions) for row in bare] == [
        (None, row.explainers, row.captions) for row in drawn
    ]
    assert bare[0].explainers


def test_an_image_without_masks_is_explained_and_drawn_but_not_scored(vlm: Qwen2VL, tmp_path: Path) -> None:
    known, unknown = module(vlm, tmp_path).rows(samples())
    assert unknown.answer is not None
    assert unknown.answer["ids"] == known.answer["ids"], "it is the same image"  # type: ignore[index]
    assert (unknown.error, unknown.explainers, unknown.captions) == (None, {}, {})
    assert {path.name for path in (tmp_path / "figures" / "1").iterdir()} == {
        "image.jpg",
        "maps.npz",
        "sample.json",
        "panel.png",
    }
    rows = {row.key: decode(encode(row)) for row in (known, unknown)}
    summary = summarise(rows, ["known", "unknown"], ["cam"], "hanta")
    assert summary["samples"] == {"expected": 2, "scored": 2, "quarantined": 0}
    assert summary["captions"]["rouge_l"]["count"] == 1


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    torch.AcceleratorError("CUDA error: out of memory"),
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
]


def too_small(of: ExplainModule, error: Exception, fits: int, never: str = "") -> None:
    """A machine that has room for so many samples, and none for the sample `never`."""

    def explained(batch: Sequence[Sample]) -> Iterator[Row]:
        for sample in batch:
            if len(batch) > fits or sample.key == never:
                raise error
            yield Row(sample.key, sample.index, batch=len(batch))

    of.explained = explained  # type: ignore[method-assign]


def seven() -> list[Sample]:
    return [Sample(str(index), index, tiny.image(1, 1), "Why?") for index in range(7)]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_what_does_not_fit_is_redone_in_halves_and_marked(vlm: Qwen2VL, tmp_path: Path, error: Exception) -> None:
    narrow, kind = module(vlm, tmp_path), type(error).__name__
    too_small(narrow, error, fits=3)
    rows = {row.key: decode(encode(row)) for row in narrow.rows(seven())}
    assert [(row.index, row.batch, row.redone, row.error) for row in rows.values()] == [
        *[(index, 3, kind, None) for index in (0, 1, 2)],
        *[(index, 2, kind, None) for index in (3, 4, 5, 6)],
    ]
    found = summarise(rows, list(rows), ["cam"], "hanta")
    assert found["redone"] == {kind: 7}
    assert found["samples"] == {"expected": 7, "scored": 7, "quarantined": 0}


def test_what_never_fits_is_quarantined_with_its_reason_alone(vlm: Qwen2VL, tmp_path: Path) -> None:
    narrow = module(vlm, tmp_path)
    too_small(narrow, OUT_OF_MEMORY[0], fits=8, never="4")
    rows = {row.key: row for row in narrow.rows(seven())}
    assert [key for key, row in rows.items() if row.error] == ["4"]
    assert rows["4"].error == "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB"
    assert {key: row.batch for key, row in rows.items()} == dict.fromkeys("34", 1) | dict.fromkeys(
        "56", 2
    ) | dict.fromkeys("012", 3)


@pytest.mark.parametrize("error", [torch.AcceleratorError("CUDA error: device-side assert triggered"), OSError(28, "")])
def test_a_fault_of_the_machine_is_no_row(vlm: Qwen2VL, tmp_path: Path, error: Exception) -> None:
    broken = module(vlm, tmp_path)
    too_small(broken, error, fits=0)
    with pytest.raises(type(error)):
        broken.rows(seven())


def test_an_empty_answer_is_scored_with_rouge_0_and_no_entries(vlm: Qwen2VL, tmp_path: Path) -> None:
    silent = module(vlm, tmp_path, given=lambda _, vlm: vlm.read([], True))
    row, _ = (decode(encode(row)) for row in silent.rows(samples()))
    assert (row.error, row.answer) == (
        None,
        {"ids": [], "pieces": [], "text": "", "ended": True, "end": silent.vlm.end_text},
    )
    assert row.captions["rouge_l"] == Sum(0.0, 1)
    for entries in row.explainers["cam"].values():
        assert entries.objects == entries.functions == entries.punctuation == entries.absent == ()
    found = summarise({row.key: row}, [row.key], ["cam"], "hanta")
    assert found["samples"]["scored"] == 1
    assert found["captions"]["rouge_l"]["value"] == 0
    assert found["explainers"]["cam"]["corrected"]["obj_iou"] == {"value": None, "low": None, "high": None, "count": 0}


def test_a_row_says_which_token_ended_its_answer_and_the_reference_scorer_hears_it(
    vlm: Qwen2VL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    score = localisation.score_all

    def listen(known: Evidence, *others: Any) -> dict[str, Entries]:
        heard.append(known.end)
        return score(known, *others)

    monkeypatch.setattr(localisation, "score_all", listen)
    said = iter(
        [vlm.read([5, 6], True, "<|im_end|>"), vlm.read([5, 6], True, "<|endoftext|>"), vlm.read([5, 6], False)]
    )
    found = [module(vlm, tmp_path, given=lambda *_: next(said)).rows(samples()[:1])[0] for _ in range(3)]
    assert [row.answer["end"] for row in found if row.answer] == heard == ["<|im_end|>", "<|endoftext|>", ""]
