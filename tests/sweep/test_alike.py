"""Trials of one sweep are of one kind: what else may differ is refused, by the fingerprints that runs really have."""

import csv
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import arguments, cli
from pipeline.evaluation import Evaluation
from pipeline.outputs.fingerprint import digest, write_json
from pipeline.sweep import alike
from pipeline.sweep.record import Record, Trial
from tests.sweep.test_command import started, trials

SHORT = {"max_new_tokens": 5}


def found(folder: Path, *runs: tuple[dict[str, Any], list[str]], torch: str | None = None) -> str:
    """What sets trials apart, each of which is (its values, what was altered beside them). torch: where it is said,
    one more trial is like the first, but of that version."""
    record, marks, values = Record(folder, {}), [], [values for values, _ in runs]
    for given, altered in runs:
        words = [f"--{name}={arguments.plain(value)}" for name, value in given.items()]
        words = ["--trainer.accelerator=cpu", "--wandb.mode=disabled", "--explainers=msea_arc", *words, *altered]
        marks.append(Evaluation(cli.parse(words)).mark)
    if torch:
        values.append(values[0])
        marks.append({**marks[0], "versions": {**marks[0]["versions"], "torch": torch}})
    for number, mark in enumerate(marks):
        write_json(record.run_dir(number) / "env.json", {"fingerprint": mark, "starts": []})
    return alike.apart(record, [Trial(number, given) for number, given in enumerate(values)])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("explainer.msea_arc.k", [10, 20]),
        ("explainer.msea_arc", [{"k": 10}, {"k": 20, "p": 0.5}]),
        ("explainers", ["cam", "tam"]),
        ("vlm.max_new_tokens", [5, 64]),
        ("vlm.init_args.dtype", ["float32", "bfloat16"]),
        ("data.prompt", ["What is it?", "What is there?"]),
        ("batch_size", [2, 4]),
        ("limit", [2, 4]),
        ("save_maps", ["none", "raw"]),
        ("answers", [None, "captions"]),
    ],
)
def test_what_the_sweep_varies_sets_no_trial_apart_and_anything_else_does(
    name: str, values: list[Any], tmp_path: Path
) -> None:
    runs = [({name: value}, []) for value in values]
    line = found(tmp_path, *runs, torch="0.1")
    assert line.startswith(
        "trial 2 cannot be ranked beside trial 0: not only the sweep's parameters differ (versions.t"
    )
    assert line.count(" -> ") == 1
    assert line.endswith(
        f"; undo that and delete {tmp_path / 'trials' / '2'}, which then runs again, or choose another --out"
    )


@pytest.mark.parametrize(
    ("altered", "named"),
    [
        ("--vlm.max_new_tokens=5", "model.generation.max_new_tokens: 64 -> 5"),
        ("--explainer.msea_arc.p=0.5", "explainers.msea_arc.p: "),
        ("--data.prompt=What?", "data.prompt: "),
        ("--limit=4", "limit: null -> 4"),
    ],
)
def test_every_part_of_a_run_is_looked_at(altered: str, named: str, tmp_path: Path) -> None:
    one, two = ({"explainer.msea_arc.k": k} for k in (10, 20))
    assert named in found(tmp_path, (one, []), (two, [altered]))


def test_trials_to_which_the_sweep_gives_the_same_model_have_the_same_one(tmp_path: Path) -> None:
    """Here the length of answers is varied, and the type of numbers was changed by hand."""
    short = [{"vlm.max_new_tokens": 5, "explainer.msea_arc.k": k} for k in (10, 20)]
    long = {"vlm.max_new_tokens": 64, "explainer.msea_arc.k": 10}
    line = found(tmp_path, (short[0], []), (long, []), (short[1], ["--vlm.dtype=bfloat16"]))
    assert line.startswith("trial 2 cannot be ranked beside trial 0: ")
    assert 'model.dtype: "float32" -> "bfloat16"' in line


def test_parameters_of_an_explainer_within_another_are_told_apart(tmp_path: Path) -> None:
    runs = [({"explainers": "msea", "explainer.msea.base.layer": layer}, []) for layer in (1, 2)]
    assert found(tmp_path / "a", *runs) == ""
    changed = (runs[1][0], ["--explainer.msea.fuse=max"])
    assert 'explainers.msea.fuse: "mean" -> "max"' in found(tmp_path / "b", runs[0], changed)


def test_a_model_that_was_changed_meanwhile_ends_the_trial_and_no_other_begins(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert sweep("--trials", "2") == 0
    (out / "model.json").write_text(json.dumps(SHORT))
    (out / "wait-2").touch()
    began = time.monotonic()
    assert sweep() == 2
    assert time.monotonic() - began < 40, "it would have taken a minute"
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("seewhy sweep: error: trial 2 cannot be ranked beside trial 0")
    assert "(model.max_new_tokens: 64 -> 5); undo that and delete" in line
    assert [(one["status"], one["figure"]) for one in trials(out)[2:]] == [("failed", None)]
    assert trials(out)[2]["error"] in line
    (out / "wait-2").unlink()
    shutil.rmtree(out / "trials" / "2")
    assert sweep() == 2, "it ends at once now"
    assert sweep("--trials", "2") == 1
    with (out / "sweep.csv").open() as lines:
        assert [row["f1_iou"] for row in csv.DictReader(lines)] == ["0.5", "0.8", ""]
    (out / "model.json").unlink()
    assert sweep() == 2, "its folder is still that of another run"
    shutil.rmtree(out / "trials" / "2")
    assert sweep() == 0
    assert started(out) == [0, 1, 2, 2, 2, 3, 4, 5]


def test_trials_that_were_mixed_are_not_shown_beside_each_other(
    sweep: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert sweep() == 0
    env = out / "trials" / "4" / "env.json"
    content = json.loads(env.read_text())
    other = content["fingerprint"] | {"model": SHORT}
    env.write_text(json.dumps(content | {"fingerprint": other, "sha256": digest(other)}))
    assert sweep() == 2
    assert "trial 4 cannot be ranked beside trial 0" in capsys.readouterr().err
    shutil.rmtree(out / "trials" / "4")
    assert sweep() == 0
    assert started(out) == [*range(6), 4]
    env.unlink()
    assert sweep() == 2
    assert "it has no env.json" in capsys.readouterr().err
