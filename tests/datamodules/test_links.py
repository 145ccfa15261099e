"""Links: a folder that the user names may be one, and one that stays inside is followed; none leads out unseen."""

import json
import os
from pathlib import Path

import pytest

from datamodules import convert
from datamodules.base import ShardDataModule
from datamodules.faults import Overlooked
from datamodules.images import ImagesDataModule
from datamodules.manifest import Manifest
from datamodules.names import inside
from datamodules.shards import read
from datamodules.verify import main as verify
from tests.datamodules import published
from tests.datamodules.builder import build
from tests.datamodules.test_convert import options

PNG = published.pictures()["P"]
SHARD = "toy-00000.tar"
OUT = r"^paths: a link leads out of the folder '.*photos.*': '.*'; copy the file, .* --data.follow_links true$"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a picture, and one below; another picture outside."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for path in (folder / "a.png", folder / "sub" / "b.png", tmp_path / "outside" / "secret.png"):
        path.write_bytes(PNG)
    return folder


def link(photos: Path, kind: str) -> str:
    """Make a link that leads out; the paths to give."""
    secret = photos.parent / "outside" / "secret.png"
    if kind == "a link to a link":
        (photos / "sub" / "x").symlink_to(secret)
        secret = Path("sub/x")
    if kind == "of a folder":
        (photos / "l").symlink_to(secret.parent)
        return f"{photos}/**/*.png"
    (photos / "l.png").symlink_to(Path("../outside/secret.png") if kind == "relative" else secret)
    return {"pattern": f"{photos}/*.png", "deep pattern": f"{photos}/**/*"}.get(kind, str(photos))


KINDS = ["absolute", "relative", "a link to a link", "pattern", "deep pattern", "of a folder"]


@pytest.mark.filterwarnings("ignore::datamodules.faults.Overlooked")
@pytest.mark.parametrize("kind", KINDS)
def test_a_link_out_of_a_picture_folder_is_refused_by_name(kind: str, photos: Path) -> None:
    paths = link(photos, kind)
    with pytest.raises(ValueError, match=OUT):
        ImagesDataModule(paths)
    followed = ImagesDataModule(paths, follow_links=True)
    assert all(file.digest for file in followed.files)
    assert len(followed.files) == {"pattern": 2, "absolute": 2, "relative": 2}.get(kind, len(followed.files))
    assert ImagesDataModule([str(photos / "a.png"), str(photos.parent / "outside")]).expected == ["secret", "a"]


def test_a_link_that_is_named_itself_is_the_users_choice(photos: Path) -> None:
    link(photos, "absolute")
    (photos.parent / "alias").symlink_to(photos / "sub")
    assert ImagesDataModule(str(photos / "l.png")).expected == ["l"]
    assert ImagesDataModule(str(photos.parent / "alias")).expected == ["b"]
    assert ImagesDataModule(f"{photos.parent}/alias/*.png").expected == ["b"]


def test_links_that_stay_inside_are_followed(photos: Path) -> None:
    (photos / "c.png").symlink_to("sub/b.png")
    assert ImagesDataModule(f"{photos}/*.png").expected == ["a", "c"]
    (photos / "again").symlink_to("sub")
    assert sorted(ImagesDataModule(f"{photos}/**/*.png").expected) == ["a", "b", "c"], "each folder once"
    assert len(ImagesDataModule(f"{photos}/*/*.png").expected) == 1


@pytest.mark.timeout(20)
@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("pattern", ["**/*.png", "*/*/*/*/*/*/*/*/*.png", "**/**/**/*.png"])
def test_links_in_circles_end(photos: Path, pattern: str, follow: bool) -> None:
    """Thirty links of a folder to itself: 30 ** 8 ways through it."""
    for number in range(30):
        (photos / f"loop{number}").symlink_to(photos)
    (photos / "self.png").symlink_to("self.png")
    found = ImagesDataModule(f"{photos}/{pattern}", follow_links=follow)
    assert {file.path.name for file in found.files} <= {"a.png", "b.png", "self.png"}


def test_pipes_and_devices_are_told_not_taken(photos: Path) -> None:
    os.mkfifo(photos / "p.png")
    (photos / "zero.png").symlink_to("/dev/zero")
    with pytest.warns(Overlooked, match="2 pipes, sockets or devices"):
        assert ImagesDataModule(f"{photos}/*.png").expected == ["a"]
    with pytest.raises(ValueError, match="there is no picture"), pytest.warns(Overlooked):
        ImagesDataModule(str(photos / "p.png"))


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_converter_packs_nothing_from_outside(kind: str, tmp_path: Path) -> None:
    files = published.coco_files(tmp_path / "from")
    name = "COCO_val2014_000000000100.jpg"
    (tmp_path / "outside").mkdir()
    (files["images"] / name).rename(tmp_path / "outside" / name)
    record = "100"
    if kind == "file":
        (files["images"] / name).symlink_to(tmp_path / "outside" / name)
    else:
        (files["images"] / "deep").symlink_to(tmp_path / "outside")
        content = json.loads(files["instances"].read_text())
        content["images"][0]["file_name"] = f"deep/{name}"
        files["instances"].write_text(json.dumps(content))
    args = ["coco_caption", *options(files)]
    assert convert.main([*args, "--out", str(tmp_path / "a"), "--max_left_out", "1"]) == 0
    (line,) = map(json.loads, (tmp_path / "a" / "left_out.jsonl").read_text().splitlines())
    assert line["record"] == record
    assert line["reason"].endswith("is a link that leads out of its folder; copy the file, or --follow_links")
    assert convert.main([*args, "--out", str(tmp_path / "b"), "--follow_links"]) == 0


