"""What W&B is asked to make names what runs log; without a login it is written, with a wrong one it says so."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.outputs import dashboard, logged, tracker
from pipeline.outputs.workspace import GROUPING
from pipeline.watch import Watch
from tests.cluster.localhost import until
from tests.outputs.made import CANARY
from tests.outputs.test_tracker import inspected, only, runs

KINDS = ("metric", "summary", "run", "table")
"""What a specification names."""
ROOT = Path(__file__).resolve().parents[2]


class Server(BaseHTTPRequestHandler):
    """As much of W&B as the command talks to; every key but the canary is refused with the server's `status`."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}") if self.asked else {}
        status = getattr(self.server, "status")  # noqa: B009
        refused = {"errors": [{"message": f"user is not logged in with {CANARY}"}]}
        answer = {"data": self.answer(body)} if status == 200 else refused
        sent = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    @property
    def asked(self) -> bool:
        return self.path == "/graphql"

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        query, given = body.get("query", ""), body.get("variables") or {}
        if "upsertView" in query:
            getattr(self.server, "made").append(given)  # noqa: B009
            place = {"id": "p", "name": given["projectName"], "entityName": given["entityName"]}
            view = {**given, "id": "Vmlldzox", "project": place, "updatedAt": "2026-01-01T00:00:00Z"}
            return {"upsertView": {"view": view, "inserted": True}}
        if "ProjectInternalId" in query:
            return {"project": {"id": "p", "internalId": "1"}}
        if "GetProjects" in query:
            project = {"id": "p", "name": "P", "entityName": "team", "createdAt": "2026", "isBenchmark": False}
            page = {"endCursor": None, "hasNextPage": False}
            return {"models": {"edges": [{"node": {**project, "user": None}, "cursor": "c"}], "pageInfo": page}}
        viewer = {"id": "u", "entity": "team", "username": "me", "email": "", "flags": "{}", "teams": {"edges": []}}
        return {"viewer": viewer}

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    made.status, made.made = 200, []  # type: ignore[attr-defined]
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def command(home: Path, server: ThreadingHTTPServer | None, **env: str) -> subprocess.CompletedProcess[str]:
    """The command in a home of its own; without a server W&B stands where nobody listens."""
    port = server.server_port if server else 9
    known = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "NETRC"))}
    env = {**known, "HOME": str(home), "WANDB_BASE_URL": f"http://127.0.0.1:{port}", "PYTHONPATH": str(ROOT), **env}
    args = [sys.executable, "-m", "pipeline.outputs.dashboard", "--project", "P"]
    return subprocess.run(args, cwd=home, env=env, capture_output=True, text=True, timeout=300)


def netrc(home: Path, server: ThreadingHTTPServer | None) -> None:
    """Leave the canary where `wandb login` leaves a key."""
    port = server.server_port if server else 9
    (home / ".netrc").write_text(f"machine 127.0.0.1:{port}\n  login user\n  password {CANARY}\n")


@pytest.mark.parametrize(
    ("env", "settings", "why"),
    [
        ({}, "", "not logged in to W&B; with a login this would be made in the entity of the login/P:"),
        ({"WANDB_MODE": "offline"}, "", "W&B's mode is offline (by WANDB_MODE or its settings); online this would"),
        (
            {"WANDB_API_KEY": CANARY},
            "mode = disabled",
            "W&B's mode is disabled (by WANDB_MODE or its settings); online",
        ),
    ],
)
def test_without_a_login_or_offline_the_specification_is_written(
    env: dict[str, str], settings: str, why: str, tmp_path: Path
) -> None:
    if env:
        netrc(tmp_path, None)
    if settings:
        (tmp_path / ".config" / "wandb").mkdir(parents=True)
        (tmp_path / ".config" / "wandb" / "settings").write_text(f"[default]\n{settings}\n")
    done = command(tmp_path, None, **env)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "runs" / "dashboard-P.json").read_text()
    made = json.loads(text)
    assert made["workspace"]["project"] == made["report"]["project"]["name"] == "P"
    for named in (why, "workspace 'Explainers': Figures (5)", "report 'Explainers compared'", "P.json"):
        assert named in done.stdout
    assert CANARY not in text + done.stdout + done.stderr


