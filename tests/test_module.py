"""From samples to rows: a view never changes a result, and what has no ground truth has no scores."""

from pathlib import Path

import pytest

from datamodules.sample import Sample
from metrics.words import tagger
from pipeline.explainers.cam import CAM
from pipeline.models.qwen2_vl import Qwen2VL
from pipeline.module import ExplainModule
from pipeline.outputs.records import decode, encode
from pipeline.outputs.summary import summarise
from tests import tiny
from tests.metrics.scenes import rle, square


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Qwen2VL:
    return tiny.qwen2_vl(tmp_path_factory.mktemp("tiny"))


def module(vlm: Qwen2VL, run_dir: Path) -> ExplainModule:
    return ExplainModule(vlm, {"cam": CAM()}, run_dir=run_dir, tagger=tagger("hanta"), figures=2)


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
        raise OSError("no font")

    monkeypatch.setattr("pipeline.outputs.draw.sample", fail)
    with pytest.warns(UserWarning, match="no pictures of known: OSError: no font"):
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
    assert {path.name for path in (tmp_path / "figures" / "1").iterdir()} >= {"panel.png", "maps.npz"}
    rows = {row.key: decode(encode(row)) for row in (known, unknown)}
    summary = summarise(rows, ["known", "unknown"], ["cam"], "hanta")
    assert summary["samples"] == {"expected": 2, "scored": 2, "quarantined": 0}
    assert summary["captions"]["rouge_l"]["count"] == 1
