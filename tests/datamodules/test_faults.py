"""Nothing damaged is silent: a sample with a reason that names shard and key, and the rest intact."""

import errno
import io
import json
import os
import re
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from datamodules import files, record
from datamodules.faults import MachineError
from datamodules.manifest import Entry, Manifest, Member, Shard
from datamodules.sample import Sample
from datamodules.shards import read
from tests.datamodules.builder import build
from tests.datamodules.damage import Failing, cut, offset, overwrite, png, rewrite

COUNT, SHARD = 8, "toy-00000.tar"


@pytest.fixture
def data(tmp_path: Path) -> tuple[Manifest, Path]:
    """Two shards of four; the first will be damaged."""
    return build(tmp_path, COUNT), tmp_path / SHARD


def check(manifest: Manifest, shard: Path, bad: dict[int, str]) -> None:
    """Exactly the samples `bad` fail, each for the reason given."""
    samples = list(read(manifest, shard.parent, range(COUNT)))
    assert [sample.index for sample in samples] == list(range(COUNT))
    assert [sample.index for sample in samples if sample.error] == list(bad)
    for sample in samples:
        assert (sample.image is None) == bool(sample.error)
        if sample.error:
            assert sample.masks is None
            assert sample.error.startswith(f"{shard.name}: {sample.key}: ")
            assert bad[sample.index] in sample.error


def test_a_flipped_byte(data: tuple[Manifest, Path]) -> None:
    overwrite(data[1], offset(data[1], "0001.png")[1] + 60, b"\x55\xaa\x55")
    check(*data, {1: "member png has not the sha256"})


def test_a_bad_json(data: tuple[Manifest, Path]) -> None:
    overwrite(data[1], offset(data[1], "0002.json")[1], b"[")
    check(*data, {2: "member json has not the sha256"})


def test_a_missing_shard(data: tuple[Manifest, Path]) -> None:
    data[1].unlink()
    check(*data, dict.fromkeys([0, 1, 2, 3], "there is no such shard"))


@pytest.mark.parametrize(
    "content", [b"", b"<html>404</html>" * 100, b"\x1f\x8b\x08" + bytes(2000)], ids=["empty", "html", "gzip"]
)
def test_no_tar_at_all(data: tuple[Manifest, Path], content: bytes) -> None:
    data[1].write_bytes(content)
    check(*data, dict.fromkeys([0, 1, 2, 3], "the shard is damaged"))


def test_cut_in_a_member(data: tuple[Manifest, Path]) -> None:
    cut(data[1], offset(data[1], "0002.png")[1] + 100)
    check(*data, {2: "member png is missing", 3: "the shard is damaged: ReadError: unexpected end"})


def test_cut_in_a_header(data: tuple[Manifest, Path]) -> None:
    cut(data[1], offset(data[1], "0002.json")[0] + 100)
    check(*data, dict.fromkeys([2, 3], "the shard ends before it or is damaged there"))


def test_cut_between_samples(data: tuple[Manifest, Path]) -> None:
    cut(data[1], offset(data[1], "0002.json")[0])
    check(*data, dict.fromkeys([2, 3], "the shard ends before it"))


def test_cut_between_the_members_of_the_last_sample(data: tuple[Manifest, Path]) -> None:
    cut(data[1], offset(data[1], "0003.png")[0])
    check(*data, {3: "member png is missing"})


def test_a_damaged_header(data: tuple[Manifest, Path]) -> None:
    overwrite(data[1], offset(data[1], "0001.json")[0] + 20, b"xxxx")
    check(*data, dict.fromkeys([1, 2, 3], "the shard ends before it or is damaged there"))


def test_an_early_end_mark(data: tuple[Manifest, Path]) -> None:
    overwrite(data[1], offset(data[1], "0001.json")[0], bytes(512))
    check(*data, dict.fromkeys([1, 2, 3], "the shard ends before it"))


def test_a_size_that_leads_backwards(data: tuple[Manifest, Path]) -> None:
    start = offset(data[1], "0001.json")[0]
    header = bytearray(data[1].read_bytes()[start : start + 512])
    header[124:136] = (-2048).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    overwrite(data[1], start, bytes(header))
    check(*data, dict.fromkeys([1, 2, 3], "the shard is damaged"))