@pytest.mark.parametrize(("status", "env"), [(400, {"WANDB_API_KEY": CANARY}), (401, {})], ids=["variable", "netrc"])
def test_a_wrong_key_is_one_line_without_the_key(
    status: int, env: dict[str, str], server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    server.status = status  # type: ignore[attr-defined]
    if not env:
        netrc(tmp_path, server)
    done = command(tmp_path, server, **env)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "AuthenticationError" in line
    assert "logged in with ***" in line
    assert CANARY not in line
    assert not (tmp_path / "runs").exists()


def test_with_a_login_both_are_made(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    done = command(tmp_path, server, WANDB_API_KEY=CANARY)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["report", "workspace"]
    report, workspace = server.made  # type: ignore[attr-defined]
    assert (report["type"], workspace["type"]) == ("runs", "project-view")
    assert {report["entityName"], workspace["entityName"]} == {"team"}
    grids = [block for block in json.loads(report["spec"])["blocks"] if block["type"] == "panel-grid"]
    for grid in grids:
        (runset,) = grid["metadata"]["runSets"]
        assert runset["project"] == {"entityName": "team", "name": "P", "id": "1"}
    assert CANARY not in done.stdout + done.stderr + report["spec"] + workspace["spec"]


def test_without_the_package_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    assert dashboard.main(["--project", "P"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "[dashboard]" in line
    assert dashboard.main(["--project", "a/b"]) == 2
    assert "--project: 'a/b'" in capsys.readouterr().err


def named(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Where a specification names a figure, and which; tables by the name that they are picked by."""
    if isinstance(value, dict):
        if key in ("key", "grouping") and "section" in value:
            yield value["section"], value["name"]
        for inner, item in value.items():
            yield from named(item, inner)
    elif isinstance(value, list):
        for item in value:
            yield from named(item, key)
    elif key in ("metrics", "targetKey"):
        yield "metric", value
    elif key in ("xAxis", "yAxis", "columnOrder") and ":" in value:
        section, _, name = value.partition(":")
        yield section, name
    elif key == "val" and isinstance(value, str):
        yield "table", value


def test_every_name_is_one_that_runs_log(run_dir: Path) -> None:
    only(run_dir, "cam")
    assert tracker.publish(run_dir, group="demo-demo") is None
    records = inspected(runs(run_dir)[0])
    keys = {key.split(".")[0] for record in records["summary"] for key in record["summary"].get("update", {})}  # type: ignore
    used = {kind: {name for other, name in named(dashboard.specification("P", "E")) if other == kind} for kind in KINDS}
    metrics = used["metric"] | used["summary"]
    running = set(Watch(["cam"]).figures())
    system = {name for name in metrics if name.startswith("system/")}
    assert metrics - system - running <= keys | {"captions/meteor", "captions/noun_precision"}
    assert metrics - system - running <= logged.names()
    assert used["table"] == {logged.TABLE} <= keys
    assert used["run"] == {"group", "jobType", "displayName"}
    (run,) = records["run"]
    assert (run["run"]["run_group"], run["run"]["job_type"]) == ("demo-demo", "cam")  # type: ignore
    assert len(running & metrics) == 3
    assert len(system) == 19


def test_what_w_and_b_measures_itself_has_these_names(tmp_path: Path) -> None:
    import wandb

    used = {name for kind, name in named(dashboard.specification("P", "E")) if kind == "metric"}
    own = {name.removeprefix("system/") for name in used if name.startswith("system/") and "gpu" not in name}
    measured = {"x_stats_sampling_interval": 0.2, "x_stats_buffer_size": 9}  # the latter for `_system_metrics`
    settings = wandb.Settings(silent=True, console="off", disable_git=True, **measured)
    with wandb.init(mode="offline", dir=tmp_path, settings=settings, reinit="create_new") as run:
        until(lambda: own <= run._system_metrics.keys(), f"W&B to measure {own}", 60)
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    seen = {name for record in inspected(folder)["stats"] for name in record["stats"]["item"]}  # type: ignore
    assert own == {"cpu", "memory_percent", "proc.memory.rssMB"} <= seen


def test_runs_are_grouped_by_model_and_data_and_explainer() -> None:
    made = dashboard.specification("P", "E")
    (runset,) = made["workspace"]["spec"]["section"]["runSets"]
    assert [key["name"] for key in runset["grouping"]] == ["group", "jobType"]
    grids = [block for block in made["report"]["spec"]["blocks"] if block["type"] == "panel-grid"]
    assert len(GROUPING) == 2
    for grid in grids:
        (runset,) = grid["metadata"]["runSets"]
        assert [key["name"] for key in runset["grouping"]] == ["group", "jobType"]
