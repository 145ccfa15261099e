"""An `owner.json` that is no regular file is named at once: it is not read, followed or waited for."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.outputs.inside import Damaged
from pipeline.outputs.owner import LEFT, NAME, NEXT, OwnedError, take
from pipeline.outputs.owner_record import record
from tests.outputs.test_owner import names, nobody, put

pytestmark = pytest.mark.timeout(20)


def folder_with_a_file(path: Path) -> None:
    path.mkdir()
    (path / "x").touch()


NO_FILES = {
    "link": lambda path: path.symlink_to(path.parent.parent / "outside"),
    "link to itself": lambda path: path.symlink_to(path),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "pipe": os.mkfifo,
    "folder": folder_with_a_file,
}
no_files = pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)


@no_files
@pytest.mark.parametrize("name", [NAME, NEXT], ids=["owner", "successor"])
def test_what_is_no_file_is_named_at_once_and_neither_read_nor_followed(
    tmp_path: Path, make: Callable[[Path], None], name: str
) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "run"
    outside.write_text("precious")
    folder.mkdir()
    if name == NEXT:
        dead = replace(record(), started=1)
        put(folder, dead)
        name = NEXT.format(dead.token)
    make(folder / name)
    before, there = outside.stat(), names(folder)
    with pytest.raises(Damaged, match=rf"/{re.escape(name)} is no regular file, as no command leaves it; delete it$"):
        take(folder, nobody)
    assert (outside.read_text(), outside.stat().st_mtime_ns) == ("precious", before.st_mtime_ns)
    assert names(folder) == there


@no_files
def test_what_takes_the_place_of_the_record_meanwhile_ends_the_ownership(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    folder = tmp_path / "run"
    mine = take(folder, nobody)
    (folder / NAME).unlink()
    make(folder / NAME)
    with pytest.raises(OwnedError, match=r"has lost its owner\.json"):
        mine.claim.verify()
    mine.release()
    assert names(folder) == [NAME]


@no_files
def test_what_is_no_file_among_what_the_dead_left_is_left_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    part = LEFT[1].replace("*", "0" * 32)
    make(tmp_path / part)
    take(tmp_path, nobody).release()
    assert names(tmp_path) == [part]
