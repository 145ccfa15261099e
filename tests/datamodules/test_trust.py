"""Data of strangers: nothing in it runs, nothing leads out of its folder, nothing is unpacked without bound."""

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules import convert, pictures
from datamodules.base import ShardDataModule
from datamodules.images import ImagesDataModule
from datamodules.layout import write_layout
from datamodules.manifest import Manifest, ManifestError
from datamodules.shards import read
from datamodules.sources.shards import shards
from tests.datamodules import published
from tests.datamodules.builder import build
from tests.datamodules.damage import png, rewrite

SHARD = "toy-00000.tar"
PROGRAMS = ["pipe:touch CANARY", "pipe:touch CANARY |", "http://127.0.0.1:9/x", "https://127.0.0.1:9/x", "s3://x/y"]
PICKLES = ["pyd", "pkl", "pickle", "npy", "npz", "pth", "pt", "cbor", "ten", "mp", "gz"]
PATHS = ["../../x", "/x", "..", "a/../../../x", "..\\x", "C:\\x", "x/y", ".x", "x\0y", "x\ny"]


class Payload:
    """What a reader that unpickles it executes."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.canary,)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that must not come into being; the payload that would make it does when it is asked to."""
    path = tmp_path / "canary"
    pickle.loads(pickle.dumps(Payload(path)))
    path.unlink()
    return path


@pytest.mark.parametrize("address", PROGRAMS)
def test_no_address_runs_a_program_or_is_fetched(
    address: str,
    tmp_path: Path,
    canary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    address = address.replace("CANARY", str(canary))
    files = {name: str(path) for name, path in published.coco_files(tmp_path / "from").items()}
    with pytest.raises(ValueError, match="is an address"):
        ShardDataModule(address)
    with pytest.raises(ManifestError, match="no such manifest"):
        Manifest.load(address)
    with pytest.raises(ValueError, match="there is no picture in"):
        ImagesDataModule(address)
    for name in files:
        args = [part for option, path in (files | {name: address}).items() for part in (f"--{option}", path)]
        with pytest.raises(SystemExit, match="2"):
            convert.main(["coco_caption", *args, "--out", "out"])
        assert address.replace("//", "/") in capsys.readouterr().err.replace("//", "/")
    for kind in (["shards"], ["tam_layout", "--dataset", "grandf"]):
        with pytest.raises(SystemExit, match="2"):
            convert.main([*kind, address, "--out", "out"])
    assert not canary.exists()


@pytest.mark.parametrize("address", PROGRAMS)
def test_a_file_name_in_annotations_is_no_address(address: str, tmp_path: Path, canary: Path) -> None:
    files = published.coco_files(tmp_path / "from")
    data = json.loads(files["instances"].read_text())
    data["images"][0]["file_name"] = address.replace("CANARY", str(canary))
    published.write_json(files["instances"], data)
    args = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    assert convert.main(["coco_caption", *args, "--out", str(tmp_path / "out"), "--max_left_out", "1"]) == 0
    (line,) = (tmp_path / "out" / "left_out.jsonl").read_text().splitlines()
    assert "could lead out of its folder" in json.loads(line)["reason"]
    assert not canary.exists()


def hostile(suffix: str, canary: Path) -> bytes:
    """A member as the writers of that suffix make it, that runs when it is read as they are read."""
    if suffix == "npy":
        file = io.BytesIO()
        np.save(file, np.array([Payload(canary)], dtype=object), allow_pickle=True)
        return file.getvalue()
    return pickle.dumps({"x": Payload(canary)})


@pytest.mark.parametrize("suffix", [*PICKLES, "json", "png"])
def test_no_member_is_unpickled(suffix: str, tmp_path: Path, canary: Path) -> None:
    manifest, shard = build(tmp_path / "data", 4), tmp_path / "data" / SHARD
    evil = hostile(suffix, canary)
    if suffix in ("json", "png"):  # in the place of what is read, and vouched for

        def put(members: list[tuple[str, bytes]]) -> None:
            members[:] = [(name, evil if name == f"0001.{suffix}" else data) for name, data in members]

        rewrite(shard, put)
        content = json.loads(manifest.canonical)
        content["samples"][1]["members"][suffix] = {"size": len(evil), "sha256": sha256(evil).hexdigest()}
        published.write_json(tmp_path / "data" / "manifest.json", content)
        manifest = Manifest.load(tmp_path / "data" / "manifest.json")
        reason = "the json is unreadable" if suffix == "json" else "no readable PNG image"
        errors = {1: f"{SHARD}: 0001: {reason}"}
    else:
        rewrite(shard, lambda members: members.insert(2, (f"0001.{suffix}", evil)))
        errors = {}
    samples = list(read(manifest, tmp_path / "data", range(4)))
    assert [sample.key for sample in samples] == [entry.key for entry in manifest.samples]
    for sample in samples:
        assert (sample.error or "").startswith(errors.get(sample.index, "")), sample.error
        assert (sample.error is None) == (sample.index not in errors)
    listed = json.loads(manifest.canonical)
    listed["samples"][1]["members"][suffix + "x"] = {"size": len(evil), "sha256": sha256(evil).hexdigest()}
    path = published.write_json(tmp_path / "listed.json", listed)
    with pytest.raises(ManifestError, match=rf"sample '0001': members \['{suffix}x'\] are refused"):
        Manifest.load(path)
    assert not canary.exists()


@pytest.mark.parametrize("key", PATHS)
def test_a_key_is_no_path(key: str, tmp_path: Path) -> None:
    """In a shard it is never looked for, in a manifest it is refused, in an annotation it becomes another key."""
    manifest = build(tmp_path / "in" / "data", 4)
    shard = tmp_path / "in" / "data" / SHARD

    def add(members: list[tuple[str, bytes]]) -> None:
        members += [(f"{key}.json", b"{}"), (f"{key}.png", b"")]

    if "\0" not in key:
        rewrite(shard, add)
    before = sorted(tmp_path.rglob("*"))
    samples = list(read(manifest, shard.parent, range(4)))
    assert [sample.key for sample in samples if sample.error is None] == ["0000", "0001", "0002", "0003"]
    content = json.loads(manifest.canonical)
    content["samples"][1]["key"] = key
    bad = published.write_json(tmp_path / "in" / "bad.json", content)
    with pytest.raises(ManifestError, match="a key has 1 to 90 letters"):
        Manifest.load(bad)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, bad])
    with pytest.raises(ValueError, match="letters, digits"):
        write_layout(tmp_path / "out" / "tam", shards(shard.parent), [(key, {"png": b"", "json": b"{}"})])
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", PATHS)
def test_names_of_files_lead_out_of_no_folder(name: str, tmp_path: Path) -> None:
    """Pictures that lie where such a name would lead are not read; what is written is called by a key."""
    (tmp_path / "in" / "tam").mkdir(parents=True)
    published.tam_image(tmp_path, "x", published.blob(1).astype(np.uint8))
    anno = [[f"{name}.jpg", "A dog.", f"{name}.png", {"dog": 1}]]
    published.write_json(tmp_path / "in" / "tam" / "anno.json", anno)
    args = ["tam_layout", str(tmp_path / "in" / "tam"), "--dataset", "grandf", "--max_left_out", "1"]
    assert convert.main([*args, "--out", str(tmp_path / "out"), "--to", "tam_layout"]) == 0
    assert json.loads((tmp_path / "out" / "card.json").read_text())["records"]["written"] == 0
    (line,) = (tmp_path / "out" / "left_out.jsonl").read_text().splitlines()
    assert "file name" in (reason := json.loads(line)["reason"]) or "there is no file" in reason


