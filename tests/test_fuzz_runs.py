"""A few damaged run folders; `python -m tests.fuzz_runs` tries many more."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests import run_mutations as mutations
from tests.outputs.report.built import SCENES, run_folder
from tests.outputs.test_doors import listing

ROOT = Path(__file__).resolve().parents[1]


def test_a_few_damaged_run_folders_let_nobody_in_and_end_no_command_badly() -> None:
    command = [sys.executable, "-m", "tests.fuzz_runs", "--mutations", "10", "--seed", "7", "--turn"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "10 commands on damaged folders" in done.stdout
    assert ": 0 wrong" in done.stdout


@pytest.mark.parametrize("kind", sorted({*mutations.KINDS}, key=lambda kind: kind.__name__))
def test_each_kind_of_damage_changes_the_folder(tmp_path: Path, kind: mutations.Mutation) -> None:
    folder, canary = run_folder(tmp_path / "run", SCENES[:2]), tmp_path / "canary"
    canary.mkdir()
    before = listing(folder)
    assert kind(random.Random(3), folder, canary)
    links = [path for path in folder.glob("**/*") if path.is_symlink() or not (path.is_file() or path.is_dir())]
    assert links or listing(folder) != before
