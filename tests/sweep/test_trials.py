"""Trials as they are: runs that share one interpreter, give the bytes of `run_eval.py`, and survive a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests.command import ENV, ROOT, run

OPTIONS = ["--limit", "4", "--batch_size", "2", "--figures", "0"]
SWEEP = {
    "method": "grid",
    "metric": {"name": "f1_iou", "goal": "maximize"},
    "parameters": {
        "explainers": {"value": "msea_arc"},
        "explainer.msea_arc.k": {"values": [50, 10**9, 20]},
    },
}


def command(folder: Path) -> list[str]:
    (folder / "small.yaml").write_text(yaml.safe_dump(SWEEP))
    out = ["--out", str(folder / "out")]
    return [sys.executable, "-m", "pipeline.sweep", str(folder / "small.yaml"), *out, "--", *OPTIONS]


def started(folder: Path) -> list[int]:
    """How often each trial was started."""
    paths = sorted((folder / "out" / "trials").glob("*/env.json"))
    return [len(json.loads(path.read_text())["starts"]) for path in paths]


def test_trials_are_runs_and_a_sweep_that_is_killed_repeats_none_that_is_complete(tmp_path: Path) -> None:
    rows = tmp_path / "out" / "trials" / "2" / "rows.0.jsonl"
    process = subprocess.Popen(command(tmp_path), cwd=ROOT, env=ENV, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not rows.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = subprocess.run(command(tmp_path), cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1, done.stderr
    assert started(tmp_path) == [1, 2], "the second one is refused before its folder is made"
    trials = json.loads((tmp_path / "out" / "sweep.json").read_text())["trials"]
    assert [trial["status"] for trial in trials] == ["complete", "failed", "complete"]
    assert "--explainer.msea_arc.k: at most the " in trials[1]["error"]
    assert (tmp_path / "out" / "page" / "index.html").exists()
    assert "cache: 0 of" not in (tmp_path / "out" / "logs" / "2.txt").read_text(), "the answers were known"
    plain = tmp_path / "plain"
    given = ["--explainers", "msea_arc", "--explainer.msea_arc.k=20"]
    assert run(*OPTIONS, *given, "--wandb.mode=disabled", "--run_dir", str(plain)).returncode == 0
    summary = (plain / "summary.json").read_bytes()
    assert (tmp_path / "out" / "trials" / "2" / "summary.json").read_bytes() == summary
    assert trials[2]["figure"] == json.loads(summary)["explainers"]["msea_arc"]["corrected"]["f1_iou"]["value"]
