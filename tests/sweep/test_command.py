"""The command over trials that cost nothing: order, failures, stops, resuming, what it shows."""

import csv
import errno
import json
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipeline.outputs.table import WIDTH
from pipeline.stop import SIGNALS
from pipeline.sweep.record import Record
from tests.sweep.conftest import GRID


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
    assert cells[0] == ["1", "1", "0.8", "80.00*", "[79.00, 81.00]", "–", "–"]
    assert max(map(len, said.splitlines())) <= max(WIDTH, len(f"sweep folder: {out}"))
    with (out / "sweep.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["trial"], row["explainer.msea_arc.k"], row["f1_iou"]) for row in rows][:2] == [
        ("0", "1", "0.5"),
        ("1", "1", "0.8"),
    ]


def test_values_are_shown_as_the_yaml_writes_them(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = {"beta_floor": {"values": [None]}, "scales": {"values": [[0.5, 1.0]]}, "base_map": {"values": [True]}}
    assert sweep(parameters={"k": {"value": 1}, "p": {"values": [0.5, 1]}, **others}) == 0
    assert "(p=1)" in capsys.readouterr().out
    with (tmp_path / "out" / "sweep.csv").open() as lines:
        row = next(csv.DictReader(lines))
    assert [row[f"explainer.msea_arc.{name}"] for name in others] == ["null", "[0.5, 1.0]", "true"]


def test_the_table_has_as_many_digits_as_tell_values_apart(
    sweep: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    values = [0.8740054586847945, 0.8741, 0.1 + 0.2]
    assert sweep(parameters={"k": {"value": 1}, "p": {"values": values}}) == 0
    lines = [line.split("│")[2].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert sorted(lines) == ["0.3", "0.874", "0.8741"]


@pytest.mark.parametrize(
    ("metric", "shown", "bounds", "unit"),
    [
        ("captions/rouge_l", "50.00", ["[49.00, 51.00]"], "in percent; with its 95 % interval over images"),
        ("reference/count/f1_iou", "7", [], "a count, the others in percent"),
        ("samples/scored", "3", [], "a count, the others in percent"),
    ],
)
def test_every_figure_is_shown_by_its_unit(
    metric: str,
    shown: str,
    bounds: list[str],
    unit: str,
    sweep: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sweep("--trials", "1", metric={"name": metric, "goal": "maximize"}) == 0
    said = capsys.readouterr().out
    assert f"trial 0: {metric} {shown}{' %' if bounds else ''} (k=1, p=0.5)" in said
    (line,) = (line.split("│")[1:-1] for line in said.splitlines() if line.startswith("│"))
    assert [cell.strip() for cell in line] == ["0", "1", "0.5", f"{shown}*", *bounds, "50.00", "–", "–"]
    assert f"by {metric}, maximised, {unit}; * best" in " ".join(said.split())


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
    shutil.rmtree(out / "trials" / "3")
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
    assert line.startswith("seewhy sweep: trial 1: status 5: run_eval.py: error: /disk: No space left on device; mend")
    assert [trial["status"] for trial in trials(out)] == ["complete", "started"]
    (out / "full-1").unlink()
    put = Record.put
    with monkeypatch.context() as patch:
        patch.setattr(
            Record, "put", lambda self, trial, **more: full() if trial.number == 3 else put(self, trial, **more)
        )
        assert sweep() == 5
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "seewhy sweep: error: sweep.json: No space left on device; mend that, then the same command resumes"
    assert sweep() == 0
    assert started(out) == [0, 1, 1, 2, 3, 4, 5]


def full() -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "sweep.json")


@pytest.fixture(params=SIGNALS)
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal; the process that it stopped is deaf to all of them, not so these tests and what they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where the tests were started with `&`
    before = {each: signal.getsignal(each) for each in (*SIGNALS, signal.SIGCHLD)}
    yield request.param
    for each, handler in before.items():
        signal.signal(each, handler)


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


def test_a_metric_without_a_goal_is_minimised_and_said_to_be(
    sweep: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--trials", "2", metric={"name": "f1_iou"}) == 0
    said, complaint = capsys.readouterr()
    assert complaint.startswith("seewhy sweep: f1_iou is minimised, W&B's default; for its highest value first write")
    assert "by f1_iou, minimised, in percent" in said


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
    assert sweep() == 5
    assert "or to a trial that one left behind, which is at work there" in capsys.readouterr().err
    os.kill(int(waiting.read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while (status := sweep()) == 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert status == 0
