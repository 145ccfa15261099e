"""One owner per folder: the living are left alone, the dead succeeded at once, the strange waited for."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pipeline.outputs import owner, owner_record
from pipeline.outputs.owner import LEFT, NAME, NEXT, OwnedError, Ownership, owned, read, take
from pipeline.outputs.owner_record import Record, living, record

SLEEPS = [sys.executable, "-S", "-c", "input()"]
ELSEWHERE = "another start of another machine"


def nobody(line: str) -> None:
    pytest.fail(f"nobody is to be waited for: {line}")


def put(folder: Path, of: Record, name: str = NAME) -> None:
    """Write a record as its owner left it."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(asdict(of)))


def of_process(pid: int) -> Record:
    """The record that a living process of this machine would write."""
    started = owner_record.begun(pid)
    assert started is not None
    return replace(record(), pid=pid, started=started)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until it is told to end."""
    process = subprocess.Popen(SLEEPS, stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_living_are_named_and_left_alone_and_what_they_leave_is_free(tmp_path: Path) -> None:
    first = take(tmp_path / "run", nobody)
    with pytest.raises(
        OwnedError, match=rf"run belongs to process {os.getpid()} on .* since .*; wait for its end, stop"
    ):
        take(tmp_path / "run", nobody)
    first.claim.verify()
    first.release()
    first.release()
    assert names(tmp_path / "run") == []
    with owned(tmp_path / "run", nobody) as claim:
        claim.verify()
        assert names(tmp_path / "run") == [NAME]


@pytest.mark.parametrize("stopped", [False, True], ids=["at work", "stopped"])
def test_a_process_that_only_sleeps_is_alive(tmp_path: Path, sleeper: subprocess.Popen[bytes], stopped: bool) -> None:
    put(tmp_path, of_process(sleeper.pid))
    if stopped:
        sleeper.send_signal(signal.SIGSTOP)
    with pytest.raises(OwnedError, match=f"process {sleeper.pid} on"):
        take(tmp_path, nobody)


@pytest.mark.parametrize("reaped", [False, True], ids=["zombie", "gone"])
def test_the_dead_are_succeeded_at_once(tmp_path: Path, sleeper: subprocess.Popen[bytes], reaped: bool) -> None:
    put(tmp_path, of_process(sleeper.pid))
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # it is dead and not yet reaped
    if reaped:
        sleeper.wait()
    mine = take(tmp_path, nobody)
    assert read(tmp_path)[0] == mine.record
    assert names(tmp_path) == [NAME]
    mine.release()


def test_a_number_that_another_process_has_by_now_is_no_sign_of_life(tmp_path: Path) -> None:
    put(tmp_path, replace(record(), started=1))
    take(tmp_path, nobody).release()


@pytest.mark.parametrize("machine", [ELSEWHERE, ""], ids=["another machine", "a system that does not tell"])
def test_silence_elsewhere_is_waited_for_by_the_clock_here(tmp_path: Path, machine: str) -> None:
    put(tmp_path, replace(record(), machine=machine, host="far \x1b[31m"))
    os.utime(tmp_path / NAME, (4e9, 4e9))  # its clock is wrong
    said: list[str] = []
    mine = take(tmp_path, said.append, silence=0.01)
    (line,) = said
    assert f"{tmp_path} belongs to process {os.getpid()} on far [31m since" in line
    assert "in 0.01 s without a sign of life" in line
    assert read(tmp_path)[0] == mine.record
    mine.release()


def test_a_heartbeat_elsewhere_keeps_the_folder(tmp_path: Path) -> None:
    put(tmp_path, replace(record(), machine=ELSEWHERE))
    with pytest.raises(OwnedError, match="at work there"):
        take(tmp_path, lambda line: os.utime(tmp_path / NAME, (4e9, 4e9)), silence=60.0)


def test_the_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "BEAT", 0.001)
    beaten = threading.Event()
    monkeypatch.setattr(os, "utime", lambda file: beaten.set())
    mine = take(tmp_path, nobody)
    assert beaten.wait(20)
    mine.release()


def test_who_slept_while_its_folder_was_taken_finds_out_and_touches_nothing(tmp_path: Path) -> None:
    first = take(tmp_path, nobody)
    put(tmp_path, replace(first.record, machine=ELSEWHERE))  # as another machine sees it; its heart stands still
    second = take(tmp_path, lambda line: None, silence=0.01)
    with pytest.raises(OwnedError, match=rf"was taken over by process {os.getpid()} .*; this command writes nothing"):
        first.claim.verify()
    first.release()
    second.claim.verify()
    assert names(tmp_path) == [NAME]
    second.release()


def test_a_folder_that_was_removed_is_lost(tmp_path: Path) -> None:
    mine = take(tmp_path / "run", nobody)
    (tmp_path / "run" / NAME).unlink()
    (tmp_path / "run").rmdir()
    with pytest.raises(OwnedError, match=r"has lost its owner\.json"):
        mine.claim.verify()
    mine.release()
    assert names(tmp_path) == []


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_one_of_many_that_find_a_dead_owner_succeeds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refuse_links)
    monkeypatch.setattr(owner, "POLL", 0.001)
    for number in range(40):
        folder = tmp_path / str(number)
        folder.mkdir()
        if number % 2:
            put(folder, replace(record(), started=1))
        ready, won, lost = threading.Barrier(6), list[Ownership](), list[OwnedError]()

        def contend(folder: Path = folder, ready=ready, won=won, lost=lost) -> None:
            ready.wait()
            try:
                won.append(take(folder, lambda line: None, silence=5.0))
            except OwnedError as error:
                lost.append(error)

        threads = [threading.Thread(target=contend) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(won), len(lost)) == (1, 5)
        won[0].claim.verify()
        won[0].release()
        assert names(folder) == []


def refuse_links(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_successor_that_was_killed_meanwhile_is_succeeded(tmp_path: Path) -> None:
    """Twice, and it left what it was about to put into place."""
    first, second, third = (replace(record(), started=1) for _ in range(3))
    put(tmp_path, first)
    put(tmp_path, second, NEXT.format(first.token))
    put(tmp_path, third, NEXT.format(second.token))
    put(tmp_path, third, LEFT[1].replace("*", third.token))
    assert read(tmp_path)[0] == third
    take(tmp_path, nobody).release()
    assert names(tmp_path) == []


def test_a_circle_of_successors_is_waited_for_and_replaced(tmp_path: Path) -> None:
    first, second = (replace(record(), started=1) for _ in range(2))
    put(tmp_path, first)
    put(tmp_path, second, NEXT.format(first.token))
    put(tmp_path, first, NEXT.format(second.token))
    take(tmp_path, lambda line: None, silence=0.01).release()
    assert names(tmp_path) == []


def test_who_claims_a_name_that_is_free_again_steps_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It read the old owner, slept, and meanwhile another put its record into `owner.json` and removed the claim."""
    dead, alive = replace(record(), started=1), record()
    put(tmp_path, alive)
    seen = iter([(dead, [tmp_path / NAME]), read(tmp_path), read(tmp_path)])
    monkeypatch.setattr(owner, "read", lambda folder: next(seen))
    with pytest.raises(OwnedError):
        take(tmp_path, nobody)
    assert names(tmp_path) == [NAME]
    assert json.loads((tmp_path / NAME).read_text())["token"] == alive.token


