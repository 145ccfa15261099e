"""Mistakes are told before anything heavy is imported, in the full parser's words; nothing right is refused."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from pipeline import cli, early, guards, signatures
from pipeline.arguments import ROOT
from pipeline.errors import UsageError
from tests.command import ENV

MISTAKES = (
    "--explainer.cam.bta=1",
    "--vlm.dtpe float32",
    "--trainer.devces 2",
    "--explainrs cam",
    "--limit abc",
    "--explainers cma",
    "--vlm nosuch.yaml",
    "--config missing.yaml",
    "--limit 3 --save_maps foo --words hanta",
    "--vlm.dtype bf16",
    "--explainer.msea_arc.k x",
    "--trainer.precision foo",
    "--trainer.num_nodes two",
    "--data images",
    "--vlm datamodules.demo.DemoDataModule",
    "--vlm pipeline.models.qwen2_vl.Qwen2V",
    "--fresh",
    "--run_dir=",
)
SCRIPT = """
import json, sys
import run_eval
for command in json.loads(sys.argv[1]):
    try:
        run_eval.main(command)
    except SystemExit as left:
        heavy = [name for name in ("torch", "lightning", "transformers", "numpy", "wandb") if name in sys.modules]
        print(json.dumps([command, left.code, heavy]))
"""


def test_a_mistake_is_told_before_anything_heavy_is_imported() -> None:
    commands = [command.split() for command in MISTAKES]
    args = [sys.executable, "-c", SCRIPT, json.dumps(commands)]
    done = subprocess.run(args, cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=100)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [[command, 2, []] for command in commands]
    assert len(done.stderr.splitlines()) == len(commands)


@pytest.mark.parametrize("command", [c for c in MISTAKES if not c.startswith(("--explainer", "--config", "--run_dir"))])
def test_the_full_parser_says_it_in_the_same_words(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> str:
        with pytest.raises(UsageError) as refused:
            cli.checked(command.split())
        return str(refused.value).replace("class_path 'pipeline.models.qwen2_vl.Qwen2V'", "")

    at_once = told()
    monkeypatch.setattr(early, "check", lambda given, choices: None)
    later = told()
    assert later.split(":")[0] == at_once.split(":")[0]
    assert "cannot be imported" in at_once or later == at_once


CONFIGS = ROOT / "configs"
NEEDED = {"shards": "--data.manifest=x", "images": "--data.paths=x"}


@pytest.mark.parametrize("path", sorted((CONFIGS / "experiment").rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_experiment_is_refused(path: Path) -> None:
    option = "--config" if path.parent.name == "experiment" else "--explainers"
    assert early.read([option, str(path)]).explainers


@pytest.mark.parametrize("kind", ["vlm", "data"])
def test_no_model_and_no_data_is_refused(kind: str) -> None:
    for path in sorted((CONFIGS / kind).glob("*.yaml")):
        needed = [NEEDED[path.stem]] if kind == "data" and path.stem in NEEDED else []
        assert early.read([f"--{kind}={path}", *needed]).choices[kind].name == path.stem


def test_no_option_of_the_full_parser_is_refused(tmp_path: Path) -> None:
    names = ",".join(sorted(path.stem for path in (CONFIGS / "explainer").glob("*.yaml")))
    for model in ("demo", "demo_llava", "demo_internvl"):
        args = ["--explainers", names, "--vlm", model]
        command, job = early.read(args), cli.checked(args)
        classes = {group: choice.class_path for group, choice in command.choices.items()}
        known = early.Known({**classes, "trainer": early.TRAINER})
        options = [action.dest for action in job.parser._actions if action.dest.rpartition(".")[2] != "help"]
        options.remove("print_shtab")  # jsonargparse only says that it is gone
        assert [name for name in options if not known.has(name)] == []
        assert len(known.hints) > 100
        saved = tmp_path / f"{model}.yaml"
        saved.write_text(job.dump())
        assert early.read(["--config", str(saved)]).choices.keys() == command.choices.keys()
        given = [f"--{name}={value}" for name, value in flat(job.config.as_dict()) if name.startswith("trainer.")]
        early.read([*args, *given])


def flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Every option with its value, as typed."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", json.dumps(value, default=str)


def test_what_cannot_be_read_for_certain_is_left_to_the_full_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "strange.py").write_text(
        """
from dataclasses import dataclass
from typing import Literal, Optional
from nowhere import Base
Kind = Literal["a", "b"]
Alias = Kind | None
class Plain:
    def __init__(self, a, b: int, *, kind: Alias = None, at: "list[float]" = (), who: Optional[str] = None,
                 other: Base = 3, n: int = None): ...
class Heir(Plain): ...
class Kwargs(Plain):
    def __init__(self, **kwargs): super().__init__(**kwargs)
class Orphan(Base): ...
class New:
    def __new__(cls, x): ...
@dataclass
class Data:
    x: int
class Loop("Loop"): ...
if True:
    class Hidden: ...
