"""A whole run over shards that are damaged in every way at once: each sample is one row, scored as ever or quarantined
with a reason that names shard and key."""

import gzip
import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from datamodules.demo import DemoDataModule
from datamodules.manifest import Manifest
from datamodules.record import Record
from datamodules.shards import write_shards
from pipeline import cli, evaluation
from pipeline.outputs.records import Row, read_rows
from tests.datamodules.damage import cut, offset, overwrite, rewrite

Damage = Callable[[Path, str, str], object]
"""Does it to a shard of two samples, whose keys are given."""


def linked(shard: Path, first: str, second: str) -> None:
    """A link in the place of a member."""
    with tarfile.open(shard) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    with tarfile.open(shard, "w") as tar:
        for info, content in members:
            if info.name == f"{second}.png":
                info.type, info.linkname, info.size, content = tarfile.SYMTYPE, "/etc/hostname", 0, b""
            tar.addfile(info, io.BytesIO(content))


def replaced(shard: Path) -> None:
    """A folder in the place of the shard."""
    shard.unlink()
    shard.mkdir()


DAMAGE: dict[str, tuple[Damage, str, str]] = {
    "a byte of an image": (
        lambda s, a, b: overwrite(s, offset(s, f"{b}.png")[1] + 60, b"\x55\xaa"),
        "b",
        "member png has not the sha256",
    ),
    "a byte of a json": (lambda s, a, b: overwrite(s, offset(s, f"{b}.json")[1], b"["), "b", "member json has not the"),
    "no shard": (lambda s, a, b: s.unlink(), "ab", "there is no such shard"),
    "a folder": (lambda s, a, b: replaced(s), "ab", "there is no such shard"),
    "empty": (lambda s, a, b: s.write_bytes(b""), "ab", "the shard is damaged: ReadError: empty file"),
    "a page of a server": (lambda s, a, b: s.write_bytes(b"<html>404</html>" * 99), "ab", "the shard is damaged"),
    "compressed": (lambda s, a, b: s.write_bytes(gzip.compress(s.read_bytes())), "ab", "the shard is damaged"),
    "cut in a body": (lambda s, a, b: cut(s, offset(s, f"{b}.png")[1] + 9), "b", "member png is missing"),
    "cut in a header": (lambda s, a, b: cut(s, offset(s, f"{b}.json")[0] + 9), "b", "the shard ends before it"),
    "cut between samples": (lambda s, a, b: cut(s, offset(s, f"{b}.json")[0]), "b", "the shard ends before it"),
    "cut between members": (lambda s, a, b: cut(s, offset(s, f"{b}.png")[0]), "b", "member png is missing"),
    "a damaged header": (lambda s, a, b: overwrite(s, offset(s, f"{b}.json")[0], b"!"), "b", "or is damaged there"),
    "an early end": (lambda s, a, b: overwrite(s, offset(s, f"{b}.json")[0], bytes(512)), "b", "ends before it"),
    "no member": (lambda s, a, b: rewrite(s, lambda m: m.pop(2)), "b", "member json is missing"),
    "no sample": (lambda s, a, b: rewrite(s, lambda m: m.__delitem__(slice(2))), "a", "not found at its place"),
    "another order": (lambda s, a, b: rewrite(s, lambda m: m.extend([m.pop(0), m.pop(0)])), "a", "at its place"),
    "a longer member": (
        lambda s, a, b: rewrite(s, lambda m: m.__setitem__(0, (f"{a}.json", b" " * 9999))),
        "a",
        "member json has not the size",
    ),
    "another key": (
        lambda s, a, b: rewrite(s, lambda m: m.__setitem__(2, (f"{b}x.json", m[2][1]))),
        "b",
        "member json is missing",
    ),
    "each other's image": (
        lambda s, a, b: rewrite(s, lambda m: m.extend([(m[1][0], m[3][1]), (m.pop(3)[0], m.pop(1)[1])])),
        "ab",
        "member",
    ),
    "a link": (linked, "b", "member png is missing"),
    "more than is listed": (
        lambda s, a, b: rewrite(s, lambda m: m.extend([(f"{b}.pyd", b"cos\nsystem\n."), ("../../x.json", b"{}")])),
        "",
        "",
    ),
}
"""What is done, which of a shard's two samples that costs, and the reason that their rows give."""


def run(data: Path, folder: Path, *more: str) -> int:
    args = ["--data", "shards", "--data.manifest", str(data / "manifest.json"), "--run_dir", str(folder), *more]
    args += ["--explainers", "cam", "--figures", "0", "--wandb.mode", "disabled"]
    args += ["--trainer.accelerator", "cpu", "--trainer.strategy", "auto"]
    return evaluation.Evaluation(cli.parse(args)).run()


def scores(row: Row) -> object:
    return row.answer, row.captions, row.explainers


def test_every_damage_is_a_row_with_its_reason_and_costs_no_other_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ((one, two),) = DemoDataModule(limit=2, batch_size=2).predict_dataloader()
    records = [
        Record(f"{number:02d}{letter}", scene.image, captions=scene.captions, masks=scene.masks)
        for number in range(len(DAMAGE))
        for letter, scene in (("a", one), ("b", two))
    ]
    manifest = write_shards(
        tmp_path / "whole", "toy", records, prompt=one.prompt, categories=one.categories, per_shard=2
    )
    assert run(tmp_path / "whole", tmp_path / "good") == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "data")
    expected: dict[str, str] = {}
    for number, (shard, (damage, lost, reason)) in enumerate(zip(manifest.shards, DAMAGE.values(), strict=True)):
        keys = f"{number:02d}a", f"{number:02d}b"
        damage(tmp_path / "data" / shard.name, *keys)
        expected |= {key: f"{shard.name}: {key}: .*{reason}" for key in keys if key[-1] in lost}
    assert len(DAMAGE) >= 14
    assert Manifest.load(tmp_path / "data" / "manifest.json") == manifest

    capsys.readouterr()
    assert run(tmp_path / "data", tmp_path / "bad") == 4
    assert f"{len(expected)} samples quarantined; --max_bad is 0" in capsys.readouterr().err
    lines = (tmp_path / "bad" / "rows.0.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["key"] for line in lines) == [record.key for record in records], "each once"
    good, bad = (dict(read_rows(tmp_path / name)) for name in ("good", "bad"))
    assert {key for key, row in bad.items() if row.error} == expected.keys()
    for key, row in bad.items():
        if key in expected:
            assert re.match(expected[key], row.error or ""), row.error
        else:
            assert scores(row) == scores(good[key])
    found = json.loads((tmp_path / "bad" / "summary.json").read_text())["samples"]
    assert found == {"expected": len(records), "scored": len(records) - len(expected), "quarantined": len(expected)}