STRANGE = {
    "empty": b"",
    "half": b'{"token": "',
    "list": b"[1]",
    "null": b"null",
    "path": json.dumps(asdict(replace(record(), token="../" * 8))).encode(),
    "texts": json.dumps(asdict(record()) | {"pid": "7"}).encode(),
    "group": json.dumps(asdict(replace(record(), pid=-1))).encode(),
    "huge": json.dumps(asdict(replace(record(), pid=10**40, started=1))).encode(),
    "long": b'{"token": "' + b"a" * 10_000_000,
    "deep": b"[" * 4000,
    "bytes": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE)
def test_what_is_no_record_is_waited_for_and_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    take(tmp_path, lambda line: None, silence=0.01).release()
    assert names(tmp_path) == []


def test_a_process_that_may_not_be_seen_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner_record, "begun", lambda pid: None)
    monkeypatch.setattr(os, "kill", refuse_links)
    assert living(record()) is None


def test_a_child_does_not_give_up_what_its_parent_owns(tmp_path: Path) -> None:
    mine = take(tmp_path, nobody)
    mine.record = replace(mine.record, pid=mine.record.pid + 1)  # as seen after a fork
    mine.release()
    assert names(tmp_path) == [NAME]


def test_an_owner_elsewhere_that_has_been_silent_for_long_is_not_waited_for(tmp_path: Path) -> None:
    put(tmp_path, replace(record(), machine=ELSEWHERE))
    long_ago = (tmp_path / NAME).stat().st_mtime - 2 * owner.SILENCE
    os.utime(tmp_path / NAME, (long_ago, long_ago))
    take(tmp_path, nobody).release()
