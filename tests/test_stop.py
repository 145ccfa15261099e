"""Stopping on a signal: what is in hand is finished, what was installed is taken back, what was written is resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from lightning import Callback

from pipeline import cli
from pipeline.evaluation import Evaluation
from pipeline.outputs.records import read_rows
from pipeline.stop import SIGNALS, Stop, Stopped
from tests.command import ROOT, run, started
from tests.test_run import SMALL

LATER = (signal.SIGTERM, signal.SIGUSR1)
"""What is not heard any more by who is on the way out; Ctrl-C is."""


@pytest.fixture(autouse=True)
def handlers():
    """Signals act afterwards as they did before; Ctrl-C is heard also where the tests were started with `&`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    child = signal.getsignal(signal.SIGCHLD)
    yield before
    for number, handler in (before | {signal.SIGCHLD: child}).items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_outside_of_a_batch_a_signal_stops_at_once(number: signal.Signals) -> None:
    forwarded = []
    with Stop(forwarded.append) as stop:
        with pytest.raises(Stopped, match="75"):
            os.kill(os.getpid(), number)
        for further in LATER:  # it is on its way out, and its status is not to be theirs
            os.kill(os.getpid(), further)
        assert stop.received == number
    assert forwarded == [signal.SIGTERM], "once; Ctrl-C is had by all, and a second one would end them"


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_stopped_leaves_with_its_own_status_all_else_is_as_before(number: signal.Signals, handlers) -> None:
    """A launcher sends SIGTERM to those that are left when one has gone; they have not failed because of it."""
    with Stop():
        pass
    assert {each: signal.getsignal(each) for each in SIGNALS} == handlers
    with Stop(), pytest.raises(Stopped):
        os.kill(os.getpid(), number)
    for each in LATER:
        os.kill(os.getpid(), each)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL


WAITS = """
import os
import time
from pipeline.stop import Stop
with Stop(tell=lambda line: os.write(1, (line + "\\n").encode())) as stop, stop.batch():
    os.write(1, b"in hand\\n")
    time.sleep(60)
"""


def test_the_second_ctrl_c_does_not_wait_for_the_batch_in_hand() -> None:
    process = subprocess.Popen([sys.executable, "-c", WAITS], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for said in ("in hand", "SIGINT: stops after the batch in hand; a second Ctrl-C ends it at once"):
        assert process.stdout.readline().strip() == said
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == -signal.SIGINT


def test_ctrl_c_is_not_for_what_a_script_started_in_the_background() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Stop():
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    with Stop(), pytest.raises(Stopped):
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("named", "words"), [("run_eval.py", ["run_eval.py"]), ("seewhy sweep", ["-m", "pipeline.sweep", "any.yaml"])]
)
def test_while_it_imports_a_signal_ends_it_with_a_line(named: str, words: list[str], number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not catches(process.pid, signal.SIGUSR1):
        time.sleep(0.005)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert said == f"{named}: stopped by {number.name}; the same command resumes\n"
    assert process.returncode == 75


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(fields["SigCgt"], 16) >> (number - 1) & 1)


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


def test_a_loader_worker_that_is_given_the_signal_too_raises_nowhere() -> None:
    def told(*_: object) -> None:
        raise RuntimeError("DataLoader worker is killed by signal: Terminated")

    def work(stop: Stop) -> None:
        with stop.batch():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGCHLD)
            time.sleep(0.01)

    signal.signal(signal.SIGCHLD, told)
    with Stop() as stop, pytest.raises(Stopped):
        work(stop)


def test_signals_that_another_took_are_taken_again_but_only_while_entered(handlers) -> None:
    stop = Stop()
    stop.hold()
    assert signal.getsignal(signal.SIGTERM) is handlers[signal.SIGTERM]
    with stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop.hold()
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)


def test_without_the_process_that_it_hangs_on_it_stops_after_the_batch_in_hand() -> None:
    done = []
    with Stop(parent=os.getppid()) as stop, stop.batch():
        done.append("first")
    with pytest.raises(Stopped, match="is gone; the same command resumes"), Stop(parent=os.getpid()).batch():
        done.append("second")
    assert done == ["first", "second"]


def test_lightning_never_has_the_signals_while_ranks_get_ready(tmp_path: Path) -> None:
    """Its handler would wait for another rank, which may be waiting for this one to end."""
    found = []

    class Look(Callback):
        def on_predict_start(self, *_: object) -> None:
            found.append(signal.getsignal(signal.SIGTERM))

    args = ["--limit", "1", "--explainers", "cam", "--figures", "0", "--wandb.mode", "disabled"]
    args += ["--trainer.accelerator", "cpu", "--trainer.strategy", "auto", "--run_dir", str(tmp_path / "run")]
    evaluation = Evaluation(cli.parse(args))
    evaluation.trainer.callbacks.append(Look())
    assert evaluation.run() == 0
    assert [handler.__func__ for handler in found] == [Stop._handle]


def alive(group: int) -> bool:
    """Whether anybody is left who would write; who has ended would not, whether or not its new parent asks after it."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The summary of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = run(*SMALL, "--explainers", "cam", "--run_dir", str(folder))
    assert done.returncode == 0, done.stderr
    return (folder / "summary.json").read_bytes()


@pytest.mark.parametrize(
    ("number", "devices", "group"),
    [(signal.SIGUSR1, 1, False), (signal.SIGTERM, 2, False), (signal.SIGTERM, 1, True), (signal.SIGINT, 2, True)],
)
def test_a_stopped_run_says_75_and_resumes_to_the_same_bytes(
    number: signal.Signals, devices: int, group: bool, whole: bytes, tmp_path: Path
) -> None:
    """Sent to the first process alone, or to all of them, loader workers too."""
    folder = tmp_path / "run"
    args = [*SMALL, "--explainers", "cam", "--run_dir", str(folder), "--trainer.accelerator", "cpu"]
    args += ["--trainer.devices", str(devices), "--data.num_workers", str(int(group))]
    deadline = time.monotonic() + 120
    with started(*args) as process:
        while not any(p.stat().st_size for p in folder.glob("rows.*.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.005)
        for _ in range(1 if number == signal.SIGINT else devices):  # schedulers send one signal after the other
            (os.killpg if group else os.kill)(process.pid, number)
            time.sleep(0.05)
        status, _, said = process.wait(120)
    assert status == 75, said
    assert f"stopped by {number.name}; the same command resumes" in said
    assert "Traceback" not in said
    assert not alive(process.pid)
    kept = read_rows(folder)
    assert kept.dropped == 0
    assert 0 < len(kept) < 24
    assert not (folder / "summary.json").exists()
    done = run(*args)
    assert done.returncode == 0, done.stderr
    assert (folder / "summary.json").read_bytes() == whole
    lines = b"".join(path.read_bytes() for path in folder.glob("rows.*.jsonl")).splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == 24, "nothing twice"


def test_where_rank_0_is_killed_the_ranks_that_it_started_do_not_go_on_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    args = [*SMALL, "--limit", "48", "--explainers", "cam", "--run_dir", str(folder), "--trainer.accelerator", "cpu"]
    rows, deadline = folder / "rows.1.jsonl", time.monotonic() + 120
    with started(*args, "--trainer.devices", "2") as process:
        while not (rows.exists() and rows.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.005)
    # leaving the block has killed rank 0 alone
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(process.pid)
    assert rows.read_bytes().count(b"\n") in range(4, 24, 4), "whole batches, not all that rank 1 had to do"
