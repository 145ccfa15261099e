"""What the gallery loads is what the rows and the kept files say."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from metrics.pixels import decode
from pipeline.outputs import kept
from pipeline.outputs.report import gallery
from pipeline.outputs.report.read import Run, read_runs
from tests.outputs.report.built import EXPLAINERS, SCENES, Scene, run_folder


def loaded(path: Path) -> tuple[str, Any]:
    """Name and value of a file, as the page's script is handed them."""
    text = path.read_bytes().decode("ascii")
    found = re.fullmatch(r'seewhy\(("[^"]*"),(.*)\);\n', text)
    assert found, "one call, and nothing that could end it early"
    return json.loads(found[1]), json.loads(found[2])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_runs([run_folder(tmp_path_factory.mktemp("gallery") / "run")])[0]


@pytest.fixture(scope="module")
def written(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    assert gallery.write(folder, "3", run) == len(SCENES)
    return folder / "3"


def test_every_sample_has_its_image_a_small_one_and_its_file(run: Run, written: Path) -> None:
    expected = {f"{at}{end}" for at in range(len(SCENES)) for end in (".js", ".jpg", ".thumb.jpg")} | {"index.js"}
    assert {path.name for path in written.iterdir()} == expected
    assert (written / "0.jpg").read_bytes() == (run.folder / "figures/0/image.jpg").read_bytes()
    assert max(Image.open(written / "0.thumb.jpg").size) <= gallery.THUMB


def test_the_index_has_each_sample_with_its_objects(run: Run, written: Path) -> None:
    name, index = loaded(written / "index.js")
    assert name == "3/index"
    assert (index["explainers"], index["scored"]) == (list(EXPLAINERS), True)
    assert index["categories"] == sorted(index["categories"])
    for number, key, text, absent, objects in index["samples"]:
        row = run.rows[key]
        assert (number, text) == (row.index, SCENES[number].said)
        entries = [row.explainers[name]["corrected"] for name in EXPLAINERS]
        assert absent == bool(entries[0].absent)
        assert [index["categories"][one[0]] for one in objects] == [entry.category for entry in entries[0].objects]
        for at, of in enumerate(entries):
            assert [one[at + 1] for one in objects] == [round(1000 * entry.iou) for entry in of.objects]
    assert [one[3] for one in index["samples"]] == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("number", range(len(SCENES)))
def test_a_sample_has_the_figures_of_its_row_and_the_token_that_counts(run: Run, written: Path, number: int) -> None:
    name, sample = loaded(written / f"{number}.js")
    assert name == f"3/{number}"
    row = run.rows[SCENES[number].key]
    entries = [row.explainers[name]["corrected"] for name in EXPLAINERS]
    assert "".join(word[0] for word in sample["words"]) == SCENES[number].said
    assert [word[1] for word in sample["words"]] == [word.label for word in row.spoken]
    present = [one for one in sample["objects"] if one[3]]
    assert [(one[0], one[2]) for one in present] == [(entry.first, entry.category) for entry in entries[0].objects]
    assert [(one[0], one[2]) for one in sample["objects"] if not one[3]] == [tuple(one) for one in entries[0].absent]
    for at, of in enumerate(entries):
        for one, entry in zip(present, of.objects, strict=True):
            assert one[3][at][0][1:4] == pytest.approx([entry.iou, entry.precision, entry.recall], abs=6e-5)
            assert one[3][at][0][1] == max(figures[1] for figures in one[3][at])
        shares = {share.first: share.share for share in (*of.functions, *of.punctuation)}
        assert {one[0]: one[at + 1] for one in sample["shares"]} == pytest.approx(shares, abs=6e-5)
        assert sample["thresholds"][at] == of.threshold


def test_a_phrase_is_one_object_with_the_tokens_of_all_its_words(written: Path) -> None:
    _, sample = loaded(written / "0.js")
    (light,) = (one for one in sample["objects"] if one[2] == "traffic light")
    words = sample["words"][light[0] : light[0] + light[1]]
    assert [word[0].strip() for word in words] == ["traffic", "light"]
    tokens = {word[2] + k for word in words for k in range(word[3])}
    assert len(tokens) == 3
    assert {figures[0] for figures in light[3][0]} == tokens


def test_maps_come_back_byte_for_byte(run: Run, written: Path) -> None:
    _, sample = loaded(written / "1.js")
    maps = kept.load(run.folder / "figures" / "1").maps
    for name, (rows, cols, packed) in zip(EXPLAINERS, sample["maps"], strict=True):
        values = np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8)
        assert np.array_equal(values.reshape(-1, rows, cols), maps[name])
    assert sample["box"] == [0.0, 0.0, 1.0, 0.75]


def test_outlines_enclose_their_masks(run: Run, written: Path) -> None:
    _, sample = loaded(written / "1.js")
    masks = kept.load(run.folder / "figures" / "1").masks
    assert [name for name, _ in sample["masks"]] == list(SCENES[1].names or ())
    for name, path in sample["masks"]:
        assert filled(path, sample["size"]) > 0.97 * decode(masks[name]).sum()
        assert iou(path, decode(masks[name])) > 0.97


def iou(path: str, mask: np.ndarray) -> float:
    drawn = polygon(path, mask.shape)
    return float((drawn & mask).sum() / (drawn | mask).sum())


def filled(path: str, size: list[int]) -> int:
    return int(polygon(path, tuple(size)).sum())


def polygon(path: str, size: tuple[int, ...]) -> np.ndarray:
    lines = [
        np.array([[int(n) for n in point.split(",")] for point in line.split(" ")]) for line in path[1:-1].split("ZM")
    ]
    drawn = np.zeros(size, np.uint8)
    cv2.fillPoly(drawn, lines, 1)
    return drawn.astype(bool)


def test_a_mask_with_a_hole_has_two_borders_and_an_empty_one_none() -> None:
    ring = np.zeros((40, 50), bool)
    ring[5:30, 5:40] = True
    ring[12:20, 15:25] = False
    assert gallery.outline(ring).count("M") == 2
    assert iou(gallery.outline(ring), ring) > 0.9
    assert gallery.outline(np.zeros((4, 5), bool)) == ""


def test_the_colours_are_256_and_those_of_the_panel() -> None:
    colours = np.frombuffer(bytes.fromhex(gallery.colours()), np.uint8).reshape(256, 3).astype(int)
    assert np.abs(colours[[0, 255]] - [(68, 1, 84), (253, 231, 37)]).max() <= 1, "viridis"


def test_without_ground_truth_there_are_words_and_maps_but_no_objects(tmp_path: Path) -> None:
    (run,) = read_runs(
        [run_folder(tmp_path / "run", [Scene("x", "A dog.", None), Scene("y", "", None, error="OSError: x")])]
    )
    assert gallery.write(tmp_path / "out", "0", run) == 1
    _, index = loaded(tmp_path / "out/0/index.js")
    assert (index["scored"], index["categories"], index["samples"]) == (False, [], [[0, "x", "A dog.", 0, []]])
    _, sample = loaded(tmp_path / "out/0/0.js")
    assert [word[0] for word in sample["words"]] == ["A", " dog", "."]
    assert (sample["objects"], sample["masks"], len(sample["maps"])) == ([], [], 3)


def test_only_samples_that_were_kept_are_shown_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", figures=2)
    assert gallery.write(tmp_path / "out", "0", read_runs([folder])[0]) == 2
    (folder / "figures/1/maps.npz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"figures/1 is damaged"):
        gallery.write(tmp_path / "again", "0", read_runs([folder])[0])
