"""Answers that the model is not asked for: what is refused before it loads, and what rows of any age say."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from datamodules.base import SampleDataModule, ShardDataModule
from datamodules.images import ImagesDataModule
from datamodules.sample import Sample
from datamodules.shards import write_shards
from pipeline import answers
from pipeline.arguments import UsageError
from pipeline.explainers.archi_surgery import ArchiSurgery
from pipeline.explainers.base import equal_by_definition
from pipeline.explainers.cam import CAM
from pipeline.explainers.grad_cam import GradCAM
from pipeline.explainers.msea import MSEA
from pipeline.explainers.msea_arc import MSEAARC
from pipeline.explainers.tam import TAM
from pipeline.models.passes import Passes
from pipeline.models.qwen2_vl import Qwen2VL
from pipeline.ops.maps import finish
from pipeline.outputs.records import Row, RowWriter
from pipeline.outputs.summary import many_cut, summarise
from pipeline.outputs.table import captions, show
from tests import tiny
from tests.checkpoints import qwen2_vl_folder
from tests.datamodules import builder
from tests.outputs.made import EXPLAINERS, rows

SAMPLE = Sample("0000", 0, None, "What?")
"""As much of a sample as a replay looks at."""


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Qwen2VL:
    return tiny.loaded(Qwen2VL(str(qwen2_vl_folder(tmp_path_factory.mktemp("qwen2_vl"), ends=True)), max_new_tokens=6))


def pictures(folder: Path) -> ImagesDataModule:
    Image.new("RGB", (9, 9)).save(folder / "a.png")
    return ImagesDataModule([str(folder)])


def shards(folder: Path, said: tuple[tuple[str, ...], ...], **options: int) -> ShardDataModule:
    """A dataset whose samples have these captions."""
    made = [replace(record, captions=list(c)) for record, c in zip(builder.records(len(said)), said, strict=True)]
    write_shards(folder, "toy", made, prompt=builder.PROMPT, categories=builder.CATEGORIES)
    return ShardDataModule(str(folder / "manifest.json"), **options)


def test_pictures_have_no_captions_to_put_into_the_models_mouth(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--answers captions: none of the 1 samples has a caption; choose data with"):
        answers.given("captions", pictures(tmp_path), {})


def test_shards_without_captions_are_refused_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none of the 2 samples has a caption"):
        answers.given("captions", shards(tmp_path, ((), ())), {})


def test_captions_beyond_the_limit_do_not_count(tmp_path: Path) -> None:
    said = ((), (), ("A dog.",))
    with pytest.raises(UsageError, match="none of the 2 samples has a caption"):
        answers.given("captions", shards(tmp_path, said, limit=2), {})
    assert answers.given("captions", shards(tmp_path, said), {})[0] is answers.first_caption


def run_folder(folder: Path, data: SampleDataModule, said: dict[str, object] | None) -> Path:
    folder.mkdir()
    (folder / "env.json").write_text(json.dumps({"fingerprint": {"manifest": data.digest, "model": {}}, "starts": []}))
    with RowWriter(folder / "rows.0.jsonl") as writer:
        writer.write(Row("0000", 0, answer=said, error=None if said else "ValueError: no"))
    return folder


def test_a_run_that_answered_none_of_the_samples_is_refused(tmp_path: Path) -> None:
    data = shards(tmp_path, (("A dog.",),))
    with pytest.raises(UsageError, match="holds no answer to any of these samples; finish that run first"):
        answers.given(str(run_folder(tmp_path / "run", data, None)), data, {})


def test_rows_of_any_age_say_how_an_answer_ended(tmp_path: Path, vlm: Qwen2VL) -> None:
    """Earlier versions kept no text of the end token."""
    data, sample = shards(tmp_path, (("A dog.",),)), SAMPLE
    now = {"ids": [5, 6], "pieces": ["a", "b"], "text": "ab", "ended": True, "end": "<|endoftext|>"}
    old = {name: value for name, value in now.items() if name != "end"}
    found = {}
    for name, said in {"now": now, "old": old, "cut": old | {"ended": False}}.items():
        replay, source = answers.given(str(run_folder(tmp_path / name, data, said)), data, {})
        found[name] = replay(sample, vlm), source
    assert [answer.end for answer, _ in found.values()] == ["<|endoftext|>", "<|im_end|>", ""]
    assert len({source["said"] for _, source in found.values()}) == 3, "each is another run"


def test_an_earlier_answer_with_an_image_token_is_explained_by_every_explainer(tmp_path: Path, vlm: Qwen2VL) -> None:
    data, token = shards(tmp_path, (("A dog.",),)), vlm.config.image_token_id
    said = {"ids": [5, token, 7, token], "pieces": list("abcd"), "text": "abcd", "ended": True}
    replay, _ = answers.given(str(run_folder(tmp_path / "run", data, said)), data, {})
    answer = replay(SAMPLE, vlm)
    (query,) = vlm.ask([tiny.image(4, 5)], ["What?"])
    passes = Passes(vlm, [query], [answer])
    for explainer in (TAM(), GradCAM(preset="causal"), ArchiSurgery(blocks=2), MSEAARC(k=20)):
        maps = explainer.explain(passes, query, answer).maps
        assert maps.shape == (4, 4, 5)
        assert maps.isfinite().all()
    for row in (passes.relevance(query, "cp"), passes.rollout(query), passes.grad_rollout(query)):
        assert row.isfinite().all()


def told(cut: int, count: int) -> dict[str, object]:
    """The summary of so many answers, so many of them cut off."""
    made = {f"k{n}": row for n, row in enumerate(list(rows(count).values())[:count])}
    made = {
        key: replace(row, key=key, answer={**row.answer, "ended": n >= cut})  # type: ignore[dict-item]
        for n, (key, row) in enumerate(made.items())
    }
    return summarise(made, list(made), EXPLAINERS, "hanta")


@pytest.mark.parametrize(
    ("cut", "count", "many"), [(0, 20, 0), (1, 20, 0), (2, 20, 1), (1, 10, 1), (9, 9, 1), (8, 9, 0), (1, 1, 1)]
)
def test_many_are_a_tenth_of_ten_or_more_or_all_of_fewer(cut: int, count: int, many: int) -> None:
    summary = told(cut, count)
    assert summary["words"]["unfinished"] == cut  # type: ignore[index]
    assert many_cut(summary) == bool(many)
    file = io.StringIO()
    show(summary, "demo", "demo", None, file)
    assert (f"{cut} of {count} answers cut off at the limit of tokens" in file.getvalue()) == bool(cut)


def test_captions_without_ground_truth_say_it_too() -> None:
    file, row = io.StringIO(), next(iter(rows(1).values()))
    captions({"a": replace(row, answer={**row.answer, "ended": False}), "b": row}, "demo", "images", file=file)
    assert "1 of 2 answers cut off at the limit of tokens" in file.getvalue()


CASES = {
    "grad_cam": GradCAM(),
    "archi": ArchiSurgery(blocks=0),
    "msea": MSEA(base=CAM(), scales=[1.0]),
    "msea_arc": MSEAARC(scales=[1.0], interference="none", rank_filter="none"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_equal_by_definition_is_equal(vlm: Qwen2VL, name: str) -> None:
    both = {"cam": CAM(), name: CASES[name]}
    assert equal_by_definition(both) == [["cam", name]]
    (query,) = vlm.ask([tiny.image(4, 5)], ["What is on the table?"])
    answers_, traces = vlm.answer([query])
    passes = Passes(vlm, [query], answers_, traces)
    one, other = (
        finish(e.explain(passes, query, answers_[0]), e.rank_filter, e.normalise, e.floor).int() for e in both.values()
    )
    assert (one - other).abs().max() <= 1


def test_what_differs_is_not_called_equal() -> None:
    others = {
        **{"cam": CAM(), "causal": GradCAM(preset="causal"), "archi": ArchiSurgery(), "tam": TAM()},
        **{
            "compat": TAM(compat=True),
            "msea": MSEA(base=CAM()),
            "filtered": MSEAARC(scales=[1.0], interference="none"),
        },
    }
    assert equal_by_definition(others) == []
    again = {"tam": TAM(), "arc": MSEAARC(scales=[1.0], interference="tam", relu="both"), "two": TAM(), "m": MSEAARC()}
    assert equal_by_definition(again | {"n": MSEAARC()}) == [["tam", "arc", "two"], ["m", "n"]]
