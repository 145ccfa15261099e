"""Every kind of damage is a finding that names shard and key."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from datamodules import files
from datamodules.verify import main
from tests.datamodules.builder import build
from tests.datamodules.damage import Failing, cut, offset, overwrite, rewrite

SHARD = "toy-00000.tar"

DAMAGE: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "flipped byte": (
        lambda s: overwrite(s, offset(s, "0001.png")[1] + 60, b"\x55\xaa"),
        ["-: ", "0001: member png has not the sha256"],
    ),
    "missing member": (
        lambda s: rewrite(s, lambda members: members.pop(3)),
        ["-: ", "0001: member png is missing"],
    ),
    "extra member": (
        lambda s: rewrite(s, lambda members: members.append(("evil.pyd", b"x"))),
        ["-: ", "evil: member pyd is not listed"],
    ),
    "member twice": (
        lambda s: rewrite(s, lambda members: members.append(members[0])),
        ["-: ", "0000: member json stands twice"],
    ),
    "longer member": (
        lambda s: rewrite(s, lambda members: members.__setitem__(2, ("0001.json", b" " * 9999))),
        ["-: ", "0001: member json has 9999 bytes, the manifest says "],
    ),
    "samples out of order": (
        lambda s: rewrite(s, lambda members: members.extend([members.pop(0), members.pop(0)])),
        ["-: ", "0000: member json is not at its place", "0000: member png is not at its place"],
    ),
    "cut at a member boundary": (
        lambda s: cut(s, offset(s, "0003.png")[0]),
        ["-: ", "0003: member png is missing"],
    ),
    "cut between samples": (
        lambda s: cut(s, offset(s, "0003.json")[0]),
        ["-: ", "0003: member json is missing", "0003: member png is missing"],
    ),
    "cut in a header": (
        lambda s: cut(s, offset(s, "0003.json")[0] + 100),
        ["-: ", "0003: member json is missing", "0003: member png is missing"],
    ),
    "cut in a body": (
        lambda s: cut(s, offset(s, "0003.png")[1] + 100),
        ["-: ", "-: the shard is damaged", "0003: member png is missing"],
    ),
    "zero length": (
        lambda s: s.write_bytes(b""),
        ["-: 0 bytes", "-: the shard is damaged: ReadError: empty file", *["000"] * 8],
    ),
    "damaged header": (
        lambda s: overwrite(s, offset(s, "0002.png")[0] + 20, b"xxxx"),
        ["-: ", "0002: member png is missing", "0003: member json is missing", "0003: member png is missing"],
    ),
    "missing shard": (lambda s: s.unlink(), ["-: there is no such shard"]),
    "no tar": (lambda s: s.write_bytes(b"<html>" * 500), ["-: ", "-: the shard is damaged", *["000"] * 8]),
    "bytes after the end": (lambda s: s.write_bytes(s.read_bytes() + bytes(512)), ["-: "]),
}


def check(folder: Path, capsys: pytest.CaptureFixture[str], expected: list[str]) -> None:
    assert main([str(folder)]) == 1
    *found, last = capsys.readouterr().out.splitlines()
    assert len(found) == len(expected), found
    assert last == f"8 samples in 2 shards: {len(expected)} findings"
    for line, beginning in zip(found, expected, strict=True):
        assert line.startswith(f"{SHARD}: {beginning}"), found
        assert line.isprintable()


@pytest.mark.parametrize(("damage", "expected"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], object], expected: list[str]
) -> None:
    build(tmp_path, 8)
    assert main([str(tmp_path)]) == 0
    assert "8 samples in 2 shards: every byte as the manifest says" in capsys.readouterr().out
    damage(tmp_path / SHARD)
    check(tmp_path, capsys, expected)


def test_a_manifest_that_contradicts_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The shard is as its own sum says, a member is not."""
    build(tmp_path, 8)
    path = tmp_path / "manifest.json"
    content = json.loads(path.read_bytes())
    content["samples"][2]["members"]["png"]["sha256"] = "0" * 64
    path.write_text(json.dumps(content))
    check(tmp_path, capsys, ["0002: member png has not the sha256"])


def test_a_shard_that_the_manifest_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path, 8)
    (tmp_path / "more\x1b[31m.tar").write_bytes(b"")
    assert main([str(tmp_path)]) == 1
    assert "more [31m.tar: -: the manifest knows no such shard" in capsys.readouterr().out


def test_hostile_names_are_shown_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path, 8)
    rewrite(tmp_path / SHARD, lambda members: members.append(("../../x\x1b]0;owned\x07.json", b"{}")))
    check(tmp_path, capsys, ["-: ", "../../x ]0;owned : member json is not listed"])


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
@pytest.mark.parametrize("opened", [0, 1], ids=["hash", "tar"])
def test_a_machine_that_fails_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], opened: int, number: int
) -> None:
    """Neither where the whole shard is hashed nor where its members are read."""
    build(tmp_path, 8)
    ends = iter([1 << 40] * (1 + opened) + [offset(tmp_path / SHARD, "0001.png")[0]] * 2)
    monkeypatch.setattr(files, "open", lambda path, *_, **__: Failing(path, next(ends), number), raising=False)
    assert main([str(tmp_path)]) == 5
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"seewhy verify: error: {tmp_path / SHARD}: {os.strerror(number)}; mend that, and verify again\n"


def test_a_shard_that_may_not_be_looked_at_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path, 8)

    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    assert main([str(tmp_path)]) == 5
    assert f"{SHARD}: Permission denied" in capsys.readouterr().err


def test_no_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "there is no such manifest" in capsys.readouterr().err
