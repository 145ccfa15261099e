"""Printed commands are exactly what a shell is to be given, on one line that a terminal obeys nothing of."""

import os
import subprocess
from pathlib import Path

from pipeline.typed import command

NAMES = ["two words", "$HOME `id`;*", "it's", 'a"b', "a\\b", "new\nline\t\x1b[31m", "é\udcff", "'\n'", "!x", "~"]


def test_commands_are_words_to_the_shell(tmp_path: Path) -> None:
    for name in NAMES:
        line = command("printf", "%s\\0", Path(name), name)
        assert line.isprintable(), name
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=True, timeout=20)
        assert done.stdout.split(b"\0")[:2] == [os.fsencode(name)] * 2


def test_a_path_is_never_taken_for_an_option() -> None:
    assert command("report", Path("-x")) == "report ./-x"
    assert command("report", "--online") == "report --online"
