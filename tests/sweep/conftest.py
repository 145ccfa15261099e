"""A sweep whose trials cost nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.sweep.command import main

PROGRAM = '''
"""Stands in for run_eval.py: the figure is p / k. Files in its sweep's folder say what goes wrong, and model.json
which model a run has that its folder does not hold yet."""
import hashlib, json, os, pathlib, sys, time

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
folder.mkdir(parents=True, exist_ok=True)
if not (folder / "env.json").exists():
    other = sweep / "model.json"
    model = json.loads(other.read_text()) if other.exists() else {"max_new_tokens": 64}
    made = {"model": model, "explainers": {"msea_arc": {"class": "MSEAARC", "k": k, "p": p}}}
    text = json.dumps(made, sort_keys=True, separators=(",", ":"))
    record = {"fingerprint": made, "sha256": hashlib.sha256(text.encode()).hexdigest(), "starts": []}
    (folder / "env.part").write_text(json.dumps(record))
    (folder / "env.part").rename(folder / "env.json")
if (sweep / f"wait-{folder.name}").exists():
    (sweep / "waiting").write_text(str(os.getpid()))
    time.sleep(60)
figure = {"value": p / k, "low": p / k - 0.01, "high": min(1, p / k + 0.01), "count": 3}
metrics = {} if (sweep / f"blind-{folder.name}").exists() else {"f1_iou": figure}
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
