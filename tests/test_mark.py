"""Whatever changes a number is part of a run's fingerprint, and what does not is no part of it."""

import io
import sys
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from metrics import nltk_data
from pipeline import cli
from pipeline import mark as marks
from pipeline.evaluation import Evaluation
from pipeline.mark import classes
from pipeline.numerics import VARIABLES, environment, settings
from pipeline.outputs import table
from pipeline.outputs.fingerprint import differences

LITTLE = ["--limit", "2", "--batch_size", "2", "--explainers", "cam", "--figures", "0", "--wandb.mode", "disabled"]
LITTLE += ["--trainer.accelerator", "cpu", "--trainer.strategy", "auto"]


def mark(*args: str) -> dict[str, Any]:
    """The fingerprint of a command."""
    return Evaluation(cli.parse([*LITTLE, *args])).mark


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """The fingerprint of the plain command."""
    return mark()


class Named(NamedTuple):
    """A word backend of which only the name is asked."""

    name: str


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The line with which a command is refused."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        Evaluation(cli.parse([*LITTLE, *args])).run()
    assert left.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_data_of_nltk_that_a_run_reads_are_part_of_it(
    plain: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in nltk_data.PLACES.values():
        (tmp_path / place).mkdir(parents=True)
    monkeypatch.setattr("nltk.data.path", [str(tmp_path)])
    monkeypatch.setattr(marks, "meteor", lambda text, captions: None)
    assert mark()["nltk_data"] == {}
    monkeypatch.setattr(marks, "meteor", lambda text, captions: 1.0)
    before = mark()
    assert before["nltk_data"].keys() == {"wordnet"}
    (tmp_path / nltk_data.PLACES["wordnet"] / "data.noun").write_text("cat")
    (told,) = differences(before, mark())
    assert told.startswith("nltk_data.wordnet: ")
    monkeypatch.setattr("pipeline.evaluation.tagger", lambda name: Named(name))
    assert mark("--words=nltk")["nltk_data"].keys() == nltk_data.PLACES.keys()


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_a_run_does_not_go_on_in_another_precision(
    precision: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a CPU Lightning computes bf16-mixed where it is asked for 16-mixed."""
    args = [f"--trainer.precision={precision}", "--run_dir", str(tmp_path)]
    assert Evaluation(cli.parse([*LITTLE, *args])).run() == 0
    line = refused(capsys, "--run_dir", str(tmp_path))
    assert 'holds another run (trainer.precision: "bf16-mixed" -> "32-true"); choose another folder' in line
    assert Evaluation(cli.parse([*LITTLE, *args])).run() == 0


@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "64-true", "transformer-engine"])
def test_a_precision_of_the_trainer_that_casts_the_model_is_refused(
    precision: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(capsys, f"--trainer.precision={precision}", "--run_dir", str(tmp_path / "run"))
    assert f"--trainer.precision: {precision} is no option for a run: use --vlm.dtype" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--trainer.devices=2", "--trainer.strategy=ddp"),
        ("--data.num_workers=2",),
        ("--figures=9",),
        ("--wandb.mode=offline",),
        ("--trainer.max_time=00:01:00:00",),
    ],
    ids=" ".join,
)
def test_what_changes_no_number_is_no_part_of_it(args: tuple[str, ...], plain: dict[str, Any]) -> None:
    assert differences(plain, mark(*args)) == []


def test_what_is_set_of_torch_and_in_the_environment_is_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    found = mark()
    assert (found["numerics"], found["environment"]) == (settings(), environment())
    assert found["environment"]["NVIDIA_TF32_OVERRIDE"] == "0"


@pytest.mark.parametrize("name", ["NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG", "ONEDNN_DEFAULT_FPMATH_MODE"])
def test_variables_that_change_how_sums_are_computed_are_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assert environment() == {}
    monkeypatch.setenv(name, "0")
    assert environment() == {name: "0"}


@pytest.mark.parametrize(
    ("place", "attribute", "value", "name"),
    [
        ("cuda.matmul", "fp32_precision", "tf32", "float32 of cuda.matmul"),
        ("mkldnn.matmul", "fp32_precision", "bf16", "float32 of mkldnn.matmul"),
        ("cudnn", "deterministic", True, "cudnn is deterministic"),
        ("cuda.matmul", "allow_bf16_reduced_precision_reduction", False, "bfloat16 sums in bfloat16"),
    ],
)
def test_what_a_program_sets_of_torch_is_named(place: str, attribute: str, value: Any, name: str) -> None:
    before, part = settings(), attrgetter(place)(torch.backends)
    was = getattr(part, attribute)
    setattr(part, attribute, value)
    try:
        (line,) = differences(before, settings())
    finally:
        setattr(part, attribute, was)
    assert line.startswith(f"{name}: ")
    assert settings() == before


def test_denormals_and_strict_algorithms_are_named() -> None:
    before = settings()
    torch.set_flush_denormal(True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        found = differences(before, settings())
    finally:
        torch.set_flush_denormal(False)
        torch.use_deterministic_algorithms(False)
    assert found == ['denormals: "kept" -> "flushed"', 'deterministic algorithms: "no" -> "only warned of"']


def test_a_run_does_not_go_on_with_an_explainer_of_ones_own_that_was_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = tmp_path / "edited_explainer.py"
    code.write_text("from pipeline.explainers.cam import CAM\nclass Mine(CAM):\n    pass\n")
    (tmp_path / "mine.yaml").write_text("class_path: edited_explainer.Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    args = ["--explainers", str(tmp_path / "mine.yaml"), "--run_dir", str(tmp_path / "run")]
    assert Evaluation(cli.parse([*LITTLE, *args])).run() == 0
    code.write_text(code.read_text().replace("pass", "floor = False"))
    assert "holds another run (code of edited_explainer: changed); choose another folder" in refused(capsys, *args)


def test_a_limit_above_the_data_takes_all_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    samples = len(Evaluation(cli.parse(LITTLE)).data.keys)
    capsys.readouterr()
    above = mark(f"--limit={samples + 1}")
    line = f"run_eval.py: --limit {samples + 1}: the data has {samples} samples; all of them are taken\n"
    assert capsys.readouterr().err == line
    exact = mark(f"--limit={samples}")
    assert capsys.readouterr().err == ""
    assert above == exact == mark("--limit=null")
    assert (above["limit"], mark()["limit"]) == (None, 2)


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


QUIET = ("--trainer.callbacks=null", "--trainer.enable_progress_bar=false")
STREAMS = {"latin-1": lambda: io.TextIOWrapper(io.BytesIO(), encoding="latin-1"), "full": Full}


@pytest.mark.parametrize("kind", STREAMS)
def test_a_table_that_cannot_be_printed_costs_only_itself_and_comes_last(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Evaluation(cli.parse([*LITTLE, *QUIET, "--run_dir", str(tmp_path / "run")]))
    order: list[str] = []
    shown = table.show
    monkeypatch.setattr(run.board, "publish", lambda verify: order.append("published"))
    monkeypatch.setattr(table, "show", lambda *args: (order.append("shown"), shown(*args), print("–")))
    monkeypatch.setattr("pipeline.evaluation.check", lambda *_: order.append("summary"))
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdout", STREAMS[kind]())
    assert run.run() == 0
    monkeypatch.undo()
    assert order == ["summary", "published", "shown"]
    said = capsys.readouterr().err
    assert "run_eval.py: standard output: " in said
    assert str(tmp_path) not in said
    assert {"summary.json", "timing.json"} <= {path.name for path in (tmp_path / "run").iterdir()}


class Inner:
    pass


def test_classes_that_options_choose_are_found_at_any_depth() -> None:
    inner = {"class_path": f"{__name__}.Inner", "init_args": {}}
    options = {"explainer": {"own": {"mask": inner}}, "vlm": {"init_args": {"parts": [{"deep": inner}]}}, "k": 3}
    assert classes(options) == [Inner, Inner]
    assert classes({"class_path": "nowhere.Nothing"}) == []
