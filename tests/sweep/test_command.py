"""The command over trials that cost nothing: order, failures, stops, resuming, refusals, what it shows."""

import csv
import errno
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from pipeline.sweep.command import main
from pipeline.sweep.record import Record, locked

PROGRAM = '''
"""Stands in for run_eval.py: the figure is p / k, and files in its sweep's folder say what goes wrong."""
import json, os, pathlib, sys, time

given = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--"))
k, p = (float(given[f"explainer.msea_arc.{name}"]) for name in "kp")
folder = pathlib.Path(given["run_dir"])
sweep = folder.parent.parent
with open(sweep / "started.txt", "a") as started:
    started.write(folder.name + "\\n")
if (sweep / f"fail-{folder.name}").exists():
    sys.exit("first line\\nrun_eval.py: error: no more \\x1b[31mmemory")
if (sweep / f"full-{folder.name}").exists():
    sys.stderr.write("run_eval.py: error: /disk: No space left on device; mend that, then the same command resumes")
    sys.exit(5)
if (sweep / f"wait-{folder.name}").exists():
    (sweep / "waiting").write_text(str(os.getpid()))
    time.sleep(60)
figure = {"value": p / k, "low": p / k - 0.01, "high": p / k + 0.01, "count": 3}
metrics = {} if (sweep / f"blind-{folder.name}").exists() else {"f1_iou": figure}
folder.mkdir(parents=True)
profiles = {"corrected": metrics, "reference": {"f1_iou": {**figure, "count": 7}}}
summary = {"explainers": {"msea_arc": profiles}, "captions": {"rouge_l": figure}, "samples": {"scored": 3}}
(folder / "summary.json").write_text(json.dumps(summary))
'''
GRID = {"k": {"values": [1, 2, 4]}, "p": {"values": [0.5, 0.8]}}


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., int]:
    """The command in `tmp_path/out`; keywords are keys of the yaml."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "out").mkdir()

    def run(*args: str, parameters: dict[str, Any] = GRID, **keys: Any) -> int:
        content = {"method": "grid", "metric": {"name": "f1_iou", "goal": "maximize"}, **keys}
        content["program"] = str(tmp_path / "program.py")
        content["command"] = ["${interpreter}", "${program}", "${args}"]
        named = {f"explainer.msea_arc.{name}": one for name, one in parameters.items()}
        content["parameters"] = {"explainers": {"value": "msea_arc"}, **named}
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return main([str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "out"), *args])

    return run


def trials(out: Path) -> list[dict[str, Any]]:
    return json.loads((out / "sweep.json").read_text())["trials"]


def started(out: Path) -> list[int]:
    return [int(line) for line in (out / "started.txt").read_text().split()]


def test_every_combination_is_a_trial_and_the_table_has_the_best_first(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep() == 0
    out = tmp_path / "out"
    assert started(out) == list(range(6))
    assert [trial["figure"] for trial in trials(out)] == [0.5, 0.8, 0.25, 0.4, 0.125, 0.2]
    said, complaint = capsys.readouterr()
    assert "no page: " in complaint, "these trials are no runs"
    assert "6/6 trial 5: f1_iou 20.00 % (k=4, p=0.8)" in said
    table = [line.split("│")[1:-1] for line in said.splitlines() if line.startswith("│")]
    cells = [[cell.strip() for cell in line] for line in table]
    assert [line[0] for line in cells] == ["1", "0", "3", "2", "5", "4"]
    assert cells[0] == ["1", "1", "0.8", "80.00*", "79.0–81.0", "–", "–"]
    assert max(map(len, said.splitlines())) <= max(100, len(f"sweep folder: {out}"))
    with (out / "sweep.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["trial"], row["explainer.msea_arc.k"], row["f1_iou"]) for row in rows][:2] == [
        ("0", "1", "0.5"),
        ("1", "1", "0.8"),
    ]


@pytest.mark.parametrize(
    ("metric", "shown", "unit"),
    [
        ("captions/rouge_l", "50.00", "in percent"),
        ("reference/count/f1_iou", "7", "a count, the others in percent"),
        ("samples/scored", "3", "a count, the others in percent"),
    ],
)
def test_every_figure_is_shown_by_its_unit(
    metric: str,
    shown: str,
    unit: str,
    sweep: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sweep("--trials", "1", metric={"name": metric, "goal": "maximize"}) == 0
    said = capsys.readouterr().out
    assert f"trial 0: {metric} {shown}{' %' if unit == 'in percent' else ''} (k=1, p=0.5)" in said
    (line,) = (line.split("│")[1:-1] for line in said.splitlines() if line.startswith("│"))
    assert [cell.strip() for cell in line] == ["0", "1", "0.5", f"{shown}*", "50.00", "–", "–"]
    assert f"by {metric}, {unit}; * best" in said


def test_a_failed_trial_is_on_record_and_is_all_that_is_tried_again(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for name in ("fail-1", "blind-3"):
        (out / name).touch()
    assert sweep("--trials", "5") == 1
    assert [trial["status"] for trial in trials(out)] == ["complete", "failed", "complete", "failed", "complete"]
    assert trials(out)[3]["error"] == "its summary has no f1_iou"
    assert "no more" in trials(out)[1]["error"]
    said = capsys.readouterr().out
    assert "trial 1 failed: status 1: run_eval.py: error: no more [31mmemory" in said
    assert "\x1b" not in said
    (out / "fail-1").unlink()
    (out / "blind-3").unlink()
    (out / "trials" / "3" / "summary.json").unlink()
    (out / "trials" / "3").rmdir()
    (out / "started.txt").unlink()
    assert sweep() == 0
    assert started(out) == [1, 3, 5]
    whole = (out / "sweep.json").read_bytes()
    assert sweep() == 0
    assert started(out) == [1, 3, 5]
    assert (out / "sweep.json").read_bytes() == whole


def test_where_every_trial_fails_each_has_its_reason(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        (tmp_path / "out" / f"fail-{number}").touch()
    assert sweep() == 1
    assert started(tmp_path / "out") == list(range(6))
    said, complaint = capsys.readouterr()
    assert [f"trial {number} failed: status 1" in said for number in range(6)] == [True] * 6
    assert complaint == "", "there is nothing to make a page of"


def test_a_full_disk_ends_the_sweep_and_fails_no_trial(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    (out / "full-1").touch()
    assert sweep() == 5
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "pipeline.sweep: trial 1: status 5: run_eval.py: error: /disk: No space left on device; mend"
    )
    assert [trial["status"] for trial in trials(out)] == ["complete", "started"]
    (out / "full-1").unlink()
    put = Record.put
    with monkeypatch.context() as patch:
        patch.setattr(
            Record, "put", lambda self, trial, **more: full() if trial.number == 3 else put(self, trial, **more)
        )
        assert sweep() == 5
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line == "pipeline.sweep: error: sweep.json: No space left on device; mend that, then the same command resumes"
    )
    assert sweep() == 0
    assert started(out) == [0, 1, 1, 2, 3, 4, 5]


def full() -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "sweep.json")


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal, to which the process that it stopped is deaf; not so these tests."""
    before = signal.getsignal(request.param)
    yield request.param
    signal.signal(request.param, before)