def test_a_missing_member(data: tuple[Manifest, Path]) -> None:
    rewrite(data[1], lambda members: members.pop(3))
    check(*data, {1: "member png is missing"})


def test_a_missing_sample(data: tuple[Manifest, Path]) -> None:
    rewrite(data[1], lambda members: members.__delitem__(slice(2, 4)))
    check(*data, {1: "not found at its place"})


def test_samples_out_of_order(data: tuple[Manifest, Path]) -> None:
    rewrite(data[1], lambda members: members.extend([members.pop(0), members.pop(0)]))
    check(*data, {0: "not found at its place"})


def test_a_longer_member(data: tuple[Manifest, Path]) -> None:
    rewrite(data[1], lambda members: members.__setitem__(2, ("0001.json", b" " * 10_000)))
    check(*data, {1: "member json has not the size"})


def test_shards_in_each_others_place(data: tuple[Manifest, Path]) -> None:
    other = data[1].with_name("toy-00001.tar")
    first, second = data[1].read_bytes(), other.read_bytes()
    data[1].write_bytes(second)
    other.write_bytes(first)
    samples = list(read(data[0], data[1].parent, range(COUNT)))
    assert [sample.index for sample in samples] == list(range(COUNT))
    assert all(sample.error and "the shard ends before it" in sample.error for sample in samples)


def test_contents_of_two_samples_in_each_others_place(data: tuple[Manifest, Path]) -> None:
    def swap(members: list[tuple[str, bytes]]) -> None:
        members[1], members[3] = (members[1][0], members[3][1]), (members[3][0], members[1][1])

    rewrite(data[1], swap)
    check(*data, {0: "member png has not the", 1: "member png has not the"})


def test_another_key(data: tuple[Manifest, Path]) -> None:
    rewrite(data[1], lambda members: members.__setitem__(2, ("0001x.json", members[2][1])))
    check(*data, {1: "member json is missing"})


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_member_that_is_no_file(data: tuple[Manifest, Path], kind: bytes) -> None:
    secret = data[1].with_name("secret")
    secret.write_text("secret")
    with tarfile.open(data[1]) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    with tarfile.open(data[1], "w") as tar:
        for info, content in members:
            if info.name == "0001.json":
                info.type, info.linkname, info.size, content = kind, str(secret), 0, b""
            tar.addfile(info, io.BytesIO(content))
    check(*data, {1: "member json is missing"})


def test_bytes_after_the_end(data: tuple[Manifest, Path]) -> None:
    """Of a sound shard nothing is lost; `verify` finds them."""
    data[1].write_bytes(data[1].read_bytes() + b"MZ" * 5000)
    check(*data, {})


def test_a_folder_in_the_place_of_a_shard(data: tuple[Manifest, Path]) -> None:
    data[1].unlink()
    data[1].mkdir()
    check(*data, dict.fromkeys([0, 1, 2, 3], "there is no such shard"))


def test_what_the_manifest_does_not_name_is_never_read(data: tuple[Manifest, Path]) -> None:
    rewrite(data[1], lambda members: members.insert(2, ("0001.pyd", b"cos\nsystem\n(S'exit 1'\ntR.")))
    rewrite(data[1], lambda members: members.extend([("../../x.json", b"{}"), ("0000.json", b"{}")]))
    check(*data, {})


