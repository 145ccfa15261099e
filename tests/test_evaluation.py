"""What a run settles before any weights are read: on the first rank, on the others, under launchers."""

import json
from pathlib import Path

import pytest
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from pipeline import arguments, cli, launch
from pipeline.bad import allowed
from pipeline.evaluation import Evaluation
from pipeline.models import base
from pipeline.models.source import Source
from pipeline.outputs.records import Row, Rows, RowWriter, read_rows
from tests import tiny
from tests.outputs.made import answer

CPU = ["--trainer.accelerator", "cpu", "--wandb.mode", "disabled"]
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2", "GROUP_RANK": "0"}
TORCHRUN |= {"RANK": "0", "LOCAL_RANK": "0"}


@pytest.fixture(autouse=True)
def launched_by(monkeypatch: pytest.MonkeyPatch):
    """Sets what a launcher's processes find in their environment; afterwards this process is of rank 0 again."""
    monkeypatch.setattr(rank_zero_only, "rank", 0)

    def launcher(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return launcher


def settled(*args: str) -> Evaluation:
    return Evaluation(cli.parse([*CPU, *args]))


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one line that is all a refused command says."""
    with pytest.raises(SystemExit) as left:
        settled(*args)
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_k_beyond_the_vocabulary_is_refused_with_both(capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((arguments.ROOT / "assets/demo/model/config.json").read_text())
    vocabulary = config["text_config"]["vocab_size"]
    line = refused(capsys, f"--explainer.msea_arc.k={vocabulary + 1}")
    assert f"--explainer.msea_arc.k: at most the {vocabulary} entries" in line
    settled(f"--explainer.msea_arc.k={vocabulary}")
    settled(f"--explainer.msea_arc.k={vocabulary + 1}", "--explainer.msea_arc.interference=tam")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--explainers=archi_surgery"], "--explainer.archi_surgery.blocks: 6 where the model has 4 in all; at most 3"),
        (
            ["--explainers=layer_cam_causal", "--explainer.layer_cam_causal.layer=3"],
            "--explainer.layer_cam_causal.layer: 3",
        ),
        (["--explainers=attention", "--explainer.attention.layers=[9]"], "--explainer.attention.layers: 9 is none"),
        (
            ["--explainers=msea", "--explainer.msea.base=pipeline.explainers.archi_surgery.ArchiSurgery"],
            "--explainer.msea.base.blocks: 6 where the model has 4",
        ),
    ],
)
def test_blocks_that_the_model_lacks_are_refused(
    args: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert line in refused(capsys, *args)


def test_a_scale_that_the_model_cannot_show_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny.llava_folder(tmp_path / "tiny")
    config = tmp_path / "llava.yaml"
    config.write_text(f"class_path: pipeline.models.llava.LLaVA\ninit_args: {{checkpoint: {folder}}}\n")
    args = (f"--vlm={config}", "--explainer.msea_arc.scales=[1.0, 1.25]")
    capsys.readouterr()
    assert "--vlm.oversize: scale 1.25 is larger" in refused(capsys, *args)
    settled(*args, "--vlm.oversize=windows")
    whole = (f"--vlm={config}", "--explainers=msea", "--explainer.msea.scales=[1.25]", "--vlm.oversize=windows")
    assert refused(capsys, *whole).endswith("leave such scales out (--explainer.msea)")


def test_only_the_first_rank_hashes_the_checkpoint_and_all_have_met_before(
    launched_by, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who found something wrong before the others have met would be waited for."""
    done: list[str] = []
    monkeypatch.setattr(launch, "meet", lambda trainer: done.append("met") or 2)
    monkeypatch.setattr(Source, "content", lambda self: done.append("hashed") or {})
    for rank in (0, 1):
        launched_by(TORCHRUN | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        assert settled("--trainer.devices", "2").trainer.global_rank == rank
    assert done == ["met", "hashed", "met"]


@pytest.mark.parametrize(
    ("limit", "samples", "good", "bad"),
    [("0", 9, 0, 1), ("3", 9, 3, 4), ("1%", 200, 2, 3), ("1%", 199, 1, 2), ("0.5%", 1000, 5, 6), ("100%", 7, 7, 8)],
)
def test_max_bad_is_a_count_or_a_percentage(limit: str, samples: int, good: int, bad: int) -> None:
    value = cli.parse(["--max_bad", limit]).config.max_bad
    assert good <= allowed(value, samples) < bad


@pytest.mark.parametrize("limit", ["101%", "-1", "1.5", "%", "many"])
def test_a_max_bad_that_is_neither_is_refused(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "max_bad" in refused(capsys, f"--max_bad={limit}")


def test_rows_that_are_missing_or_not_expected_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = settled("--run_dir", str(tmp_path), "--limit", "3")
    first, second, third = run.data.expected
    with RowWriter(tmp_path / "rows.0.jsonl") as writer:
        for key in (second, "stranger\x1b"):
            writer.write(Row(key, 0, error="ValueError: none"))
    capsys.readouterr()
    assert run.close(None) == 3
    missing, unexpected = capsys.readouterr().err.splitlines()
    assert f"2 samples have no row; the same command resumes: {first}, {third}" in missing
    assert "1 rows are not of this data; start over with --fresh true: stranger " in unexpected
    assert not (tmp_path / "summary.json").exists()


def test_what_is_there_already_is_told_and_not_done_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--run_dir", str(tmp_path), "--limit", "3"]
    run = settled(*args)
    capsys.readouterr()
    assert (run.left(), capsys.readouterr().err) == (3, "")
    (first, second, _), said = run.data.expected, answer()
    with RowWriter(tmp_path / "rows.0.jsonl") as writer:
        for row in (Row(first, 0, said), Row(second, 1, error="ValueError: none"), Row("stranger", 2, said)):
            writer.write(row)
    assert (run.left(), capsys.readouterr().err) == (1, "run_eval.py: 2 of 3 samples are there already\n")
    again = settled(*args, "--retry_quarantined", "true")
    capsys.readouterr()
    assert (again.left(), capsys.readouterr().err) == (2, "run_eval.py: 1 of 3 samples are there already\n")


def test_captions_are_not_asked_of_pictures_and_no_model_loads(tmp_path, capsys, monkeypatch) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    monkeypatch.setattr(base.VLM, "load", lambda *_: pytest.fail("the model was loaded"))
    line = refused(capsys, "--data=images", f"--data.paths={tmp_path}", "--answers=captions")
    assert "--answers captions: none of the 1 samples has a caption" in line


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--explainers=cam,grad_cam,tam"], ["cam and grad_cam give equal maps by definition"]),
        (["--explainers=cam,grad_cam_causal"], []),
        (["--explainers=cam", "--vlm.dtype=bfloat16"], ["bfloat16 on a CPU is slower than float32 as a rule"]),
        (["--explainers=cam", "--vlm.dtype=float16"], ["float16 on a CPU is slower than float32 as a rule"]),
        (["--explainers=cam"], []),
    ],
)
def test_a_run_says_first_what_is_equal_by_definition_or_slow(args, said, capsys) -> None:
    settled(*args).tell_first()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(said)
    assert all(text in line for text, line in zip(said, lines, strict=True))


def test_many_answers_that_were_cut_off_are_told_with_the_end_tokens(capsys) -> None:
    settled("--explainers=cam").tell_cut({"words": {"unfinished": 3}, "samples": {"scored": 20}})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "run_eval.py: 3 of 20 answers were cut off at 64 tokens; allow more with --vlm.max_new_tokens"
    )
    assert line.endswith("the known end tokens are <|im_end|>")


@pytest.mark.parametrize("retry", ["false", "true"])
def test_rows_are_looked_through_once_at_the_start_and_once_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retry: str
) -> None:
    args = [*CPU, "--trainer.strategy", "auto", "--explainers", "cam", "--batch_size", "1", "--figures", "0"]
    args += ["--run_dir", str(tmp_path), "--retry_quarantined", retry, "--limit", "2"]
    scans: list[Path] = []

    def counted(folder: Path) -> Rows:
        scans.append(folder)
        return read_rows(folder)

    assert Evaluation(cli.parse(args)).run() == 0
    (rows,) = tmp_path.glob("rows.*.jsonl")
    rows.write_bytes(rows.read_bytes().splitlines(keepends=True)[0])
    monkeypatch.setattr("pipeline.evaluation.read_rows", counted)
    monkeypatch.setattr("pipeline.module.read_rows", counted)
    assert Evaluation(cli.parse(args)).run() == 0
    assert len(scans) == 2
    assert len(read_rows(tmp_path)) == 2