def test_a_stopped_sweep_says_75_and_goes_on_with_the_same_trial(
    number: signal.Signals, sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "wait-2").touch()

    def stop() -> None:
        while not (out / "waiting").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=stop)
    thread.start()
    assert sweep(method="random", parameters={"k": GRID["k"], "p": {"min": 0.5, "max": 1.0}}, run_cap=4) == 75
    thread.join()
    assert "the same command resumes" in capsys.readouterr().err
    stopped = trials(out)
    assert [trial["status"] for trial in stopped] == ["complete", "complete", "started"]
    (out / "wait-2").unlink()
    assert sweep(method="random", parameters={"k": GRID["k"], "p": {"min": 0.5, "max": 1.0}}, run_cap=4) == 0
    assert started(out) == [0, 1, 2, 2, 3]
    assert [trial["values"] for trial in trials(out)[:3]] == [trial["values"] for trial in stopped]


def test_a_target_that_is_reached_ends_the_sweep(sweep: Callable[..., int], tmp_path: Path) -> None:
    goal = {"name": "f1_iou", "goal": "minimize", "target": 0.3}
    assert sweep(metric=goal) == 0
    assert started(tmp_path / "out") == [0, 1, 2]
    assert sweep(metric=goal) == 0
    assert started(tmp_path / "out") == [0, 1, 2]


def test_a_search_without_end_wants_a_number_and_one_that_is_through_says_so(
    sweep: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(method="bayes") == 2
    assert "--trials: bayes has no end of its own" in capsys.readouterr().err
    assert sweep("--trials", "9", method="bayes") == 0
    assert "after 6 trials bayes has nothing that was not tried" in capsys.readouterr().out


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
    assert "is not that of a sweep" in capsys.readouterr().err
    (tmp_path / "out" / "sweep.json").rename(tmp_path / "out" / "env.json")
    assert sweep() == 2
    assert "holds a run, not a sweep; choose another --out" in capsys.readouterr().err


def test_two_sweeps_do_not_work_in_one_folder(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(tmp_path / "out"):
        assert sweep() == 2
    assert "a sweep is at work in" in capsys.readouterr().err
    assert sweep("--trials", "1") == 0


def test_a_trial_of_its_own_interpreter_that_a_killed_sweep_left_is_not_started_beside(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = tmp_path / "out" / "waiting"
    (tmp_path / "out" / "wait-0").touch()
    killed = multiprocessing.get_context("fork").Process(target=sweep)
    killed.start()
    while not waiting.exists() or not waiting.read_text():
        time.sleep(0.01)
    killed.kill()
    killed.join()
    (tmp_path / "out" / "wait-0").unlink()
    assert sweep() == 2
    assert "or a trial that one left behind" in capsys.readouterr().err
    os.kill(int(waiting.read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while (status := sweep()) == 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert status == 0


@pytest.mark.parametrize(
    ("args", "parameters", "named"),
    [
        (["--", "--run_dir", "x"], GRID, "--run_dir: the sweep sets it"),
        (["--", "--fresh=true"], GRID, "--fresh: the sweep sets it"),
        (["--", "--explainer.msea_arc.k", "3"], GRID, "--explainer.msea_arc.k: a parameter of the sweep"),
        (["--", "--limits", "3"], GRID, "limits"),
        (["--trials", "0"], GRID, "argument --trials: 0 is below 1"),
        (["--trials", "many"], GRID, "argument --trials: invalid"),
        ([], {"kk": {"values": [1, 2]}}, "explainer.msea_arc.kk"),
        ([], {"k": {"values": ["many", 2]}}, "explainer.msea_arc.k"),
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
