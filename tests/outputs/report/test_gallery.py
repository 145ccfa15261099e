"""What the gallery loads is what the rows and the kept files say."""

import base64
import json
import re
import time
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from metrics.pixels import Maps, decode
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
    assert gallery.write(folder, "3", run) == (len(SCENES), {})
    return folder / "3"


def test_every_sample_has_its_image_a_small_one_and_its_file(run: Run, written: Path) -> None:
    expected = {f"{at}{end}" for at in range(len(SCENES)) for end in (".js", ".jpg", ".thumb.jpg")}
    assert {path.name for path in written.iterdir()} == expected | {"index.js", "texts.js"}
    assert (written / "0.jpg").read_bytes() == (run.folder / "figures/0/image.jpg").read_bytes()
    assert max(Image.open(written / "0.thumb.jpg").size) <= gallery.THUMB


def test_the_index_has_each_sample_with_what_it_names(run: Run, written: Path) -> None:
    name, index = loaded(written / "index.js")
    assert name == "3/index"
    assert (index["explainers"], index["has"]) == (list(EXPLAINERS), "scored objects absent")
    assert index["categories"] == sorted(index["categories"])
    for number, key, said, absent, named in index["samples"]:
        row = run.rows[key]
        assert number == row.index
        assert said == SCENES[number].said
        entries = [row.explainers[name]["corrected"] for name in EXPLAINERS]
        assert absent == bool(entries[0].absent)
        expected: dict[str, list[float]] = {}
        for same in zip(*(of.objects for of in entries), strict=True):
            before = expected.setdefault(same[0].category, [0] * (1 + len(EXPLAINERS)))
            figures = (1, *(round(1000 * entry.iou) for entry in same))
            expected[same[0].category] = [one + other for one, other in zip(before, figures, strict=True)]
        assert {index["categories"][category]: figures for category, *figures in named} == expected
    assert [one[3] for one in index["samples"]] == [0, 0, 1, 0, 0]
    assert loaded(written / "texts.js") == ("3/texts", [f"{scene.said} {scene.key}.jpg" for scene in SCENES])


def test_a_category_named_twice_is_one_and_a_long_text_is_cut_in_the_index_alone(tmp_path: Path) -> None:
    said = "A dog looks at a dog by the dog" + " and the whole green picture" * 8
    (run,) = read_runs([run_folder(tmp_path / "run", [Scene("x", said, ("dog",))])])
    gallery.write(tmp_path / "out", "0", run)
    ((_, _, begins, _, named),) = loaded(tmp_path / "out/0/index.js")[1]["samples"]
    assert [(category, count) for category, count, *_ in named] == [(0, 3)]
    entries = run.rows["x"].explainers["tam"]["corrected"].objects
    assert named[0][3] == sum(round(1000 * entry.iou) for entry in entries)
    assert begins == said[: gallery.SAID - 1] + "…"
    assert loaded(tmp_path / "out/0/texts.js")[1] == [f"{said} x.jpg"]


@pytest.mark.parametrize("number", range(len(SCENES)))
def test_a_sample_has_the_figures_of_its_row_and_the_token_that_counts(run: Run, written: Path, number: int) -> None:
    name, sample = loaded(written / f"{number}.js")
    assert name == f"3/{number}"
    row = run.rows[SCENES[number].key]
    entries = [row.explainers[name]["corrected"] for name in EXPLAINERS]
    assert "".join(word[0] for word in sample["words"]) == SCENES[number].said
    units = {}
    for at, (word, spoken) in enumerate(zip(sample["words"], row.spoken, strict=True)):
        unit = sample["units"][word[2]]
        assert word[1] == (spoken.label if unit[2] is None else "object" if len(unit[3][0][0]) > 2 else "absent")
        assert spoken.first_token in range(unit[0], unit[0] + unit[1])
        units.setdefault(word[2], (at, unit))
    assert len(units) == len(sample["units"])
    present = [(at, unit) for at, unit in units.values() if sample["words"][at][1] == "object"]
    absent = [(at, unit) for at, unit in units.values() if sample["words"][at][1] == "absent"]
    assert [(at, unit[2]) for at, unit in present] == [(entry.first, entry.category) for entry in entries[0].objects]
    assert [(at, unit[2]) for at, unit in absent] == [tuple(one) for one in entries[0].absent]
    for number_of, of in enumerate(entries):
        for (_, unit), entry in zip(present, of.objects, strict=True):
            found = unit[3][number_of]
            assert found[0][2:] == pytest.approx([entry.iou, entry.precision, entry.recall], abs=6e-5)
            assert found[0][2] == max(figures[2] for figures in found)
        shares = {share.first: share.share for share in (*of.functions, *of.punctuation)}
        shown = {at: unit[3][number_of] for at, unit in units.values() if at in shares}
        assert {at: found[0][-1] for at, found in shown.items()} == pytest.approx(shares, abs=6e-5)
        for found in shown.values():
            assert np.mean([one[2] for one in found]) == pytest.approx(found[0][-1], abs=2e-6)
            assert {len(one) for one in found} == {3 if len(found) == 1 else 4}


