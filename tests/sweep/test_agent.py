"""`wandb sweep` and `wandb agent` themselves, on a stand-in for W&B's server: what they start, and who talks to it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from pipeline.sweep import search
from tests.command import ROOT
from tests.outputs.made import CANARY
from tests.outputs.server import serving

SMALL = {"limit": 4, "batch_size": 2, "figures": 0}


class Wandb:
    """What W&B's server says of sweeps: it takes one, and has an agent carry out its first combination."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.left = [{}]

    def create(self, asked: Any) -> Any:
        self.config = yaml.safe_load(asked["config"])
        project = {"id": "1", "name": asked["projectName"], "entity": {"id": "1", "name": "me"}}
        return {"upsertSweep": {"sweep": {"name": "s1", "project": project}, "configValidationWarnings": []}}

    def show(self, asked: Any) -> Any:
        return {"project": {"sweep": {"config": yaml.safe_dump(self.config), "runs": {"edges": []}}}}

    def beat(self, asked: Any) -> Any:
        """The first time a run; then nothing."""
        values = search.propose(search.read(self.config), 0, ())
        assert values is not None
        args = {name: {"value": value} for name, value in values.items()}
        run = {"type": "run", "run_id": "r1", "program": self.config["program"], "args": args}
        commands = [run] if self.left else []
        self.left = []
        return {"agentHeartbeat": {"agent": {"id": "a1"}, "commands": json.dumps(commands)}}


def test_a_trial_of_two_processes_under_the_agent_is_one_wandb_run_of_rank_0(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "configs" / "sweep" / "msea_arc_torchrun.yaml").read_text())
    content["parameters"] |= {name: {"value": value} for name, value in SMALL.items()}
    content["parameters"]["run_dir"] = {"value": str(tmp_path / "run")}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    env |= {"HOME": str(tmp_path), "WANDB_DIR": str(tmp_path), "WANDB_API_KEY": CANARY, "OMP_NUM_THREADS": "1"}
    env |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    told = Wandb()

    def wandb(*args: str) -> str:
        command = [sys.executable, "-m", "wandb", *args]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    with serving(
        Viewer=lambda asked: {"viewer": {"id": "u", "entity": "me", "username": "me", "teams": {"edges": []}}},
        UpsertSweep=told.create,
        SweepWithRuns=told.show,
        CreateAgent=lambda asked: {"createAgent": {"agent": {"id": "a1"}}},
        Heartbeat=told.beat,
    ) as server:
        env["WANDB_BASE_URL"] = server.url
        said = wandb("sweep", "--project", "mine", str(tmp_path / "sweep.yaml"))
        assert "wandb agent me/mine/s1" in said
        said = wandb("agent", "--count", "1", "me/mine/s1")
    assert told.config == content, "the server gets what the file says"
    rows = {path.name: path.read_bytes().count(b"\n") for path in (tmp_path / "run").glob("rows.*.jsonl")}
    assert rows == {"rows.0.jsonl": 2, "rows.1.jsonl": 2}
    (opened, *_) = server.named("UpsertBucket")
    wanted = {"name": "r1", "sweep": "s1", "project": "mine", "groupName": "demo-demo", "jobType": "msea_arc"}
    assert wanted.items() <= opened.items()
    assert len(server.named("RunResumeStatus")) == len(list((tmp_path / "run" / "wandb").glob("run-*"))) == 1
    (sent,) = (json.loads(body) for name, body in server.calls if name == "/wandb-summary.json")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert sent["f1_iou"] == summary["explainers"]["msea_arc"]["corrected"]["f1_iou"]["value"]
    assert CANARY not in said + repr(server.calls)
