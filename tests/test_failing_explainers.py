"""Whole runs with an explainer that fails: on one sample it costs its own entry; on all it is refused at the start."""

import json
from pathlib import Path

import pytest
import torch

from pipeline import bad, cli, evaluation
from pipeline.explainers.base import Explainer, Passes
from pipeline.explainers.cam import CAM
from pipeline.outputs.records import Row, RowWriter, read_rows
from pipeline.outputs.report import page
from pipeline.types import Answer, Explanation, Query
from tests.outputs.made import answer


class Moody(Explainer):
    """CAM, which raises on images at some places among those that it is shown; the first is that of the trial."""

    raises: frozenset[int] = frozenset()
    seen: list[bytes] = []  # noqa: RUF012 (of the class, as runs construct it)

    @torch.no_grad()
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        image = query.image.tobytes()
        if image not in self.seen:
            self.seen.append(image)
        if self.seen.index(image) in self.raises:
            raise RuntimeError(f"not image {self.seen.index(image)}")
        return CAM().explain(passes, query, answer)


class Wants(CAM):
    """CAM with a need that nobody knows."""

    needs = frozenset({"a crystal ball"})


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configurations of these explainers, and no memory of images."""
    for cls in (Moody, Wants):
        (tmp_path / f"{cls.__name__.lower()}.yaml").write_text(f"class_path: {__name__}.{cls.__name__}\n")
    monkeypatch.setattr(Moody, "seen", [])


def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, *more: str, own: str = "moody") -> tuple[int, str, str]:
    """Exit status, standard output and error of a run over ten samples."""
    args = [
        "--run_dir",
        str(tmp_path / "run"),
        "--limit",
        "10",
        "--batch_size",
        "5",
        "--figures",
        "10",
        "--panels",
        "0",
    ]
    args += ["--trainer.accelerator", "cpu", "--trainer.strategy", "auto", "--wandb.mode", "disabled"]
    capsys.readouterr()
    try:
        job = cli.parse([*args, "--explainers", f"cam,tam,{tmp_path / own}.yaml", *more])
        status = evaluation.Evaluation(job).run()
    except SystemExit as left:
        status = int(left.code or 0)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_one_of_three_that_raises_on_one_of_ten_costs_one_entry_and_a_retry_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Moody, "raises", frozenset({4}))
    status, out, err = run(capsys, tmp_path)
    rows = read_rows(tmp_path / "run")
    (lost,) = [key for key, row in rows.items() if row.failed]
    assert status == 4
    assert f"{lost} without moody: RuntimeError: moody (test_failing_explainers.py:" in err
    mend = "--max_bad 1 accepts them, --retry_quarantined true does them again"
    assert f"1 sample without an explainer that failed; --max_bad is 0: {mend}" in err
    assert "moody failed on 1 of 10 samples (1 RuntimeError)" in " ".join(out.split())
    entries = [name for row in rows.values() for name in row.explainers]
    assert {name: entries.count(name) for name in entries} == {"cam": 10, "tam": 10, "moody": 9}
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["failed"] == {"moody": {"RuntimeError": 1}}
    assert summary["samples"] == {"expected": 10, "quarantined": 0, "scored": 10}
    same = summary["differences"]["cam-moody"]["corrected"]["func_iou"]
    assert (same["value"], same["low"], same["high"]) == (0, 0, 0), "moody is cam on the nine that both have"
    html = page.make([tmp_path / "run"], tmp_path / "page").read_text()
    assert "moody failed on 1 of 10 samples (1 RuntimeError)" in html
    assert "1 without an explainer that failed" in html
    assert '<th scope="row">moody<small>9 of 10 samples</small></th>' in html
    assert "In profile corrected, of the explainers with all 10 samples " in html
    assert "│ 9 of 10 samples" in out
    assert f"<bdi>{lost}</bdi></td><td>moody</td>" in html
    shown = (tmp_path / "page" / "runs" / "0" / f"{rows[lost].index}.js").read_text()
    assert '"failed":{"moody":"RuntimeError: moody' in shown

    assert run(capsys, tmp_path, "--max_bad", "1")[0] == 0
    monkeypatch.setattr(Moody, "raises", frozenset())
    assert run(capsys, tmp_path, "--retry_quarantined", "true")[0] == 0
    mended = read_rows(tmp_path / "run")
    assert [row.failed for row in mended.values()] == [{}] * 10
    assert {key: mended[key] for key in rows if key != lost} == {key: rows[key] for key in rows if key != lost}
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["failed"] == {}


def test_an_explainer_that_fails_again_on_a_retry_is_counted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The running metrics count along, and the run would end with an error where they count a row twice."""
    monkeypatch.setattr(Moody, "raises", frozenset({2, 4}))
    assert run(capsys, tmp_path, "--limit", "5")[0] == 4
    before = (tmp_path / "run" / "summary.json").read_bytes()
    assert run(capsys, tmp_path, "--limit", "5", "--retry_quarantined", "true")[0] == 4
    assert (tmp_path / "run" / "summary.json").read_bytes() == before


def test_what_never_works_is_refused_before_the_first_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Moody, "raises", frozenset({0}))
    status, _, err = run(capsys, tmp_path)
    assert status == 2
    line = err.splitlines()[-1]
    assert line.startswith(
        "run_eval.py: error: explainer moody cannot work with this model: RuntimeError: moody (test_f"
    )
    assert line.endswith("; leave it out: --explainers cam,tam")
    assert not read_rows(tmp_path / "run")


def test_a_need_that_nobody_knows_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, tmp_path, own="wants")
    assert status == 2
    assert "--explainer.wants.needs: 'a crystal ball' is nothing that a model can have" in err


def test_a_sample_counts_once_whatever_it_lacks(tmp_path: Path) -> None:
    with RowWriter(tmp_path / "rows.0.jsonl") as writer:
        writer.write(Row("good", 0, answer()))
        writer.write(Row("lost", 1, error="ValueError: torn"))
        writer.write(Row("both", 2, answer(), failed={"a": "ValueError: x", "b": "KeyError: y"}))
    rows = read_rows(tmp_path)
    assert bad.too_many(rows, 2) == ""
    assert bad.too_many(rows, "66%").startswith("1 sample quarantined and 1 sample without an explainer that failed")
    assert list(bad.reasons(rows)) == [
        "quarantined lost: ValueError: torn",
        "both without a: ValueError: x",
        "both without b: KeyError: y",
    ]
