"""W&B beside a run: whether down, refused, offline or off, the result is the same, soon, and no key is left behind."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import wandb

from pipeline import cli, evaluation, typed
from pipeline.outputs import service
from tests.command import ENV, ROOT, program
from tests.outputs.server import serving

KEY = "0123456789abcdef0123456789abcdef01234567"
SECRETS = {
    "WANDB_API_KEY": KEY,
    "HF_TOKEN": "hf_CanaryCanaryCanaryCanaryCanaryCana",
    "AWS_SECRET_ACCESS_KEY": "CanaryOfAKey/CanaryOfAKey/CanaryOfAKey00",
    "OPENAI_API_KEY": "sk-canary-canary-canary-canary",
}
NOWHERE = "http://127.0.0.1:9"
SMALL = ["--limit", "2", "--batch_size", "2", "--explainers", "cam", "--figures", "0"]
SMALL += ["--trainer.accelerator", "cpu", "--trainer.strategy", "auto"]
Run = Callable[..., tuple[str, float]]


def keeps_secrets(folder: Path, said: str) -> None:
    """No secret is in what was said, nor in any file below the folder."""
    for secret in SECRETS.values():
        assert secret not in said
        for path in folder.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def told(said: str) -> list[str]:
    return [line for line in said.splitlines() if "not published" in line]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Does a run, in `tmp_path / "run"`, that must succeed and keep secrets: all that it said, and its seconds.

    answer, upload: the bounds of `service`; short ones are for servers that do not answer, as others may be slow to.
    """
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name, value in {**SECRETS, "HOME": str(tmp_path / "home"), "NETRC": str(tmp_path / "netrc")}.items():
        monkeypatch.setenv(name, value)

    def once(mode: str, url: str, *more: str, answer: float = 60.0, upload: float = 60.0) -> tuple[str, float]:
        monkeypatch.setattr(service, "ANSWER", answer)
        monkeypatch.setattr(service, "UPLOAD", upload)
        monkeypatch.setenv("WANDB_BASE_URL", url)
        wandb.teardown()  # its process keeps the environment that it was started in
        start = time.monotonic()
        args = ["--run_dir", str(tmp_path / "run"), "--wandb.mode", mode, *SMALL, *more]
        assert evaluation.Evaluation(cli.parse(args)).run() == 0
        took = time.monotonic() - start
        wandb.teardown()
        said = "".join(capfd.readouterr())
        keeps_secrets(tmp_path, said)
        return said, took

    yield once
    wandb.teardown()


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a run without W&B leaves."""
    folder = tmp_path_factory.mktemp("disabled")
    assert evaluation.Evaluation(cli.parse([*SMALL, "--run_dir", str(folder), "--wandb.mode", "disabled"])).run() == 0
    assert not (folder / "wandb").exists()
    return (folder / "summary.json").read_bytes()


def test_offline_means_offline(tmp_path: Path, summary: bytes) -> None:
    """The whole command, with everything that W&B keeps and draws: it asks no other host for anything, neither W&B nor
    the hub of models."""
    args = [*SMALL, "--figures", "1", "--run_dir", str(tmp_path / "run")]
    env = {name: value for name, value in ENV.items() if not name.startswith(("WANDB_", "HF_"))}
    with serving(503) as proxy:
        env |= {**SECRETS, "HOME": str(tmp_path), "HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url}
        done = subprocess.run(program(*args), cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not proxy.calls
    assert not told(done.stderr)
    keeps_secrets(tmp_path, done.stdout + done.stderr)
    assert len(list(tmp_path.glob("run/wandb/offline-run-*/*.wandb"))) == 1
    assert list(tmp_path.glob("run/figures/0/panel.png"))
    assert (tmp_path / "run" / "summary.json").read_bytes() == summary


def test_disabled_it_is_never_begun(run: Run, tmp_path: Path, summary: bytes) -> None:
    with serving() as server:
        said, _ = run("disabled", server.url)
    assert not server.calls
    assert "W&B" not in said
    assert not list(tmp_path.glob("run/wandb*"))
    assert (tmp_path / "run" / "summary.json").read_bytes() == summary


@pytest.mark.parametrize("explainers", ["cam", "cam,tam"])
def test_a_server_that_cannot_be_reached_is_one_line(run: Run, tmp_path: Path, summary: bytes, explainers: str) -> None:
    said, took = run("online", NOWHERE, "--explainers", explainers, answer=1.0)
    (line,) = told(said)
    assert line.startswith(f"run_eval.py: {explainers.replace(',', ', ')}: not published to W&B (CommError: ")
    assert "connection refused" in line
    assert line.endswith(f"once it can be: {typed.shown('publish', tmp_path / 'run', '--online')}")
    assert took < 60, "a few seconds at the beginning, as many at the end, and the run; W&B itself waits 90, twice"
    found = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    assert found["explainers"]["cam"] == json.loads(summary)["explainers"]["cam"]
    assert explainers != "cam" or (tmp_path / "run" / "summary.json").read_bytes() == summary


@pytest.mark.parametrize("status", [400, 401, None], ids=["refused", "wrong key", "no key"])
def test_a_key_that_is_not_taken_is_one_line(
    run: Run, tmp_path: Path, summary: bytes, status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if status is None:
        monkeypatch.delenv("WANDB_API_KEY")
    with serving(status or 200) as server:
        said, _ = run("online", server.url)
    (line,) = told(said)
    assert ("no such" if status else "API key") in line
    assert all(line.isprintable() for line in said.splitlines() if line.startswith("run_eval.py")), "nothing is obeyed"
    assert (tmp_path / "run" / "summary.json").read_bytes() == summary


def test_online_it_is_one_wandb_run_however_often_it_is_started(run: Run, tmp_path: Path) -> None:
    with serving(503) as server:
        assert len(told(run("online", server.url, answer=1.0)[0])) == 1
    (known,) = json.loads((tmp_path / "run" / "wandb.json").read_text())["runs"].values()
    with serving() as server:
        assert not told(run("online", server.url)[0])
        (tmp_path / "run" / "rows.0.jsonl").unlink()
        assert not told(run("online", server.url)[0])
    assert {call["name"] for call in server.named("UpsertBucket")} == {known["id"]}
    assert len(server.named("RunResumeStatus")) == 2, "started twice"
    assert server.keys != {""}
    assert KEY not in repr(server.calls), "it is in the authorisation only"


def test_a_server_that_goes_down_meanwhile_holds_up_nothing(run: Run, tmp_path: Path, summary: bytes) -> None:
    with serving(down_after="UpsertBucket") as server:
        said, took = run("online", server.url, upload=1.0)
    (line,) = told(said)
    assert line.startswith("run_eval.py: cam: not published to W&B (TimeoutError: ")
    assert took < 30
    assert (tmp_path / "run" / "summary.json").read_bytes() == summary
    with serving() as server:
        assert not told(run("online", server.url)[0])
    assert server.named("UpsertBucket"), "what could not be sent is sent later"
