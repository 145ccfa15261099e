"""Stopping on a signal: what is in hand is finished, what was installed is taken back, what was written is resumed."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.outputs.records import read_rows
from pipeline.stop import SIGNALS, Stop, Stopped
from tests.test_run import ENV, ROOT, SMALL, command, run


@pytest.mark.parametrize("number", SIGNALS)
def test_outside_of_a_batch_a_signal_stops_at_once_and_afterwards_all_is_as_before(number: signal.Signals) -> None:
    before, forwarded = signal.getsignal(number), []
    with Stop(forwarded.append) as stop:
        with pytest.raises(Stopped):
            os.kill(os.getpid(), number)
        with pytest.raises(Stopped):
            os.kill(os.getpid(), number)
        assert stop.received == number
    assert forwarded == [number], "once"
    assert signal.getsignal(number) is before


def test_a_batch_in_hand_is_finished_first() -> None:
    written = []

    def work(stop: Stop, *signals: signal.Signals) -> None:
        with stop.batch():
            for number in signals:
                os.kill(os.getpid(), number)
                time.sleep(0.01)
            written.append(signals)

    with Stop() as stop:
        work(stop)
        with pytest.raises(Stopped):
            work(stop, signal.SIGUSR1, signal.SIGTERM)
    assert written == [(), (signal.SIGUSR1, signal.SIGTERM)]


def test_signals_that_another_took_are_taken_again_but_only_while_entered() -> None:
    before = signal.getsignal(signal.SIGTERM)
    stop = Stop()
    stop.hold()
    assert signal.getsignal(signal.SIGTERM) is before
    with stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop.hold()
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The summary of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = run(*SMALL, "--explainers", "cam", "--run_dir", str(folder))
    assert done.returncode == 0, done.stderr
    return (folder / "summary.json").read_bytes()


@pytest.mark.parametrize(
    ("number", "devices", "group"), [(signal.SIGUSR1, 1, False), (signal.SIGTERM, 2, False), (signal.SIGTERM, 1, True)]
)
def test_a_stopped_run_says_75_and_resumes_to_the_same_bytes(
    number: signal.Signals, devices: int, group: bool, whole: bytes, tmp_path: Path
) -> None:
    """Sent to the first process alone, or to all of them, loader workers too."""
    folder = tmp_path / "run"
    args = [*SMALL, "--explainers", "cam", "--run_dir", str(folder), "--trainer.accelerator", "cpu"]
    args += ["--trainer.devices", str(devices), "--data.num_workers", str(int(group))]
    process = subprocess.Popen(
        command(*args), cwd=ROOT, env=ENV, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not any(p.stat().st_size for p in folder.glob("rows.*.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.005)
    (os.killpg if group else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75, said
    assert f"stopped by {number.name}; the same command resumes" in said
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody is left who would write
    kept = read_rows(folder)
    assert kept.dropped == 0
    assert 0 < len(kept) < 24
    assert not (folder / "summary.json").exists()
    done = run(*args)
    assert done.returncode == 0, done.stderr
    assert (folder / "summary.json").read_bytes() == whole
    lines = b"".join(path.read_bytes() for path in folder.glob("rows.*.jsonl")).splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == 24, "nothing twice"
