"""A run folder has one owner: a second command is refused, and one that slept through a takeover changes nothing."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli
from pipeline.evaluation import Evaluation
from pipeline.outputs import owner
from pipeline.outputs.fingerprint import open_run, read
from pipeline.outputs.owner import NAME, Ownership, take
from pipeline.outputs.records import Row
from tests.command import Started, run, started

SMALL = ["--limit", "24", "--batch_size", "2", "--explainers", "cam", "--figures", "24", "--panels", "0"]
SMALL += ["--wandb.mode", "disabled", "--trainer.accelerator", "cpu"]
LITTLE = ["--limit", "2", "--batch_size", "2", "--explainers", "cam", "--figures", "2", "--panels", "0"]
LITTLE += ["--trainer.accelerator", "cpu", "--trainer.strategy", "auto", "--wandb.mode", "disabled"]


def stopped(at_work: Started, folder: Path, files: int) -> None:
    """Stop a run with all its ranks as soon as so many have written rows."""
    deadline = time.monotonic() + 300
    while sum(bool(path.stat().st_size) for path in folder.glob("rows.*.jsonl")) < files:
        assert time.monotonic() < deadline, at_work.stderr.read_text()
        time.sleep(0.005)
    os.killpg(at_work.pid, signal.SIGSTOP)


def elsewhere(folder: Path) -> None:
    """Have the owner's record say that it is on another machine; the file stays the one that its heart touches."""
    text = (folder / NAME).read_text()
    known = json.loads(text)
    (folder / NAME).write_text(text.replace(known["machine"], "another machine"))


def taken(folder: Path) -> Ownership:
    """Take the folder from a run that seems dead, as `--fresh true` on another machine does, and finish there."""
    elsewhere(folder)
    fingerprint = read(folder)
    ours = take(folder, lambda line: None, silence=0.01)
    open_run(folder, fingerprint, fresh=True)
    (folder / "rows.0.jsonl").write_bytes(b"ours")
    (folder / "summary.json").write_text("ours")
    return ours


def content(folder: Path) -> dict[str, bytes]:
    """Every file below the folder but the heartbeat."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_command_is_refused_while_the_first_only_sleeps_and_goes_on_at_once_when_it_is_dead(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    with started(*SMALL, "--run_dir", str(folder)) as first:
        stopped(first, folder, 1)
        before = content(folder)
        for fresh in ("false", "true"):
            second = run(*SMALL, "--run_dir", str(folder), "--fresh", fresh)
            assert second.returncode == 5
            (line,) = [line for line in second.stderr.splitlines() if "error" in line]
            assert f"{folder} belongs to process {first.pid} on" in line
            assert line.endswith("which is at work there; wait for its end, stop it, or choose another folder")
        assert content(folder) == before
    third = run(*SMALL, "--run_dir", str(folder))
    assert third.returncode == 0, third.stderr
    assert "samples are there already" in third.stderr
    assert not [*folder.glob(".owner*"), *folder.glob(NAME)]


@pytest.mark.parametrize(
    ("ranks", "dies"), [(1, False), (2, False), (2, True)], ids=["alone", "ranks", "without rank 0"]
)
def test_who_slept_while_another_machine_took_its_folder_ends_and_changes_nothing(
    tmp_path: Path, ranks: int, dies: bool
) -> None:
    folder = tmp_path / "run"
    args = ["--run_dir", str(folder), "--trainer.devices", str(ranks)]
    with started(*SMALL, *args) as first:
        stopped(first, folder, ranks)
        ours = taken(folder)
        before = content(folder)
        if dies:
            os.kill(first.pid, signal.SIGKILL)
        os.killpg(first.pid, signal.SIGCONT)
        done = first.wait()
        deadline = time.monotonic() + 120
        with suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(first.pid, 0)
                time.sleep(0.05)
        assert content(folder) == before
        ours.claim.verify()
        ours.release()
    assert done.returncode == (-signal.SIGKILL if dies else 5), done.stderr
    if not dies:
        lines = [line for line in done.stderr.splitlines() if "error" in line]
        assert lines == [
            f"run_eval.py: error: {folder} was taken over by {ours.record}; this command writes nothing more"
        ]
        assert "Traceback" not in done.stderr


STAGES = {
    "pictures and rows": "pipeline.module.ExplainModule.row",
    "rows": "pipeline.module.ExplainModule.keep",
    "summary": "pipeline.outputs.summary.summarise",
    "timing": "pipeline.outputs.summary.Timing.figures",
    "W&B": "pipeline.evaluation.check",
}


@pytest.mark.parametrize("stage", STAGES)
def test_ownership_is_looked_at_again_before_each_thing_is_written(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, before = tmp_path / "run", dict[str, bytes]()
    module, _, name = STAGES[stage].rpartition(".")
    of, real = pytest.importorskip("pkgutil").resolve_name(module), None
    real = getattr(of, name)

    def meanwhile(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        if not before:
            taken(folder)
            before.update(content(folder))
        return found

    monkeypatch.setattr(of, name, meanwhile)
    with pytest.raises(SystemExit) as left:
        Evaluation(cli.parse([*LITTLE, "--run_dir", str(folder)])).run()
    assert left.value.code == 5
    assert "this command writes nothing more" in capsys.readouterr().err
    assert content(folder) == before


def test_a_folder_that_is_removed_under_a_run_is_told_and_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    run = Evaluation(cli.parse([*LITTLE, "--run_dir", str(folder)]))
    real: Callable[..., None] = owner.Claim.verify
    monkeypatch.setattr(run, "left", lambda: [path.unlink() for path in folder.iterdir()] and 2)
    monkeypatch.setattr(owner.Claim, "verify", real)
    with pytest.raises(SystemExit) as left:
        run.run()
    assert left.value.code == 5
    assert f"{folder} has lost its owner.json" in capsys.readouterr().err
    assert not (folder / "summary.json").exists()


def test_a_run_that_fails_gives_its_folder_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    run = Evaluation(cli.parse([*LITTLE, "--run_dir", str(folder)]))

    def fails() -> Row:
        raise RuntimeError("a fault of the program")

    monkeypatch.setattr(run, "left", fails)
    with pytest.raises(RuntimeError, match="a fault"):
        run.run()
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "env.json"]


def test_the_tracker_leaves_a_run_that_is_at_work_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pipeline.outputs.tracker import main

    (tmp_path / "summary.json").write_text("{}")
    ours = take(tmp_path, lambda line: None)
    assert main([str(tmp_path)]) == 5
    assert "which is at work there" in capsys.readouterr().err
    ours.release()
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_an_owner_that_is_no_file_ends_run_and_tracker_with_a_line_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None]
) -> None:
    from pipeline.outputs.tracker import main

    (tmp_path / "summary.json").write_text("{}")
    make(tmp_path / NAME)
    run = Evaluation(cli.parse([*LITTLE, "--run_dir", str(tmp_path)]))
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        run.run()
    assert (left.value.code, main([str(tmp_path)])) == (2, 2)
    said = f"error: {tmp_path / NAME} is no regular file, as no command leaves it; delete it"
    lines = [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == [said, said]
