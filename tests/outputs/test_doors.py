"""A run folder of a stranger: the page, the tracker, a run that goes on and `--fresh` stay inside it."""

import io
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datamodules.rle import encode_mask
from datamodules.sample import Sample
from pipeline.outputs import draw, kept, maps, tracker
from pipeline.outputs.fingerprint import clear, open_run
from pipeline.outputs.inside import Damaged
from pipeline.outputs.records import RowWriter, read_rows
from pipeline.outputs.report import command
from pipeline.types import WHOLE
from tests.outputs.made import PIECES, rows
from tests.outputs.report.built import SCENES, run_folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of two samples."""
    return run_folder(tmp_path / "a" / "run", SCENES[:2])


def resigned(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the first row and make its checksum right."""
    path = folder / "rows.0.jsonl"
    first, *others = path.read_bytes().splitlines(keepends=True)
    fields = json.loads(first)
    del fields["crc32"]
    change(fields)
    body = json.dumps(fields)[:-1].encode() + b","
    path.write_bytes(b"".join([body + b'"crc32":"%08x"}\n' % zlib.crc32(body), *others]))


def listing(folder: Path) -> dict[str, bytes]:
    """What every file begins with, which may pretend to hold terabytes."""
    files = [path for path in folder.glob("**/*") if path.is_file()]
    return {str(path.relative_to(folder)): path.open("rb").read(1 << 24) for path in files}