def alone(folder: Path, members: dict[str, bytes], max_pixels: int = 1 << 26) -> Sample:
    """A sample whose manifest vouches for whatever bytes it has."""
    shard = folder / "toy.tar"
    with tarfile.open(shard, "w") as tar:
        for suffix, content in members.items():
            info = tarfile.TarInfo(f"k.{suffix}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    sums = {suffix: Member(len(content), sha256(content).hexdigest()) for suffix, content in members.items()}
    entry = Entry("k", "toy.tar", sums)
    manifest = Manifest("toy", "?", ("cat",), (Shard("toy.tar", 0, sha256().hexdigest()),), (entry,))
    (sample,) = read(manifest, folder, [0], max_pixels=max_pixels)
    return sample


GOOD = {"height": 2, "width": 8}


@pytest.mark.parametrize(
    ("image", "content", "reason"),
    [
        (png(8, 2), b"{", "the json is unreadable"),
        (png(8, 2), b"\xff", "the json is unreadable"),
        (png(8, 2), b"[" * 100_000, "RecursionError"),
        (png(8, 2), b"[]", "the json is no object"),
        (png(8, 2), GOOD | {"captions": "A cat"}, "captions is no list of texts"),
        (png(8, 2), GOOD | {"captions": ["\ud800"]}, "the json is unreadable"),
        (png(8, 2), GOOD | {"masks": {"cat": None}}, "mask 'cat' is no RLE"),
        (png(8, 2), GOOD | {"masks": {"cat": {"size": [2, 8], "counts": "a0"}}}, "mask 'cat': its runs"),
        (png(8, 2), GOOD | {"masks": {"dog": {"size": [2, 8], "counts": "`0"}}}, "mask 'dog' is none"),
        (png(8, 2), GOOD | {"masks": {"cat": {"size": [2, 8], "counts": "4000;"}}}, "mask 'cat': its runs do not fill"),
        (png(8, 2), {"height": 1 << 15, "width": 1 << 15, "masks": {"cat": 0, "dog": 0}}, "more than 1073741824"),
        (png(8, 2), {"height": 1 << 15, "width": 1 << 15, "masks": {"cat": 0}}, "mask 'cat' is no RLE"),
        (png(8, 2), GOOD | {"secret": 1}, "unknown fields ['secret']"),
        (png(8, 3), GOOD, "the image has size (8, 3)"),
        (png(8, 2)[:45], GOOD, "OSError"),
        (b"not an image", GOOD, "no readable PNG image"),
        (png(30_000, 30_000), GOOD, "DecompressionBombError"),
        (png(9_000, 9_000), GOOD, "9000 x 9000 pixels exceed"),
    ],
    ids=range(18),
)
def test_a_manifest_vouching_for_nonsense(tmp_path: Path, image: bytes, content: Any, reason: str) -> None:
    blob = content if isinstance(content, bytes) else json.dumps(content).encode()
    sample = alone(tmp_path, {"json": blob, "png": image})
    assert sample.image is None
    assert sample.masks is None
    assert sample.error is not None
    assert sample.error.startswith("toy.tar: k: ")
    assert reason in sample.error
    assert sample.error.isprintable()


def test_the_bound_on_pixels_is_an_option(tmp_path: Path) -> None:
    members = {"json": json.dumps(GOOD).encode(), "png": png(8, 2)}
    assert alone(tmp_path, members, max_pixels=16).error is None
    assert alone(tmp_path, members, max_pixels=15).error == "toy.tar: k: 8 x 2 pixels exceed 15 (max_pixels)"


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.REGTYPE])
def test_a_header_of_absurd_size_is_the_shards_fault(data: tuple[Manifest, Path], kind: bytes) -> None:
    """The system refuses the memory, or the place in the file, that it asks for."""
    info = tarfile.TarInfo("0001.json")
    info.type, info.size = kind, 1 << (62 if kind == tarfile.REGTYPE else 45)
    overwrite(data[1], offset(data[1], "0001.json")[0], info.tobuf(tarfile.GNU_FORMAT))
    check(*data, dict.fromkeys([1, 2, 3], ""))


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("member", ["0001.json", "0001.png", "0002.json"])
def test_a_disk_that_fails_quarantines_nothing(
    data: tuple[Manifest, Path], monkeypatch: pytest.MonkeyPatch, member: str, number: int
) -> None:
    end = offset(data[1], member)[0]
    monkeypatch.setattr(files, "open", lambda path, *_, **__: Failing(path, end, number), raising=False)
    samples = []
    with pytest.raises(MachineError, match=rf"toy-00000\.tar: {os.strerror(number)}$"):
        samples.extend(sample.error for sample in read(data[0], data[1].parent, range(COUNT)))
    assert not any(samples)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES])
def test_a_shard_that_the_machine_cannot_open_quarantines_nothing(
    data: tuple[Manifest, Path], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(path: Path, *_: str, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(files, "open", refuse, raising=False)
    with pytest.raises(MachineError, match=f"{re.escape(str(data[1]))}: {os.strerror(number)}$"):
        next(read(data[0], data[1].parent, range(COUNT)))


def test_a_sample_is_not_blamed_for_want_of_memory(
    data: tuple[Manifest, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(record, "decode_image", full)
    with pytest.raises(MachineError, match=r"toy-00000\.tar: 0000: out of memory$"):
        next(read(data[0], data[1].parent, range(COUNT)))