BOMB = png(30_000, 30_000)


def bombs(folder: Path) -> dict[str, list[str]]:
    """Each source with a bomb in the place of one of its files: its command."""
    coco = published.coco_files(folder / "coco")
    next(iter(sorted(coco["images"].iterdir()))).write_bytes(BOMB)
    psg, _ = published.psg_files(folder / "psg")
    next(iter(sorted(psg["panoptic"].glob("*val2017/*.png")))).write_bytes(BOMB)
    published.tam_coco(folder / "tam")
    (folder / "tam" / "seg_label" / "000000000042.png").write_bytes(BOMB)

    def spelt(files: dict[str, Path]) -> list[str]:
        return [part for name, path in files.items() for part in (f"--{name}", str(path))]

    return {
        "an image": ["coco_caption", *spelt(coco)],
        "a panoptic PNG": ["openpsg", *spelt(psg)],
        "a label image": ["tam_layout", str(folder / "tam"), "--dataset", "coco_caption"],
    }


def test_a_bomb_is_left_out_by_converters_and_never_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(BOMB) < 10_000
    load = Image.Image.load
    monkeypatch.setattr(Image.Image, "load", lambda self: load(small(self)))
    for name, args in bombs(tmp_path / "in").items():
        assert convert.main([*args, "--max_left_out", "1", "--out", str(tmp_path / name)]) == 0
        (line,) = (tmp_path / name / "left_out.jsonl").read_text().splitlines()
        assert "decompression bomb" in json.loads(line)["reason"]


def small(image: Image.Image) -> Image.Image:
    """An image that may be unpacked."""
    assert image.width * image.height <= pictures.MAX_PIXELS
    return image


@pytest.mark.parametrize(
    "look",
    [
        lambda data: pictures.decode_image(data, max_pixels=100),
        lambda data: pictures.inspect(data, max_pixels=100),
        pictures.read_labels,
    ],
    ids=["decode", "inspect", "labels"],
)
def test_a_size_is_known_before_anything_is_unpacked(
    look: Callable[[bytes], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that Pillow's own bound lets pass."""
    from PIL.PngImagePlugin import PngImageFile

    def unpacked(self: Image.Image) -> None:
        raise AssertionError("unpacked")

    monkeypatch.setattr(PngImageFile, "load", unpacked)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 100)
    with pytest.raises(ValueError, match="8000 x 8000 pixels exceed 100"):
        look(png(8000, 8000))


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_member_that_claims_to_be_huge_takes_no_memory(kind: int, tmp_path: Path) -> None:
    """A sparse member of a terabyte, by its header, in place of one of a few bytes."""
    manifest, shard = build(tmp_path, 4), tmp_path / SHARD
    with tarfile.open(shard) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    with tarfile.open(shard, "w", format=kind) as tar:
        for info, data in members:
            if info.name == "0001.png":
                info.size, data = 1 << 40, b""
                tar.fileobj.write(info.tobuf(kind))  # type: ignore[union-attr]
                break
            tar.addfile(info, io.BytesIO(data))
    errors = [sample.error for sample in read(manifest, tmp_path, range(4))]
    assert errors[0] is None
    assert all((error or "").startswith(f"{SHARD}: 000{index}: ") for index, error in enumerate(errors[1:], 1))