@pytest.mark.parametrize("index", ["../../../x", "{outside}/x", -1, 0.5, None, "0"])
def test_an_index_of_a_row_is_never_a_path(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], index: Any
) -> None:
    if isinstance(index, str):
        index = index.replace("{outside}", str(tmp_path))
    resigned(run, lambda it: it.update(index=index))
    before = listing(tmp_path)
    assert command.main([str(run), "--out", str(tmp_path / "page")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{run}/rows.0.jsonl:1: index: " in line
    assert listing(tmp_path) == before


def test_two_samples_of_one_index_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resigned(run, lambda it: it.update(index=1))
    assert command.main([str(run)]) == 2
    assert "have one index" in capsys.readouterr().err


def test_an_id_of_wandb_json_deletes_nothing(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (run / "wandb" / "offline-run-1-").mkdir(parents=True)
    (run / "wandb.json").write_text(json.dumps({"runs": {"cam": {"id": "/../../../../thesis"}}}))
    assert tracker.main([str(run)]) == 2
    assert "wandb.json: runs.cam.id: expected eight letters and digits" in capsys.readouterr().err
    assert thesis.is_dir()


def test_what_is_superseded_is_deleted_inside_alone(run: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / "offline-run-1-abcdefgh"
    outside.mkdir(parents=True)
    (run / "wandb" / "offline-run-2-abcdefgh" / "files").mkdir(parents=True)
    (run / "wandb" / "offline-run-3-abcdefgh").symlink_to(outside)
    tracker.supersede(run, "abcdefgh")
    assert list((run / "wandb").iterdir()) == []
    (run / "wandb").rmdir()
    (run / "wandb").symlink_to(outside.parent)
    with pytest.raises(Damaged):
        tracker.supersede(run, "abcdefgh")
    assert outside.is_dir()


@pytest.mark.parametrize(
    "name", ["wandb", "wandb/data", "wandb/data/artifacts", "wandb/offline-run-1-a/files", "wandb/run-1-a/files/x.png"]
)
def test_wandb_writes_through_no_link(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / "outside").mkdir()
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).symlink_to(tmp_path / "outside")
    assert tracker.main([str(run)]) == 2
    assert f"{name} is a link that leads out" in capsys.readouterr().err
    assert list((tmp_path / "outside").iterdir()) == []


def test_settings_of_wandb_in_a_run_folder_are_not_obeyed(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "wandb").mkdir()
    (run / "wandb" / "settings").write_text("[default]\nbase_url = http://127.0.0.1:9\n")
    monkeypatch.chdir(run)
    assert tracker.main([".", "--online"]) == 2
    assert "would tell W&B where to send" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["image.jpg", "maps.npz", "sample.json"])
def test_the_page_shows_nothing_that_a_link_points_to_outside(run: Path, tmp_path: Path, name: str) -> None:
    path, secret = run / "figures" / "0" / name, tmp_path / f"secret-{name}"
    path.rename(secret)
    path.symlink_to(secret)
    assert command.main([str(run)]) == 0
    page = (run / "page" / "index.html").read_text()
    assert "figures/0 is damaged" in page
    assert "is a link that leads out" in page
    assert {path.name for path in (run / "page" / "runs" / "0").iterdir()} == {
        *("1.jpg", "1.thumb.jpg", "1.js", "index.js", "texts.js")
    }


@pytest.mark.parametrize("name", ["env.json", "summary.json", "timing.json", "config.yaml", "rows.0.jsonl"])
@pytest.mark.parametrize("how", ["link", "pipe", "folder", "sparse", "deep"])
def test_a_file_that_is_none_is_one_line_and_status_2(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, how: str
) -> None:
    path = run / name
    if how == "link":
        path.rename(tmp_path / name)
        path.symlink_to(tmp_path / name)
    else:
        path.unlink()
        if how == "pipe":
            os.mkfifo(path)
        elif how == "folder":
            path.mkdir()
        elif how == "deep":
            path.write_text("[" * 9000)
        else:
            path.touch()
            os.truncate(path, 1 << 43)
    status = command.main([str(run)])
    said = capsys.readouterr().err.splitlines()
    if (name, how) == ("rows.0.jsonl", "deep"):  # a line that was not written to its end does not count
        assert (status, said) == (0, [])
    else:
        assert (status, len(said)) == (2, 1)
        assert str(path) in said[0]


def test_a_page_by_default_lies_in_the_run_folder(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(run)]) == 0
    (run / "page").rename(tmp_path / "mine")
    (run / "page").symlink_to(tmp_path / "mine")
    before = listing(tmp_path / "mine")
    assert command.main([str(run)]) == 2
    assert "page is a link that leads out" in capsys.readouterr().err
    assert listing(tmp_path / "mine") == before


def test_fresh_deletes_nothing_that_a_link_points_to(run: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    for name in ("figures/0/image.jpg", "runs/0/index.js", "offline-run-1-a/files/x", "0/image.jpg", "00000001.npz"):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_text("mine")
    before = listing(outside)
    (run / "page").symlink_to(outside)
    (run / "maps").symlink_to(outside)
    (run / "wandb").symlink_to(outside)
    (run / "figures" / "9").symlink_to(outside / "0")
    (run / "page" / "..").resolve()
    clear(run)
    assert listing(outside) == before
    assert {path.relative_to(run).as_posix() for path in run.glob("**/*")} == {"figures", "figures/9"}


def test_a_run_that_goes_on_writes_through_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_text("precious")
    folder = tmp_path / "run"
    open_run(folder, {"a": 1})
    (folder / "rows.0.jsonl").symlink_to(outside)
    with pytest.raises(Damaged, match="is a link"):
        read_rows(folder)
    with pytest.raises(OSError, match="symbolic links"):
        RowWriter(folder / "rows.0.jsonl")
    place, row = folder / "figures" / "0", rows(1)["image 000"]
    place.mkdir(parents=True)
    names = ("image.jpg", "maps.npz", ".maps.npz.part", "sample.json", "masks.png", "panel.png")
    for name in names:
        (place / name).symlink_to(outside)
    found = {"cam": np.zeros((len(PIECES), 6, 8), np.uint8)}
    masks = {"dog": encode_mask(np.ones((60, 80), bool))}
    sample = Sample(row.key, 0, Image.new("RGB", (80, 60)), "?", masks=masks)
    kept.keep(place, sample, found, WHOLE)
    draw.sample(place, sample, row, found)
    assert outside.read_text() == "precious"
    assert not any((place / name).is_symlink() for name in names)
    assert kept.load(place).size == (60, 80)


@pytest.mark.parametrize("name", ["../x", "env.json/x"])
def test_a_folder_of_pictures_that_leads_out_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    assert not (tmp_path / "x").exists()
    with pytest.raises(Damaged):
        maps_of(tmp_path / "run", name)


def png(width: int, height: int) -> bytes:
    """A PNG that says it has this size, and has no pixels."""
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + head + zlib.crc32(head).to_bytes(4, "big")


@pytest.mark.parametrize("name", ["image.jpg", "masks.png"])
@pytest.mark.parametrize(
    "data", [png(40_000, 40_000), png(10_000, 10_000), png(1 << 30, 1 << 30), b"", b"\xff\xd8\xff\xd9", b"GIF89a" * 9]
)
def test_a_picture_of_far_too_many_pixels_or_none_is_damaged_and_nothing_is_said_beside(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, name: str, data: bytes
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Damaged, match=f"is damaged: {name}"):
        kept.picture(tmp_path, name)
    assert not recwarn.list


def test_a_jpeg_of_very_many_scans_is_damaged(tmp_path: Path) -> None:
    made = io.BytesIO()
    Image.effect_noise((64, 64), 99).save(made, "JPEG", progressive=True)
    data, at = made.getvalue(), made.getvalue().rindex(b"\xff\xda")
    (tmp_path / "image.jpg").write_bytes(data[:-2] + 400 * data[at:-2] + data[-2:])
    with pytest.raises(Damaged, match="scans"):
        kept.picture(tmp_path, "image.jpg")


def maps_of(folder: Path, name: str) -> None:
    """Read maps of a sample from a link called `figures/0`."""
    (folder / "figures").mkdir()
    (folder / "figures" / "0").symlink_to(f"../../{name}")
    kept.maps_of(folder / "figures" / "0", folder)


def bomb(path: Path) -> None:
    """An archive of a few kilobytes that unpacks to more than a sample's maps may have."""
    maps.save(path, {"cam": np.zeros((1, 1 << 14, (1 << 14) + 1), np.uint8)})


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"cam": np.zeros((2, 6, 8), np.uint8)}, "maps of 2 tokens, the answer has 3"),
        ({"cam": np.zeros((3, 6, 8), np.float32)}, "holds float32"),
        ({"cam": np.zeros((3, 6), np.uint8)}, "of shape"),
        ({"cam": np.zeros((3, 0, 8), np.uint8)}, "of shape"),
        ({"cam": np.zeros((3, 1, 5000), np.uint8)}, "of shape"),
        ({f"m{at}": np.zeros((3, 1, 1), np.uint8) for at in range(5000)}, "lists too many"),
        ({"cam": np.array([{}], dtype=object)}, "holds object"),
    ],
)
def test_maps_that_are_not_those_of_the_answer_are_not_unpacked(
    tmp_path: Path, arrays: dict[str, np.ndarray], said: str
) -> None:
    np.savez_compressed(tmp_path / "maps.npz", **arrays)
    with pytest.raises(ValueError, match=said):
        maps.load((tmp_path / "maps.npz").read_bytes(), 3)


