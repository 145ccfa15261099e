"""Pipes, devices and files without end in the place of data: refused in one line, not waited for, not read through."""

import errno
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from datamodules import convert, files
from datamodules.files import digest_of, open_file, read_bytes, read_text
from datamodules.images import ImagesDataModule
from datamodules.manifest import MAX_MANIFEST, MAX_MEMBER, Manifest, ManifestError
from datamodules.shards import read
from datamodules.sources.base import MAX_JSON, load_json
from datamodules.sources.coco import read_split
from datamodules.tar import MAX_HEADER
from datamodules.verify import main as verify
from tests.datamodules import published
from tests.datamodules.builder import build
from tests.datamodules.damage import Failing
from tests.datamodules.test_convert import command, options

pytestmark = pytest.mark.timeout(20)
HUGE = 8 << 40


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    """Of eight terabytes, none of them written."""
    with open(path, "wb") as file:
        try:
            file.truncate(HUGE)
        except OSError:
            pytest.skip("the file system has no such files")


MAKE: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (pipe, "it is a pipe, not a regular file"),
    "device": (device, "it is a device, not a regular file"),
    "sparse": (sparse, f"it has {HUGE} bytes, more than"),
}
special = pytest.mark.parametrize(("make", "reason"), MAKE.values(), ids=MAKE)


@special
@pytest.mark.parametrize("look", [open_file, read_bytes, read_text, digest_of])
def test_none_is_opened(
    look: Callable[[Path, int], object], make: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    make(tmp_path / "x")
    with pytest.raises(ValueError, match=reason):
        look(tmp_path / "x", 1 << 20)


@special
def test_a_file_that_turns_into_one_is_found_out_once_it_is_open(
    make: Callable[[Path], None], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "x")
    (tmp_path / "sound").write_bytes(b"")
    before = os.stat(tmp_path / "sound")
    monkeypatch.setattr(files.os, "stat", lambda path: before)
    with pytest.raises(ValueError, match=reason):
        read_bytes(tmp_path / "x", 1 << 20)


@pytest.mark.parametrize("seen", [True, False], ids=["before", "only when it is opened"])
def test_a_link_is_no_file_where_none_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: bool) -> None:
    (tmp_path / "sound").write_bytes(b"sound")
    (tmp_path / "x").symlink_to("sound")
    with open_file(tmp_path / "x") as file:
        assert file.read() == b"sound"
    if not seen:
        before = os.stat(tmp_path / "sound")
        monkeypatch.setattr(files.os, "lstat", lambda path: before)
    with pytest.raises(ValueError, match=r"^it is a link, not a regular file$"):
        open_file(tmp_path / "x", links=False)


def test_a_file_that_does_not_tell_its_size_is_read_to_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(bytes(100))
    monkeypatch.setattr(files, "_check", lambda *_: None)
    for look in (read_bytes, digest_of):
        with pytest.raises(ValueError, match="it has more than 99 bytes"):
            look(tmp_path / "x", 99)
        look(tmp_path / "x", 100)


