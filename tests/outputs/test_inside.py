"""No link of a run folder is followed out of it, nothing but regular files is read, and no more than a bound."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.outputs import inside
from pipeline.outputs.inside import Damaged


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file, beside another folder with a file."""
    for name in ("run", "outside"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file").write_text(name)
    return tmp_path / "run"


def test_what_lies_inside_is_read_also_through_links_that_stay(root: Path, tmp_path: Path) -> None:
    (root / "link").symlink_to("deep/file")
    (root / "absolute").symlink_to(root / "deep")
    (tmp_path / "chosen").symlink_to(root)
    for parts in (("deep", "file"), ("link",), ("absolute", "file")):
        assert inside.read(root, *parts, limit=3) == b"run"
        assert inside.read(tmp_path / "chosen", *parts, limit=3) == b"run"


@pytest.mark.parametrize(
    "link",
    [
        lambda root: (root / "x").symlink_to("../outside/deep/file"),
        lambda root: (root / "x").symlink_to(root.parent / "outside" / "deep" / "file"),
        lambda root: (root / "x").symlink_to("/dev/zero"),
        lambda root: ((root / "y").symlink_to("../outside/deep/file"), (root / "x").symlink_to("y")),
        lambda root: (root / "x").symlink_to("../runaway"),
    ],
)
def test_a_link_that_leads_out_is_refused(root: Path, link: Callable[[Path], object]) -> None:
    (root.parent / "runaway").write_text("a name that begins alike")
    link(root)
    assert not inside.is_file(root, "x")
    with pytest.raises(Damaged, match=r"x is a link that leads out of .*run; delete the link"):
        inside.read(root, "x", limit=99)


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        lambda path: path.mkdir(),
        lambda path: (path.touch(), os.truncate(path, 1 << 43)),
        lambda path: path.write_bytes(bytes(101)),
    ],
)
def test_pipes_folders_and_large_files_are_refused_and_not_waited_for(
    root: Path, make: Callable[[Path], object]
) -> None:
    make(root / "x")
    with pytest.raises(Damaged, match=r"x (is no regular file|has more than 100 bytes)"):
        inside.read(root, "x", limit=100)


def test_a_link_to_itself_is_no_file_and_one_to_nothing_is_missing(root: Path) -> None:
    (root / "x").symlink_to("x")
    (root / "y").symlink_to("nothing")
    with pytest.raises(Damaged, match="x is no regular file"):
        inside.read(root, "x", limit=9)
    for name in ("y", "none"):
        with pytest.raises(FileNotFoundError):
            inside.read(root, name, limit=9)


def test_what_is_deleted_lies_inside(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (root / "link").symlink_to(outside)
    with pytest.raises(Damaged):
        inside.remove(root, "link", "deep")
    inside.remove(root, "link")
    inside.remove(root, "deep")
    inside.remove(root, "none")
    assert list(root.iterdir()) == []
    assert (outside / "deep" / "file").read_text() == "outside"


def test_patterns_enter_no_link(root: Path, tmp_path: Path) -> None:
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "deep" / "again").symlink_to(root)
    found = {path.relative_to(root).as_posix() for path in inside.matches(root, "**/*")}
    assert found == {"deep", "deep/file", "deep/again", "link"}
    assert [path.name for path in inside.matches(root, "*/file")] == ["file"]
    assert list(inside.matches(root / "none", "**/*")) == []


def test_a_folder_is_made_inside_or_not_at_all(root: Path, tmp_path: Path) -> None:
    assert inside.made(root, "new", "one").is_dir()
    (root / "figures").symlink_to(tmp_path / "outside")
    with pytest.raises(Damaged):
        inside.made(root, "figures", "3")
    assert sorted(path.name for path in (tmp_path / "outside").iterdir()) == ["deep"]