def test_label_images_and_panoptic_files_may_not_lead_out(tmp_path: Path) -> None:
    published.tam_coco(tmp_path / "tam")
    label = tmp_path / "tam" / "seg_label" / "000000000042.png"
    label.rename(tmp_path / "label.png")
    label.symlink_to(tmp_path / "label.png")
    args = ["tam_layout", str(tmp_path / "tam"), "--dataset", "coco_caption"]
    assert convert.main([*args, "--out", str(tmp_path / "a")]) == convert.TOO_MANY_LEFT_OUT
    assert convert.main([*args, "--out", str(tmp_path / "b"), "--follow_links"]) == 0
    files, _ = published.psg_files(tmp_path / "psg")
    for panoptic in (files["panoptic"] / "panoptic_val2017").iterdir():
        panoptic.rename(tmp_path / panoptic.name)
        panoptic.symlink_to(tmp_path / panoptic.name)
    args = ["openpsg", *options(files)]
    assert convert.main([*args, "--out", str(tmp_path / "c")]) == convert.TOO_MANY_LEFT_OUT
    assert convert.main([*args, "--out", str(tmp_path / "d"), "--follow_links"]) == 0


def test_a_shard_that_leads_out_is_refused_wherever_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = build(tmp_path / "data", 6)
    (tmp_path / "data" / SHARD).rename(tmp_path / SHARD)
    (tmp_path / "data" / SHARD).symlink_to(tmp_path / SHARD)
    reason = "the shard is a link that leads out of its folder; copy it there, or allow it with follow_links"
    errors = [sample.error for sample in read(manifest, tmp_path / "data", range(6))]
    assert errors == [*(f"{SHARD}: 000{at}: {reason}" for at in range(4)), None, None]
    assert verify([str(tmp_path / "data")]) == 1
    assert f"{SHARD}: -: {reason}" in capsys.readouterr().out
    assert verify([str(tmp_path / "data"), "--follow_links"]) == 0
    args = ["shards", str(tmp_path / "data"), "--out"]
    assert convert.main([*args, str(tmp_path / "a")]) == convert.TOO_MANY_LEFT_OUT
    assert convert.main([*args, str(tmp_path / "b"), "--follow_links"]) == 0
    path = str(tmp_path / "data" / "manifest.json")
    for follow, left in ((False, 4), (True, 0)):
        batches = ShardDataModule(path, follow_links=follow).predict_dataloader()
        assert sum(sample.error is not None for batch in batches for sample in batch) == left


def test_a_folder_of_shards_may_be_a_link_and_hold_links(tmp_path: Path) -> None:
    """As where a cache keeps the files elsewhere under names of its own, the shards lie beside the manifest's link."""
    build(tmp_path / "data", 6)
    (tmp_path / "alias").symlink_to(tmp_path / "data")
    (tmp_path / "data" / SHARD).rename(tmp_path / "data" / "blob")
    (tmp_path / "data" / SHARD).symlink_to("blob")
    assert verify([str(tmp_path / "alias")]) == 0
    whole = Manifest.load(tmp_path / "alias" / "manifest.json")
    assert not any(sample.error for sample in read(whole, tmp_path / "alias", range(6)))
    (tmp_path / "linked").mkdir()
    for name in ("manifest.json", SHARD, "toy-00001.tar"):
        (tmp_path / "linked" / name).symlink_to(tmp_path / "data" / name)
    data = ShardDataModule(str(tmp_path / "linked" / "manifest.json"), follow_links=True)
    assert not any(sample.error for batch in data.predict_dataloader() for sample in batch)


def test_a_link_from_one_given_folder_to_another_stays_inside(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    (tmp_path / "b" / "x.png").write_bytes(PNG)
    (tmp_path / "a" / "x.png").symlink_to(tmp_path / "b" / "x.png")
    assert inside([tmp_path / "a", tmp_path / "b"], "x.png") == tmp_path / "a" / "x.png"
    with pytest.raises(ValueError, match=r"'x\.png' is a link that leads out"):
        inside([tmp_path / "a"], "x.png")


def test_a_manifest_may_be_a_link_to_where_its_shards_are(tmp_path: Path) -> None:
    build(tmp_path / "data")
    (tmp_path / "home").mkdir()
    named = tmp_path / "home" / "coco.json"
    named.symlink_to(tmp_path / "data" / "manifest.json")
    data = ShardDataModule(str(named))
    assert [sample.error for sample in data.reader(range(2))] == [None, None]
