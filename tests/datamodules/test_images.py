"""Own pictures: any folder, each picture once, nothing of their names trusted."""

import errno
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from torch.utils.data import DataLoader

from datamodules import files
from datamodules.faults import MachineError, Overlooked
from datamodules.images import PROMPT, ImagesDataModule
from datamodules.sample import Sample
from tests.datamodules import published
from tests.datamodules.damage import Failing, png


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine pictures with names of all kinds, one that is none, and a text."""
    names = ["b 1.JPG", "a.jpg", "a.jpeg", "ünï.png", "x.y.png", "<script>.webp", "z.png", "q\x1b[31m.jpg", "p%00.jpg"]
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, data in zip(names, published.pictures().values(), strict=True):
        (photos / name).write_bytes(data)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (photos / "notes.txt").write_text("no picture")
    return photos


def samples(data: ImagesDataModule) -> list[Sample]:
    return [sample for batch in data.predict_dataloader() for sample in batch]


def test_a_folder_gives_every_picture_once_without_ground_truth(folder: Path) -> None:
    data = ImagesDataModule(str(folder), batch_size=4)
    found = samples(data)
    assert [sample.key for sample in found] == data.expected
    assert [sample.index for sample in found] == list(range(10))
    assert len(set(data.expected)) == 10
    for sample in found:
        assert (sample.captions, sample.masks, sample.categories, sample.prompt) == ((), None, (), PROMPT)
        if sample.key == "broken":
            assert sample.image is None
            assert sample.error == "broken.jpg: no readable JPEG or PNG or WEBP image"
        else:
            assert sample.error is None
            assert sample.image is not None
            assert sample.image.mode == "RGB"


def test_keys_are_made_of_names_and_can_lead_nowhere(folder: Path) -> None:
    keys = ImagesDataModule(str(folder)).expected
    assert {"broken", "z"} <= set(keys)
    assert not {"a", "x.y"} & set(keys), "two pictures are called a"
    assert "ünï" in keys, "a name is kept in whatever script it is"
    assert all(key.replace("-", "").replace("_", "").isalnum() for key in keys)


def test_a_picture_is_turned_as_it_asks(folder: Path) -> None:
    turned = folder / "ünï.png"
    data = published.pictures()["turned"]
    assert Image.open(published.io.BytesIO(data)).getexif()[0x0112] == published.EXIF_TURN
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = Image.fromarray(published.noise(2, 8, 6, 3))
        turned.write_bytes(published.encoded(picture, "PNG", exif=exif))
        (sample,) = samples(ImagesDataModule(str(turned)))
        assert sample.image is not None
        np.testing.assert_array_equal(sample.image, ImageOps.exif_transpose(Image.open(turned)))
        assert sample.provenance["exif_orientation"] == orientation


def test_patterns_files_and_lists(folder: Path) -> None:
    (folder / "sub").mkdir()
    os.rename(folder / "z.png", folder / "sub" / "z.png")
    os.rename(folder / "broken.jpg", folder / "photo[1].jpg")
    assert len(ImagesDataModule(f"{folder}/*.png").expected) == 2
    assert len(ImagesDataModule(f"{folder}/**/*.png").expected) == 3
    assert ImagesDataModule(f"{folder}/photo[1].jpg").expected == [f"photo_1_-{_digest('photo[1].jpg')}"]
    both = ImagesDataModule([f"{folder}/*.png", f"{folder}/**/*.png", str(folder / "sub")])
    assert len(both.expected) == 3, "each once"
    assert "z" in both.expected, "the name without its folder where no other picture is called so"


def test_a_picture_reached_by_a_detour_is_the_same(folder: Path, tmp_path: Path) -> None:
    (folder / "sub").mkdir()
    both = ImagesDataModule([str(folder / "a.jpg"), f"{folder}/sub/../a.jpg", f"{folder}/sub/../z.png"])
    assert both.expected == ["a", "z"]
    assert both.digest == ImagesDataModule([str(folder / "a.jpg"), str(folder / "z.png")]).digest
    (tmp_path / "far" / "away").mkdir(parents=True)
    os.rename(folder / "z.png", tmp_path / "far" / "a.jpg")
    (folder / "link").symlink_to(tmp_path / "far" / "away")
    linked = ImagesDataModule([str(folder / "a.jpg"), f"{folder}/link/../a.jpg"])
    assert len({file.digest for file in linked.files}) == 2, "the system follows a link before it goes up"


def _digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:8]


def test_the_digest_is_of_names_and_contents_wherever_they_lie(folder: Path, tmp_path: Path) -> None:
    first = ImagesDataModule(str(folder))
    os.rename(folder, tmp_path / "elsewhere")
    folder = tmp_path / "elsewhere"
    moved = ImagesDataModule(str(folder), batch_size=3, prompt="Who?", num_workers=1)
    assert (moved.digest, moved.expected) == (first.digest, first.expected)
    (folder / "a.jpg").write_bytes((folder / "z.png").read_bytes())
    changed = ImagesDataModule(str(folder))
    assert changed.expected == first.expected
    assert changed.digest != first.digest
    os.rename(folder / "z.png", folder / "zz.png")
    assert ImagesDataModule(str(folder)).digest != changed.digest


def test_a_picture_that_changes_meanwhile_is_quarantined(folder: Path) -> None:
    data = ImagesDataModule([f"{folder}/a.jpg", f"{folder}/z.png", f"{folder}/x.y.png"])
    (folder / "a.jpg").write_bytes((folder / "z.png").read_bytes())
    (folder / "x.y.png").unlink()
    errors = [sample.error for sample in samples(data)]
    assert errors[0] == "a.jpg: the file has changed since the run began"
    assert errors[1] == "x.y.png: the file is gone, or a link to nothing"
    assert errors[2] is None


def test_pictures_that_are_too_large_are_refused(folder: Path) -> None:
    (folder / "bomb.png").write_bytes(png(30_000, 30_000))
    found = {sample.key: sample.error for sample in samples(ImagesDataModule(str(folder), max_pixels=1999))}
    assert (folder / "bomb.png").stat().st_size < 10_000
    assert found.pop("bomb", "") is not None
    assert found["z"] == "z.png: 50 x 40 pixels exceed 1999 (max_pixels)"


def test_errors_are_printable_whatever_a_file_is_called(folder: Path) -> None:
    (folder / "q\x1b[31m.jpg").write_bytes(b"")
    error = next(s.error for s in samples(ImagesDataModule(str(folder))) if s.key.startswith("q"))
    assert error is not None
    assert error.startswith("q [31m.jpg: no readable")
    assert error.isprintable()


def test_ranks_workers_and_limit_share_what_shards_share(folder: Path) -> None:
    data = ImagesDataModule(str(folder), batch_size=2, limit=9)
    whole = [[sample.key for sample in batch] for batch in data.predict_dataloader()]
    assert [len(batch) for batch in whole] == [2, 2, 2, 2, 1]
    parts = [list(data.dataset(rank, 3)) for rank in range(3)]
    assert [[s.key for s in batch] for part in parts for batch in part] == whole
    spawned = DataLoader(data.dataset(), batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert [[sample.key for sample in batch] for batch in spawned] == whole
    data.done = frozenset(whole[1] + whole[2][:1])
    assert [[sample.key for sample in batch] for batch in data.predict_dataloader()] == whole[:1] + whole[2:]


@pytest.mark.parametrize("paths", ["nowhere", "nowhere/*.jpg", [], ["PHOTOS", "nowhere"], ""])
def test_nothing_is_refused(folder: Path, paths: Any) -> None:
    paths = [str(folder) if path == "PHOTOS" else path for path in paths] if isinstance(paths, list) else paths
    with pytest.raises(ValueError, match=r"^paths: "):
        ImagesDataModule(paths)


def test_what_a_folder_holds_besides_pictures_is_counted(folder: Path) -> None:
    for name in ("more/one.jpg", "two.GIF", "three.gif", ".hidden"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    os.mkfifo(folder / "pipe.jpg")
    with pytest.warns(Overlooked, match=r"\*\.GIF \(1\), \*\.gif \(1\), \*\.txt \(1\), folders \(1\); '.*/\*\*/\*'"):
        found = {sample.key: sample for sample in samples(ImagesDataModule(str(folder)))}
    assert len(found) == 11, "the link to nothing is quarantined; a pipe is no file"
    assert found["gone"].error == "gone.jpg: the file is gone, or a link to nothing"
    assert len(ImagesDataModule(f"{folder}/**/*").files) == 15


def test_a_folder_of_folders_says_how_they_are_taken(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    with pytest.raises(ValueError, match=r"no picture in '.*' itself; its folders are looked into by .*/\*\*/\*'"):
        ImagesDataModule(str(tmp_path))
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        ImagesDataModule(str(tmp_path / "nowhere"))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no picture in"):
        ImagesDataModule(str(tmp_path))


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_pictures_that_the_machine_cannot_read_are_no_data(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Their digest would be that of pictures which are not there."""
    monkeypatch.setattr(files, "open", lambda path, *_, **__: Failing(path, 0, number), raising=False)
    with pytest.raises(MachineError, match=rf"a\.jpg: {os.strerror(number)}$"):
        ImagesDataModule(f"{folder}/a.jpg")


def test_a_picture_that_goes_before_it_is_read_is_quarantined(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: Path, *_: str, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(files, "open", gone, raising=False)
        data = ImagesDataModule(f"{folder}/a.jpg")
    assert [sample.error for sample in samples(data)] == ["a.jpg: the file is gone, or a link to nothing"]


@pytest.mark.parametrize("fault", [OSError(errno.ESTALE, "Stale file handle"), MemoryError()])
def test_a_machine_that_fails_quarantines_no_picture(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    data = ImagesDataModule(f"{folder}/a.jpg")

    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(files, "open", fail, raising=False)
    with pytest.raises(MachineError, match=r"a\.jpg: (Stale file handle|out of memory)$"):
        samples(data)
