"""What is wrong with a sweep is said in one line, before a trial starts."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.outputs.owner import take
from pipeline.sweep.command import main
from pipeline.sweep.record import locked
from tests.sweep.conftest import GRID


@pytest.mark.parametrize(
    ("args", "keys", "named"),
    [
        (["--seed", "1"], {}, "seed: 0 -> 1"),
        (["--", "--limit", "3"], {}, "options"),
        (
            [],
            {"parameters": {**GRID, "k": {"values": [1]}}},
            "parameters.explainer.msea_arc.k.values: [1, 2, 4] -> [1]",
        ),
    ],
)
def test_a_folder_holds_one_sweep(
    args: list[str],
    keys: dict[str, Any],
    named: str,
    sweep: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sweep("--trials", "1") == 0
    capsys.readouterr()
    assert sweep(*args, **keys) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / 'out'} holds another sweep" in line
    assert named in line
    (tmp_path / "out" / "sweep.json").write_text("{}")
    assert sweep() == 2
    assert "sweep.json: sweep: Field required; choose another --out" in capsys.readouterr().err
    (tmp_path / "out" / "sweep.json").rename(tmp_path / "out" / "env.json")
    assert sweep() == 2
    assert "holds a run, not a sweep; choose another --out" in capsys.readouterr().err


def test_two_sweeps_do_not_work_in_one_folder(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(tmp_path / "out"):
        assert sweep() == 5
        (line,) = capsys.readouterr().err.splitlines()
        assert "out belongs to another sweep, or to a trial that one left behind, which is at work there; wait" in line
        owner = take(tmp_path / "out", pytest.fail)
        assert sweep() == 5
        (line,) = capsys.readouterr().err.splitlines()
        assert f"out belongs to process {os.getpid()} on" in line
    assert sweep() == 5, "the same without the lock, as on another machine"
    assert capsys.readouterr().err.splitlines() == [line]
    owner.release()
    assert sweep("--trials", "1") == 0


@pytest.mark.parametrize(
    ("args", "parameters", "named"),
    [
        (["--", "--run_dir", "x"], GRID, "--run_dir: the sweep sets it"),
        (["--", "--fresh=true"], GRID, "--fresh: the sweep sets it"),
        (["--", "--explainer.msea_arc.k", "3"], GRID, "--explainer.msea_arc.k: a parameter of the sweep"),
        (["--", "--explainer.msea_arc", '{"k": 3}'], GRID, "set again (explainer.msea_arc.k: 1 -> 3); leave that out"),
        (
            ["--", "--explainer.msea_arc.beta=0.1"],
            {**GRID, "beta_floor": {"value": 0.0}},
            "explainer.msea_arc.beta: no such option",
        ),
        (["--", "--limits", "3"], GRID, "limits"),
        (["--trials", "0"], GRID, "argument --trials: 0 is below 1"),
        (["--trials", "many"], GRID, "--trials: expected a whole number; got"),
        ([], {"kk": {"values": [1, 2]}}, "explainer.msea_arc.kk"),
        ([], {"k": {"values": ["many", 2]}}, "explainer.msea_arc.k"),
        ([], {**GRID, "k": {"values": [1, "ten"]}}, "tiny.yaml: parameters.explainer.msea_arc.k: ten: --explainer."),
        ([], {**GRID, "p": {"values": [0.5, 1.5]}}, "tiny.yaml: parameters.explainer.msea_arc.p: 1.5: --explainer."),
        ([], {**GRID, "k": {"value": 0}}, "--explainer.msea_arc.k: at least 1, got 0"),
    ],
)
def test_what_no_trial_could_do_is_refused_before_one_starts(
    args: list[str],
    parameters: dict[str, Any],
    named: str,
    sweep: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        status = sweep(*args, parameters=parameters)
    except SystemExit as left:  # the run's own parser
        status = left.code  # type: ignore[assignment]
    assert status == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert named in line
    assert not (tmp_path / "out" / "started.txt").exists()


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"program": "nowhere.py"}, "program: nowhere.py is no file"),
        ({"command": ["/nowhere/python", "${program}", "${args}"]}, "command: /nowhere/python is no program"),
        ({"command": ["${args}"]}, "is no program that can be started"),
        (
            {"parameters": {"explainers": {"value": "cam,tam"}}},
            "--explainers: a sweep takes one explainer, not cam, tam",
        ),
        ({"parameters": {"limit": {"value": 1}}}, "--explainers: a sweep takes one explainer, not cam, tam, msea_arc"),
        ({"parameters": {"limit": {"value": 1}}}, "name it with --explainers NAME, in the yaml of the sweep or"),
        (
            {"parameters": {"explainers": {"values": ["cam", "nosuch"]}}, "run_cap": 1},
            "parameters.explainers: nosuch: --explainers: 'nosuch' is neither",
        ),
        ({"parameters": {"explainers": {"value": "nosuch"}}}, "'nosuch' is neither a yaml file nor one of"),
    ],
)
def test_a_yaml_that_no_trial_could_follow_is_refused(
    keys: dict[str, Any], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {"method": "grid", "parameters": {"explainers": {"value": "cam"}}, **keys}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(content))
    try:
        status = main([str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "out")])
    except SystemExit as left:  # the run's own parser
        status = left.code  # type: ignore[assignment]
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert not (tmp_path / "out" / "sweep.json").exists()


def test_a_file_that_is_no_sweep_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tag = "method: grid\nparameters:\n  x: !!python/object/apply:os.mkdir [made]\n"
    texts = (("method: [", "tiny.yaml"), ("method: grid", "parameters"), ("3", "tiny.yaml"), (tag, "python/object"))
    for text, named in texts:
        (tmp_path / "tiny.yaml").write_text(text)
        assert main([str(tmp_path / "tiny.yaml")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert named in line
        assert "tiny.yaml" in line
    assert not Path("made").exists()
