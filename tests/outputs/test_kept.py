"""What a run keeps of a sample comes back as it was, and a damaged part is named."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from datamodules.sample import Sample
from metrics.pixels import decode
from pipeline.outputs import kept

BOX = (0.0, 0.125, 1.0, 0.875)
MASKS = {name: np.zeros((60, 80), np.uint8) for name in ("zebra", "../etc", "__proto__")}
MASKS["zebra"][10:30, 20:40] = 1
MAPS = {
    name: np.random.default_rng(at).integers(0, 256, (3, 6, 8), np.uint8) for at, name in enumerate(("cam", "file"))
}


def sample(size: tuple[int, int] = (80, 60)) -> Sample:
    masks = {name: coco.encode(np.asfortranarray(mask)) for name, mask in MASKS.items()}
    image = Image.new("RGBA", size, (255, 0, 0, 255))
    return Sample(
        "../../key",
        7,
        image,
        "What?\u2028",
        ("A <b>.", "\udc80"),
        masks if size == (80, 60) else None,
        provenance={"file_name": "a\x1b[1m.jpg"},
    )


def test_a_sample_comes_back_as_it_was(tmp_path: Path) -> None:
    kept.keep(tmp_path / "7", sample(), MAPS, BOX)
    assert {path.name for path in tmp_path.glob("**/*")} == {"7", "image.jpg", "maps.npz", "sample.json"}
    back = kept.load(tmp_path / "7")
    assert (back.size, back.box, back.prompt, list(back.captions)) == (
        (60, 80),
        BOX,
        "What?\u2028",
        ["A <b>.", "\udc80"],
    )
    assert back.name == "a [1m.jpg"
    assert list(back.masks) == list(MASKS), "in the sample's order"
    assert all(np.array_equal(decode(back.masks[name]), mask) for name, mask in MASKS.items())
    assert all(
        np.array_equal(back.maps[name], maps) and back.maps[name].dtype == np.uint8 for name, maps in MAPS.items()
    )
    red = np.asarray(Image.open(io.BytesIO(back.image)).convert("RGB")).astype(int)
    assert np.abs(red - (255, 0, 0)).max() <= 3


def test_a_large_image_is_kept_smaller_and_without_masks_there_are_none(tmp_path: Path) -> None:
    kept.keep(tmp_path, sample((2000, 1000)), MAPS, BOX)
    back = kept.load(tmp_path)
    assert Image.open(io.BytesIO(back.image)).size == (768, 384)
    assert (back.size, back.masks) == ((1000, 2000), {})


def test_without_an_image_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without an image"):
        kept.keep(tmp_path / "7", Sample("k", 7, None, "?"), MAPS, BOX)
    assert not kept.whole(tmp_path / "7")


@pytest.mark.parametrize("name", ["sample.json", "maps.npz"])
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", None], ids=["empty", "cut", "other", "gone"])
def test_a_damaged_file_is_named_by_its_folder(tmp_path: Path, name: str, damage: bytes | None) -> None:
    kept.keep(tmp_path / "7", sample(), MAPS, BOX)
    (tmp_path / "7" / name).unlink()
    if damage is not None:
        (tmp_path / "7" / name).write_bytes(damage)
    with pytest.raises(ValueError, match=r"7 is damaged: .*delete it"):
        kept.load(tmp_path / "7")


def test_a_mask_that_would_overrun_its_image_is_refused(tmp_path: Path) -> None:
    kept.keep(tmp_path / "7", sample(), MAPS, BOX)
    path = tmp_path / "7" / "sample.json"
    known = json.loads(path.read_text())
    known["masks"][0][1]["counts"] = "oooooooo1"
    path.write_text(json.dumps(known))
    with pytest.raises(ValueError, match=r"damaged.*'zebra'"):
        kept.load(tmp_path / "7")