@special
def test_annotations_and_splits(make: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    for name, look in (("a.json", load_json), ("s.json", read_split), ("s.txt", read_split)):
        make(tmp_path / name)
        with pytest.raises(ValueError, match=f"{name}: {reason}"):
            look(tmp_path / name)


@special
def test_a_manifest(
    make: Callable[[Path], None], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "manifest.json")
    with pytest.raises(ManifestError, match=f"manifest.json: {reason}"):
        Manifest.load(tmp_path / "manifest.json")
    assert verify([str(tmp_path)]) == 2
    assert reason in capsys.readouterr().err


@special
def test_a_shard(make: Callable[[Path], None], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = build(tmp_path, 6)
    (tmp_path / "toy-00000.tar").unlink()
    make(tmp_path / "toy-00000.tar")
    errors = [sample.error for sample in read(manifest, tmp_path, range(6), follow_links=True)]
    assert [error is None for error in errors] == [False] * 4 + [True] * 2
    assert verify([str(tmp_path), "--follow_links"]) == 1
    said = capsys.readouterr().out
    assert "there is no such shard" in said or f"{HUGE} bytes, the manifest says" in said


def test_a_shard_as_large_as_a_false_manifest_says_is_not_hashed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(build(tmp_path, 4).canonical)
    shard = tmp_path / "toy-00000.tar"
    with open(shard, "r+b") as file:
        try:
            file.truncate(HUGE)
        except OSError:
            pytest.skip("the file system has no such files")
    content["shards"][0]["size"] = HUGE
    published.write_json(tmp_path / "manifest.json", content)
    assert verify([str(tmp_path)]) == 1
    assert f"{HUGE} bytes, of which its samples need at most" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["pax", "long name", "sparse map"])
def test_a_header_without_end_is_not_read_through(kind: str, tmp_path: Path) -> None:
    """Eight terabytes of zeros follow it."""
    manifest, shard = build(tmp_path, 4), tmp_path / "toy-00000.tar"
    info = tarfile.TarInfo("x")
    if kind == "sparse map":
        body = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
        head = tarfile.TarInfo("x")
        head.type, head.size = tarfile.XHDTYPE, len(body)
        info.size = HUGE >> 1
        data = head.tobuf(tarfile.GNU_FORMAT) + body.ljust(512, b"\0") + info.tobuf(tarfile.GNU_FORMAT)
        data += b"1000000000\n" + b"0\n" * MAX_HEADER
    else:
        info.type = tarfile.XHDTYPE if kind == "pax" else tarfile.GNUTYPE_LONGNAME
        info.size = 1 << 36
        data = info.tobuf(tarfile.GNU_FORMAT)
    with open(shard, "wb") as file:
        file.write(data)
        try:
            file.truncate(HUGE)
        except OSError:
            pytest.skip("the file system has no such files")
    for sample in read(manifest, tmp_path, range(4)):
        assert f"a header has more than {MAX_HEADER} bytes" in (sample.error or "")


@special
@pytest.mark.filterwarnings("ignore::datamodules.faults.Overlooked")
def test_a_picture(make: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    make(tmp_path / "x.png")
    (tmp_path / "y.png").write_bytes(published.pictures()["P"])
    data = ImagesDataModule(str(tmp_path), follow_links=True)
    errors = {sample.key: sample.error for batch in data.predict_dataloader() for sample in batch}
    if make is sparse:
        assert errors == {"x": f"x.png: {reason} {MAX_MEMBER}", "y": None}
    else:
        assert errors == {"y": None}
    args = published.coco_files(tmp_path / "from")
    picture = args["images"] / "COCO_val2014_000000000100.jpg"
    picture.unlink()
    make(picture)
    assert convert.main(["coco_caption", *options(args), "--out", str(tmp_path / "out"), "--max_left_out", "1"]) == 0
    (line,) = map(json.loads, (tmp_path / "out" / "left_out.jsonl").read_text().splitlines())
    assert line["record"] == "100"
    assert "there is no file" in line["reason"] or reason in line["reason"]


def test_why_a_picture_cannot_be_read_is_part_of_the_datas_identity(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    gone, large = tmp_path / "gone.png", tmp_path / "large.png"
    gone.symlink_to("nowhere")
    sparse(large)
    first = ImagesDataModule(str(tmp_path))
    assert [bool(file.digest) for file in first.files] == [True, False, False]
    gone.unlink()
    sparse(gone)
    assert ImagesDataModule(str(tmp_path)).digest != first.digest


def test_a_machine_that_fails_leaves_no_record_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends the conversion, and the same command continues."""
    coco = published.coco_files(tmp_path / "from")

    def failing(path: str | Path, *args: object, **more: object) -> io.FileIO:
        bad = str(path).endswith("000000000105.jpg")
        return Failing(Path(path), 0 if bad else HUGE, errno.EIO)

    args = command(coco, tmp_path / "out", "--max_left_out", "9")
    with monkeypatch.context() as patch:
        patch.setattr(files, "open", failing, raising=False)
        with pytest.raises(SystemExit, match="5"):
            convert.main(args)
    assert "Input/output error; mend that, and the same command continues" in capsys.readouterr().err
    assert convert.main(args) == 0
    assert not (tmp_path / "out" / "left_out.jsonl").read_text()


def test_the_bounds_leave_room_for_what_is_published() -> None:
    """COCO's largest file has 470 MB, a manifest some 300 bytes for a sample."""
    assert MAX_JSON > 4 * 470_000_000
    assert MAX_MANIFEST > 3_000_000 * 300
