"""What standard output cannot carry or take costs what was to be shown, and nothing else."""

import codecs
import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from datamodules import streams
from datamodules.streams import HANDLER, protect, spared

ROOT = Path(__file__).resolve().parents[2]
SHOWS = """
import sys
from datamodules.streams import protect
protect("shows")
print("50.0–60.0 ★ “dog” 狗 é", flush=True)
print("50.0–60.0 é", file=sys.stderr)
for _ in range(3):
    print("x" * 100_000)
open(sys.argv[1], "w").write("whole")
print("the end")
sys.exit(7)
"""


def shows(tmp_path: Path, shell: str, **environment: str) -> tuple[int, bytes, bytes]:
    """Status, standard output and standard error of a program that shows something; it must do its work to the end."""
    done, program = tmp_path / "done", tmp_path / "shows.py"
    program.write_text(SHOWS)
    line = f"{shlex.join([sys.executable, str(program), str(done)])} {shell}"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONCOERCECLOCALE": "0", **environment}
    found = subprocess.run(["bash", "-c", line], cwd=ROOT, env=env, capture_output=True, timeout=60)
    assert done.read_text() == "whole"
    return found.returncode, found.stdout, found.stderr


@pytest.mark.parametrize(
    ("environment", "encoding", "said"),
    [
        ({"PYTHONIOENCODING": "utf-8"}, "utf-8", "50.0–60.0 ★ “dog” 狗 é"),
        ({"PYTHONIOENCODING": "latin-1"}, "latin-1", '50.0-60.0 * "dog" ? é'),
        ({"PYTHONIOENCODING": "cp1252"}, "cp1252", "50.0–60.0 * “dog” ? é"),
        ({"PYTHONIOENCODING": "ascii:strict"}, "ascii", '50.0-60.0 * "dog" ? e'),
        ({"PYTHONIOENCODING": "latin-1", "PYTHONUNBUFFERED": "1"}, "latin-1", '50.0-60.0 * "dog" ? é'),
        ({"PYTHONIOENCODING": "", "LC_ALL": "C", "PYTHONUTF8": "0"}, "ascii", '50.0-60.0 * "dog" ? e'),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
def test_a_stream_carries_what_it_can(tmp_path: Path, environment: dict[str, str], encoding: str, said: str) -> None:
    status, out, err = shows(tmp_path, "", **environment)
    first, *_, last = out.decode(encoding).splitlines()
    assert (status, first, last) == (7, said, "the end")
    assert err.decode(encoding) == said.split(" ")[0] + " " + said[-1] + "\n"


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    ("shell", "why"),
    [
        ("> /dev/full", "No space left on device"),
        (">&-", "it is closed"),
        ("| head -c 1; exit ${PIPESTATUS[0]}", "Broken pipe"),
        ("< /dev/null 1< /dev/null", "Bad file descriptor"),
    ],
    ids=["full disk", "closed", "reader gone", "not writable"],
)
def test_a_dead_standard_output_is_named_once_and_the_status_is_that_of_the_work(
    tmp_path: Path, shell: str, why: str, unbuffered: str
) -> None:
    status, _, err = shows(tmp_path, shell, PYTHONIOENCODING="utf-8", PYTHONUNBUFFERED=unbuffered)
    lines = err.decode().splitlines()
    assert status == 7
    lost = "what it was to show is lost, everything else goes on"
    assert sorted(lines) == sorted(["50.0–60.0 é", f"shows: standard output: {why}; {lost}"])


@pytest.mark.parametrize("shell", ["2>&-", "2> /dev/full", ">&- 2>&- <&-"])
def test_a_dead_standard_error_is_nobodys_loss(tmp_path: Path, shell: str) -> None:
    status, _, err = shows(tmp_path, shell)
    assert (status, err) == (7, b"")


def test_what_is_opened_next_is_not_taken_for_a_closed_terminal(tmp_path: Path) -> None:
    """The first file to be opened would be number 1, and what C code prints would land in it."""
    code = "import os\nfrom datamodules.streams import protect\nprotect('p')\n"
    code += "f = os.open('rows', os.O_CREAT | os.O_WRONLY); os.write(1, b'noise'); os.write(f, b'row')"
    line = f"{shlex.join([sys.executable, '-c', code])} >&-"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(["bash", "-c", line], cwd=tmp_path, env=env, check=True, stderr=subprocess.DEVNULL, timeout=60)
    assert (tmp_path / "rows").read_bytes() == b"row"


def test_a_reader_that_is_slow_on_a_non_blocking_pipe_loses_nothing(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    process = subprocess.Popen([sys.executable, "-c", SHOWS, str(tmp_path / "done")], cwd=ROOT, stdout=theirs)
    os.close(theirs)
    with open(ours, "rb") as file:
        out = file.read()
    assert process.wait(60) == 7
    assert out.count(b"x") == 300_000
    assert out.endswith(b"the end\n")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp437", "shift_jis", "utf-8"])
def test_every_character_has_a_form_in_every_encoding(encoding: str) -> None:
    codecs.register_error(HANDLER, streams.plain)
    text = "–—−★·…“”‘’×→≥≤±ñ狗🐶\udcff\u202e┏╇"
    assert len(text.encode(encoding, HANDLER).decode(encoding)) >= len(text)


def test_a_stream_of_others_is_made_tolerant_too(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", notebook)
    protect("p")
    protect("p")
    print("1–2", flush=True)
    assert notebook.buffer.getvalue() == b"1-2\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize("fails", [BrokenPipeError(32, "Broken pipe"), UnicodeEncodeError("x", "–", 0, 1, "no")])
def test_what_cannot_be_shown_is_told_as_of_standard_output(fails: Exception) -> None:
    told: list[str] = []
    with spared(told.append):
        raise fails
    (line,) = told
    assert line.startswith("standard output: ")
    assert line.endswith("everything else goes on")


def test_other_errors_are_not_spared() -> None:
    with pytest.raises(RuntimeError), spared(print):
        raise RuntimeError("a fault of the program")