@pytest.mark.parametrize("number", range(len(SCENES)))
def test_the_least_value_of_a_foreground_is_that_of_the_metric(run: Run, written: Path, number: int) -> None:
    """What the page shows as foreground is what was scored, a value that equals the threshold included."""
    _, sample = loaded(written / f"{number}.js")
    known = kept.load(run.folder / "figures" / str(number))
    for at, name in enumerate(EXPLAINERS):
        placed = Maps(known.maps[name], known.size)
        for _, _, category, shown in sample["units"]:
            for token, least, *figures in shown[at]:
                if len(figures) == 3:
                    one = placed.placed(token, known.box)
                    assert np.array_equal(one.values >= least, one.foreground), category
                elif figures:
                    assert (known.maps[name][token] < least).mean() == pytest.approx(figures[0], abs=6e-7)


def test_a_cell_at_the_threshold_is_foreground_of_a_word_and_background_of_an_object() -> None:
    """Both maps are of two values, so that Otsu's threshold, which is the image's too, is the lower one."""
    maps = np.full((2, 6, 8), 20, np.uint8)
    maps[:, :3] = 200
    unit, box = gallery.Unit(range(1), range(2), "dog"), (0.0, 0.0, 1.0, 1.0)
    mask = np.zeros((6, 8), bool)
    mask[:3] = True
    assert gallery._overlaps(unit, maps, mask, box) == [[0, 21, 1, 1, 1], [1, 21, 1, 1, 1]]
    assert gallery._shares(unit, maps, 20.0, {0: 0.0}) == [[0, 20, 0.0, 0.0], [1, 20, 0.0, 0.0]]
    assert gallery._shares(unit, maps, 20.5, {0: 0.5}) == [[0, 21, 0.5, 0.5], [1, 21, 0.5, 0.5]]
    assert gallery._shares(unit, maps, None, {}) == [[0, None], [1, None]], "no noun, no threshold"


def test_a_phrase_is_one_unit_with_the_tokens_of_all_its_words(written: Path) -> None:
    _, sample = loaded(written / "0.js")
    number, light = next((number, unit) for number, unit in enumerate(sample["units"]) if unit[2] == "traffic light")
    assert [word[0].strip() for word in sample["words"] if word[2] == number] == ["traffic", "light"]
    assert light[1] == 3
    assert {figures[0] for figures in light[3][0]} == set(range(light[0], light[0] + 3))


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
    assert gallery.write(tmp_path / "out", "0", run).samples == 1
    _, index = loaded(tmp_path / "out/0/index.js")
    assert (index["has"], index["categories"], index["samples"]) == ("", [], [[0, "x", "A dog.", 0, []]])
    _, sample = loaded(tmp_path / "out/0/0.js")
    assert [word[0] for word in sample["words"]] == ["A", " dog", "."]
    assert [unit[2:] for unit in sample["units"]] == [[None, [[[at, None]]] * 3] for at in range(3)]
    assert (sample["masks"], len(sample["maps"])) == ([], 3)


def test_only_samples_that_were_kept_are_shown_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", figures=2)
    assert gallery.write(tmp_path / "out", "0", read_runs([folder])[0]) == (2, {})
    (folder / "figures/1/maps.npz").write_bytes(b"")
    shown, damaged = gallery.write(tmp_path / "again", "0", read_runs([folder])[0])
    assert (shown, list(damaged)) == (1, ["b"])
    assert re.search(r"figures/1 is damaged: maps\.npz", damaged["b"])
    assert {path.name for path in (tmp_path / "again/0").iterdir()} == {
        *("0.jpg", "0.thumb.jpg", "0.js", "index.js", "texts.js")
    }


def test_samples_written_at_once_are_read_one_after_the_other(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11 fails where a thread parses while another does: reading an array parses how it is stored."""
    inside = [0, 0]
    load = kept.load

    def watched(*given: Any) -> kept.Kept:
        inside[0] += 1
        inside[1] = max(inside)
        time.sleep(0.01)
        found = load(*given)
        inside[0] -= 1
        return found

    monkeypatch.setattr(kept, "load", watched)
    assert gallery.write(tmp_path / "out", "0", run).samples == len(SCENES)
    assert inside == [0, 1]
