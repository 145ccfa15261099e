"""Whole runs on what users bring: pictures of their own, damaged shards, things that are meant to harm."""

import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datamodules.demo import MANIFEST, DemoDataModule
from datamodules.manifest import Manifest
from datamodules.record import Record
from datamodules.shards import write_shards
from pipeline import cli
from pipeline.outputs import tracker
from pipeline.outputs.records import read_rows
from pipeline.sweep import command as sweep
from tests import command as commands
from tests.command import ROOT, Done
from tests.datamodules.damage import offset, overwrite, png, rewrite

HARM = "\x1b]0;owned\x07\x1b[31m<script>alert(1)</script>\u202ered"
"""A window title, a colour, a script and a turn of the reading direction."""


def run(folder: Path, *args: str) -> Done:
    options = ["--run_dir", str(folder), "--wandb.mode", "disabled", "--explainers", "cam", "--batch_size", "4"]
    return commands.run(*options, *args)


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


def scenes(count: int) -> list[Any]:
    """The first of the embedded scenes."""
    return [sample for batch in DemoDataModule(limit=count).predict_dataloader() for sample in batch]


def test_own_pictures_get_captions_maps_and_pictures_but_no_scores(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for sample in scenes(3):
        sample.image.save(tmp_path / "photos" / f"{sample.key} <b>.png")
    sample.image.crop((0, 0, 3, 200)).save(tmp_path / "photos" / "犬.png")  # thinner than a patch
    (tmp_path / "photos" / "bomb.png").write_bytes(png(10_000, 10_000))
    (tmp_path / "photos" / "broken\x1b[31m.png").write_bytes(b"nothing")
    data = ["--data", "configs/data/images.yaml", "--data.paths", f"{tmp_path}/photos/*.png"]
    folder = tmp_path / "run"
    first = run(folder, *data, "--max_bad", "1", "--cache", str(tmp_path / "cache"), "--cache_size", "1kB")
    assert first.returncode == 4, "pictures that cannot be read are quarantined, and two are too many"
    told = [line for line in first.stderr.splitlines() if "nothing more is kept" in line]
    assert [line.startswith("run_eval.py: cache: nothing more is kept: ") for line in told] == [True], first.stderr
    assert "Warning" not in first.stderr, "neither that of the cache nor Pillow's of what is refused"
    shutil.move(tmp_path / "photos", tmp_path / "elsewhere")
    done = run(folder, "--data", "images", "--data.paths", str(tmp_path / "elsewhere"), "--max_bad", "2")
    assert done.returncode == 0, done.stderr
    assert "4 of 6 images captioned; no ground truth, so no figures" in done.stdout
    assert "    5  犬: " in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    rows = sorted(read_rows(folder).values(), key=lambda row: row.index)
    assert len(rows) == 6
    assert "10000 x 10000 pixels exceed" in (rows[0].error or "")
    assert "no readable" in (rows[1].error or "")
    for row in rows[2:]:
        assert row.answer is not None
        assert row.answer["text"] in done.stdout
        assert row.words
        assert not row.explainers, "no scores"
        assert not row.captions, "no scores"
        figures = folder / "figures" / str(row.index)
        assert np.asarray(Image.open(figures / "panel.png")).std() > 10
        with np.load(figures / "maps.npz") as maps:
            assert len(maps["cam"]) == len(row.answer["ids"])
            assert maps["cam"].any()
    found = summary(folder)
    assert found["samples"] == {"expected": 6, "scored": 4, "quarantined": 2}
    assert found["ground_truth"] == 0
    assert all(figure["value"] is None for figure in found["explainers"]["cam"]["corrected"].values())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Eight scenes in shards of four, and a run over them."""
    folder = tmp_path_factory.mktemp("whole")
    records = [
        Record(s.key, s.image, captions=[HARM, *s.captions], masks=s.masks, provenance={"title": HARM})
        for s in scenes(8)
    ]
    manifest = Manifest.load(MANIFEST)
    write_shards(folder / "data", "toy", records, prompt=manifest.prompt, categories=manifest.categories, per_shard=4)
    done = run(folder / "run", "--data", "shards", "--data.manifest", str(folder / "data" / "manifest.json"))
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr, "captions of strangers reach no terminal"
    return folder / "data", folder / "run"


def test_of_damaged_shards_the_rest_is_scored_once_and_as_ever(whole: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(whole[0], tmp_path / "data")
    first, second = tmp_path / "data" / "toy-00000.tar", tmp_path / "data" / "toy-00001.tar"
    keys = [entry.key for entry in Manifest.load(tmp_path / "data" / "manifest.json").samples]
    overwrite(first, offset(first, f"{keys[1]}.png")[1] + 99, b"\x55\xaa\x55")
    rewrite(first, lambda members: members.extend([(f"{keys[0]}.pyd", b"cos\nsystem\n"), ("../../x.json", b"{}")]))
    overwrite(second, offset(second, f"{keys[6]}.json")[0] + 20, b"xxxx")
    done = run(tmp_path / "run", "--data", "shards", "--data.manifest", str(tmp_path / "data" / "manifest.json"))
    assert done.returncode == 4
    rows, good = read_rows(tmp_path / "run"), read_rows(whole[1])
    lines = (tmp_path / "run" / "rows.0.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["key"] for line in lines) == sorted(keys), "each once"
    for index, key in enumerate(keys):
        if index in (1, 6, 7):
            shard = first if index == 1 else second
            assert (rows[key].error or "").startswith(f"{shard.name}: {key}: ")
            assert f"quarantined {key}: {shard.name}: {key}: " in done.stderr
        else:
            assert rows[key].error is None
            assert rows[key].explainers == good[key].explainers
    assert summary(tmp_path / "run")["samples"] == {"expected": 8, "scored": 5, "quarantined": 3}
    assert not (tmp_path.parent / "x.json").exists()

    for name in (first.name, second.name):
        shutil.copy(whole[0] / name, tmp_path / "data")
    manifest = str(tmp_path / "data" / "manifest.json")
    done = run(tmp_path / "run", "--data", "shards", "--data.manifest", manifest, "--retry_quarantined", "true")
    assert done.returncode == 0, done.stderr
    again = (tmp_path / "run" / "rows.0.jsonl").read_text().splitlines()
    assert again[:8] == lines
    assert [json.loads(line)["key"] for line in again[8:]] == [keys[1], keys[6], keys[7]]
    assert (tmp_path / "run" / "summary.json").read_bytes() == (whole[1] / "summary.json").read_bytes()


def test_a_caption_with_script_and_escapes_stays_text(whole: tuple[Path, Path], tmp_path: Path) -> None:
    data, folder = whole
    with tarfile.open(data / "toy-00000.tar") as tar:
        content = json.load(tar.extractfile(tar.getmembers()[0]))  # type: ignore[arg-type]
    assert content["captions"][0] == HARM, "kept as it is"
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".yaml"):
            assert "\x1b" not in path.read_text()
    done = run(
        tmp_path / "run",
        *("--data", "shards", "--data.manifest", str(data / "manifest.json")),
        *("--answers", "captions", "--limit", "2"),
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    (row, *_) = read_rows(tmp_path / "run").values()
    assert row.answer is not None
    assert "<script>" in row.answer["text"]
    assert (tmp_path / "run" / "figures" / "0" / "panel.png").is_file()


TAGS = [
    "object/apply:os.system [touch CANARY]",
    "object/new:subprocess.Popen [[touch, CANARY]]",
    "object:datetime.timedelta {}",
    "name:os.system",
    "module:antigravity",
]


@pytest.mark.parametrize("option", ["--config", "--data", "--vlm", "--explainers", "sweep", "run folder"])
@pytest.mark.parametrize("tag", TAGS)
def test_a_python_tag_in_a_yaml_runs_nothing(
    option: str, tag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    canary, evil = tmp_path / "canary", tmp_path / "config.yaml"
    evil.write_text(f"class_path: !!python/{tag.replace('CANARY', str(canary))}\n")
    before = set(sys.modules)
    if option == "sweep":
        assert sweep.main([str(evil), "--out", str(tmp_path / "out")]) == 2
    elif option == "run folder":
        (tmp_path / "summary.json").write_text('{"explainers": {"cam": {}}, "samples": {}}')
        assert tracker.main([str(tmp_path)]) == 2
    else:
        with pytest.raises(SystemExit, match="2"):
            cli.parse([option, str(evil)]).build()
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert "config.yaml" in line or option == "run folder"
    assert "constructor for the tag" in line
    assert not canary.exists()
    assert "antigravity" not in set(sys.modules) - before


def test_a_manifest_that_names_a_program_is_refused_in_one_line(whole: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(whole[0], tmp_path / "data")
    path = tmp_path / "data" / "manifest.json"
    content = json.loads(path.read_text())
    content["shards"][0]["name"] = "pipe:touch canary"
    path.write_text(json.dumps(content))
    done = run(tmp_path / "run", "--data", "shards", "--data.manifest", str(path))
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert f"{path}: shard 'pipe:touch canary': a plain file name is needed" in line
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.rglob("canary")) + list(ROOT.glob("canary"))
