"""`--cache` at the command: the same bytes without, cold, warm, damaged, resumed, by two processes; no model loaded."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline import cli
from pipeline.evaluation import Evaluation
from pipeline.models.checkpoint import Checkpoint
from pipeline.outputs.records import read_rows
from pipeline.remembered import NotLoadedError
from tests import command as commands

SMALL = [
    "--limit",
    "8",
    "--batch_size",
    "4",
    "--figures",
    "0",
    "--wandb.mode",
    "disabled",
    "--trainer.accelerator",
    "cpu",
]

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process, into a folder of that name; what it says to stderr comes back."""

    def made(name: str, *args: str) -> str:
        capsys.readouterr()
        job = cli.parse([*SMALL, "--trainer.strategy", "auto", "--run_dir", str(tmp_path / name), *args])
        assert Evaluation(job).run() == 0
        return capsys.readouterr().err

    return made


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run without a cache."""
    folder = tmp_path_factory.mktemp("plain") / "run"
    assert Evaluation(cli.parse([*SMALL, "--trainer.strategy", "auto", "--run_dir", str(folder)])).run() == 0
    return folder


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that knows what that run asks."""
    folder = tmp_path_factory.mktemp("filled")
    args = ["--trainer.strategy", "auto", "--run_dir", str(folder / "run"), "--cache", str(folder / "cache")]
    assert Evaluation(cli.parse([*SMALL, *args])).run() == 0
    return folder


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model can be loaded."""

    def refuse(self: Checkpoint, device: torch.device) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(Checkpoint, "load", refuse)


def equal(one: Path, other: Path) -> bool:
    """Whether two runs are the same run, with the same figures to the byte."""
    marks = [json.loads((folder / "env.json").read_text())["fingerprint"] for folder in (one, other)]
    return marks[0] == marks[1] and (one / "summary.json").read_bytes() == (other / "summary.json").read_bytes()


def test_a_warm_run_loads_no_model_and_gives_the_same_bytes(
    run: Run, plain: Path, filled: Path, tmp_path: Path, no_model: None
) -> None:
    assert equal(filled / "run", plain)
    said = run("warm", "--cache", str(filled / "cache"))
    forecast, report = (line for line in said.splitlines() if line.startswith("run_eval.py: cache: "))
    assert "cache: at most 454 kB an image like the first, 3.63 MB for all 8; " in forecast
    assert f"{filled / 'cache'} holds" in forecast
    assert report.endswith("requests known; the model was not loaded")
    assert equal(tmp_path / "warm", plain)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The checkpoints that are loaded from now on."""
    found: list[str] = []
    load = Checkpoint.load

    def counted(self: Checkpoint, device: torch.device) -> None:
        found.append(self.location)
        load(self, device)

    monkeypatch.setattr(Checkpoint, "load", counted)
    return found


@pytest.mark.parametrize("explainers", ["grad_cam,grad_cam_pp,layer_cam", "cam,tam,msea_arc"])
def test_every_explainer_whose_requests_are_kept_does_without_the_model(
    run: Run, tmp_path: Path, loads: list[str], explainers: str
) -> None:
    args = ["--explainers", explainers, "--cache", str(tmp_path / "cache"), "--limit", "2", "--batch_size", "2"]
    run("cold", *args)
    assert len(loads) == 1
    said = run("warm", *args)
    assert said.splitlines()[-1].endswith("requests known; the model was not loaded")
    assert len(loads) == 1
    assert equal(tmp_path / "cold", tmp_path / "warm")


def test_two_processes_find_what_one_left(plain: Path, filled: Path, tmp_path: Path) -> None:
    args = ["--cache", str(filled / "cache"), "--run_dir", str(tmp_path / "two"), "--trainer.devices", "2"]
    done = commands.run(*SMALL, *args)
    assert done.returncode == 0, done.stderr
    assert "requests known; the model was not loaded" in done.stderr
    assert equal(tmp_path / "two", plain)


def test_a_flipped_byte_in_every_entry_changes_no_byte_of_the_summary(
    run: Run, plain: Path, filled: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(filled / "cache", cache)
    entries = sorted(cache.glob("*/*.safetensors"))
    for number, path in enumerate(entries):
        data = bytearray(path.read_bytes())
        data[number * 7919 % len(data)] ^= 1 << number % 8
        path.write_bytes(data)
    with pytest.warns(UserWarning, match="is damaged or foreign, and computed anew"):
        said = run("mended", "--cache", str(cache))
    assert "the model was loaded" in said
    assert equal(tmp_path / "mended", plain)
    assert "the model was not loaded" in run("again", "--cache", str(cache))


def test_a_run_that_was_stopped_resumes_with_and_without(
    run: Run, plain: Path, filled: Path, tmp_path: Path, no_model: None
) -> None:
    shutil.copytree(plain, tmp_path / "stopped")
    rows = tmp_path / "stopped" / "rows.0.jsonl"
    rows.write_bytes(b"".join(rows.read_bytes().splitlines(keepends=True)[:6]))
    run("stopped", "--cache", str(filled / "cache"))
    assert equal(tmp_path / "stopped", plain)
    assert len(read_rows(tmp_path / "stopped")) == 8


def test_a_model_that_cannot_be_loaded_ends_the_run_and_quarantines_nothing(
    run: Run, filled: Path, tmp_path: Path, no_model: None
) -> None:
    with pytest.raises(NotLoadedError, match="out of luck"):
        run("longer", "--cache", str(filled / "cache"), "--limit", "12")
    rows = read_rows(tmp_path / "longer")
    assert len(rows) == 8, "another limit finds the batches that both have"
    assert all(row.error is None for row in rows.values())


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--cache", "TAKEN"], "--cache: "),
        (["--cache_size", "many"], "cache_size"),
        (["--cache_size", "-1GB"], "cache"),
    ],
)
def test_a_wrong_option_is_named(
    args: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(SystemExit):
        Evaluation(cli.parse([*SMALL, *(str(tmp_path / "taken") if arg == "TAKEN" else arg for arg in args)]))
    assert named in capsys.readouterr().err.splitlines()[-1]