def test_an_archive_that_unpacks_to_very_much_is_refused_by_what_it_says_and_by_what_it_holds(tmp_path: Path) -> None:
    bomb(tmp_path / "maps.npz")
    data = (tmp_path / "maps.npz").read_bytes()
    assert len(data) < 1 << 20
    with pytest.raises(ValueError, match="more than 268,435,456 cells"):
        maps.load(data, 1)
    at = data.rindex(b"PK\x01\x02") + 24
    extra = data.index(b"\x01\x00", data.rindex(b"cam.npy")) if data[at : at + 4] == b"\xff" * 4 else None
    assert extra is None
    with pytest.raises(ValueError, match="Bad CRC-32"):
        maps.load(data[:at] + (200).to_bytes(4, "little") + data[at + 4 :], 1)
    with pytest.raises(ValueError, match="does not end as one"):
        maps.load(data + b"more", 1)


def test_maps_in_another_order_of_memory_come_back(tmp_path: Path) -> None:
    made = np.asfortranarray(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    maps.save(tmp_path / "maps.npz", {"cam": made})
    assert np.array_equal(maps.load((tmp_path / "maps.npz").read_bytes(), 2)["cam"], made)
    np.savez(tmp_path / "plain.npz", cam=made)
    assert np.array_equal(maps.load((tmp_path / "plain.npz").read_bytes())["cam"], made)