"""
    )
    (tmp_path / "broken.py").write_text("class X(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("Kwargs", "Orphan", "New", "Data", "Loop", "Hidden", "Nothing"):
        assert signatures.parameters(f"strange.{name}") is None, name
        assert signatures.derives(f"strange.{name}", "strange.Base") in (None, False)
        assert name == "Nothing" or signatures.missing(f"strange.{name}") is None
    assert signatures.parameters("broken.X") is signatures.missing("broken.X") is None
    found = signatures.parameters("strange.Heir")
    assert found is not None
    assert {name: (one.hint, one.needed) for name, one in found.items()} == {
        "a": (None, True),
        "b": (int, True),
        "kind": (Literal["a", "b"] | None, False),
        "at": (list[float], False),
        "who": (str | None, False),
        "other": (None, False),
        "n": (int | None, False),
    }


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("--explainers msea_arc --explainer.msea_arc.k=-3", "--explainer.msea_arc.k: at least 1, got -3"),
        ("--explainers msea_arc --explainer.msea_arc.p 1.5", "--explainer.msea_arc.p: in (0, 1], got 1.5"),
        (
            "--explainer.msea_arc.scales=[0.5,-1]",
            "--explainer.msea_arc.scales: at least one, each positive and finite, got",
        ),
        ("--vlm.max_new_tokens 0", "--vlm.max_new_tokens: expected 1 to 32,768, got 0"),
        ("--data.num_workers -1", "--data.num_workers: at least 0, got -1"),
        ("--data images --data.paths x --data.max_pixels 0", "--data.max_pixels: at least 1, got 0"),
        (
            "--trainer.precision bf16-true",
            "--trainer.precision: bf16-true is no option for a run: use --vlm.dtype bfloat16, or --trainer.precision",
        ),
        (
            "--trainer.precision=16-true",
            "--trainer.precision: 16-true is no option for a run: use --vlm.dtype float16, or",
        ),
        ("--trainer.strategy fsdp", "--trainer.strategy: fsdp is no option for a run: explainers need the whole model"),
        ("--trainer.fast_dev_run true", "--trainer.fast_dev_run: True is no option for a run: a run takes all samples"),
        ("--trainer.limit_predict_batches 0.5", "--trainer.limit_predict_batches: 0.5 is no option for a run"),
    ],
)
def test_a_value_that_a_constructor_or_a_run_refuses_is_told_at_once(command: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        early.read(command.split())
    assert str(refused.value).startswith(told)


@pytest.mark.parametrize(
    "command",
    [
        "--explainers msea_arc --explainer.msea_arc.k 3 --explainer.msea_arc.p 1 --explainer.msea_arc.scales=[0.5,1.0]",
        "--trainer.precision bf16-mixed --trainer.strategy ddp --trainer.accelerator cpu --trainer.profiler null",
        "--trainer.strategy lightning.pytorch.strategies.DDPStrategy --trainer.limit_predict_batches 1.0",
        "--vlm.max_new_tokens 1 --data.num_workers 0 --trainer.fast_dev_run false",
    ],
)
def test_values_that_a_run_takes_are_not_refused(command: str) -> None:
    assert early.read(command.split()).explainers


def test_only_lines_that_surely_hold_are_worked_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is computed from a parameter, or handed on changed, is left to the constructor."""
    (tmp_path / "guarded.py").write_text(
        """
import os
LEAST = int(os.environ.get('LEAST', 3))
MOST = 1 << 3
class Base:
    def __init__(self, *, n: int, m: int = 1):
        if n < 1:
            raise ValueError(f"n: at least 1, got {n!r}")
        if n > MOST + 1:
            raise ValueError(f"n: at most {MOST:,}, got {n}")
        n = n - 10
        if n < 5:
            raise ValueError("n: too small")
class Same(Base):
    def __init__(self, *, n: int, k: int = 0, j: int = 0):
        if k < LEAST:
            raise ValueError("k: unknown")
        if os.getenv("J") and j > 3:
            raise ValueError("j: unknown")
        super().__init__(n=n)
class Other(Base):
    def __init__(self, *, n: int):
        super().__init__(n=n + 5)
class Turned(Base):
    def __init__(self, *, n: int):
        if n is not None:
            n = abs(n)
        super().__init__(n=n)
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert guards.refused("guarded.Base", {"n": 0}) == "n: at least 1, got 0"
    assert guards.refused("guarded.Base", {"n": 10}) == "n: at most 8, got 10"
    assert guards.refused("guarded.Same", {"n": -2, "k": 1, "j": 9}) == "n: at least 1, got -2"
    for name, value in (("Base", 2), ("Same", 2), ("Other", -3), ("Turned", -3), ("Absent", 1)):
        assert guards.refused(f"guarded.{name}", {"n": value, "k": 1}) == ""


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--data.synonyms", "nosuch.yaml"], "--data.synonyms: nosuch.yaml: No such file or directory"),
        (["--data", "images", "--data.paths", "nosuch"], "--data.paths: there is no picture in 'nosuch'"),
        (
            ["--data", "shards", "--data.manifest", "nosuch.json"],
            "--data.manifest: nosuch.json: there is no such manifest",
        ),
        (["--vlm", "qwen2_vl_2b", "--vlm.checkpoint", "nosuch"], "--vlm.checkpoint: 'nosuch' is neither a folder nor"),
    ],
)
def test_what_model_or_data_say_of_a_parameter_names_the_option_to_type(args: list[str], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        cli.checked(args).build()
    assert str(refused.value).startswith(told)
