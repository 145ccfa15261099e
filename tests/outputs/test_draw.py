"""Pictures of one sample, what is in them, and captions that break lesser programs."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from datamodules.sample import Sample
from metrics.entries import Absent, Entries, Object, Share
from pipeline.outputs import draw
from pipeline.outputs.panel import COLOURS
from pipeline.outputs.records import Row, Spoken
from tests.outputs.made import EXPLAINERS, PIECES, WORDS, answer

SCORED = Entries(
    (Object(1, "dog", 0.5, 0.5, 0.5, 1.0),), (Share(0, 0.9), Share(3, 0.8)), (), (Absent(4, "traffic light"),)
)
ROW = Row("../../key", 7, answer(), WORDS, explainers={name: {"corrected": SCORED} for name in EXPLAINERS})
MAPS = {
    name: np.random.default_rng(at).integers(0, 256, (len(PIECES), 6, 8), dtype=np.uint8)
    for at, name in enumerate(EXPLAINERS)
}


def sample(masks: dict[str, np.ndarray] | None = None, size: tuple[int, int] = (80, 60)) -> Sample:
    if masks is None:
        dog = np.zeros((size[1], size[0]), np.uint8)
        dog[10:30, 20:40] = 1
        masks = {"dog": dog, "nothing": 0 * dog, "everything": 0 * dog + 1}
    encoded = {name: coco.encode(np.asfortranarray(mask)) for name, mask in masks.items()}
    return Sample("../../key", 7, Image.new("RGB", size, (255, 0, 0)), "?", masks=encoded)


def spoken(*texts: str) -> tuple[tuple[str, str, str, int, int], ...]:
    return tuple((text, "noun", text, at, 1) for at, text in enumerate(texts))


def test_the_folder_holds_two_pictures_and_nothing_is_named_by_the_key(tmp_path: Path):
    draw.sample(tmp_path / "figures" / "7", sample(), ROW, MAPS)
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("**/*") if path.is_file())
    assert names == [f"figures/7/{name}" for name in ("masks.png", "panel.png")]


def test_masks_are_painted_half_transparent_where_they_are(tmp_path: Path):
    mask = np.zeros((60, 80), bool)
    mask[10:30, 20:40] = True
    painted = np.asarray(draw.overlay(Image.new("RGB", (80, 60), (255, 0, 0)), {"dog": mask})).astype(int)
    assert (painted[~mask] == (255, 0, 0)).all()
    colour = np.array([int(COLOURS[0][at : at + 2], 16) for at in (1, 3, 5)])
    assert np.abs(painted[mask] - (np.array([255, 0, 0]) + colour) / 2).max() <= 1


def test_the_panel_shows_every_cell_of_every_map_in_the_colours_of_viridis(tmp_path: Path):
    white = Sample("k", 7, Image.new("RGB", (80, 60), (255, 255, 255)), "?", masks={})
    for level, rgb in ((0, (68, 1, 84)), (255, (253, 231, 37))):
        maps = {"cam": np.full((len(PIECES), 6, 8), level, np.uint8)}
        draw.sample(tmp_path, white, ROW, maps)
        pixels = np.asarray(Image.open(tmp_path / "panel.png").convert("RGB"))
        share = (np.abs(pixels.astype(int) - rgb).max(-1) <= 2).mean()
        assert share > 0.15, level
    assert pixels.shape[1] > 600


def test_shown_are_the_object_words_and_one_function_word_after_an_object():
    words = draw.shown(ROW)
    assert [(word.first_word, word.category) for word in words] == [(1, "dog"), (4, "traffic light"), (3, None)]
    assert words[0].word == Spoken("dog", "noun", "dog", 1, 2)
    assert words[1].word == Spoken("traffic light", "noun", "traffic light", 5, 2)


@pytest.mark.parametrize(
    ("category", "tokens"),
    [
        *(("two men standing", 3), ("two man stand", 3), ("Two men", 2), ("t-shirt", 1)),
        *(("two men standing by", 1), ("men standing", 1), ("", 1)),
    ],
)
def test_a_phrase_is_known_by_its_words_or_their_lemmas(category: str, tokens: int):
    lemmas = {" two": "two", " men": "man", " standing": "stand"}
    words = [Spoken(text, "noun", lemma, at, 1) for at, (text, lemma) in enumerate(lemmas.items())]
    assert draw.phrase(words, 0, category).n_tokens == tokens
    assert draw.phrase([Spoken(" T-shirts", "noun", "tshirt", 0, 2)], 0, "t-shirt").n_tokens == 2


def test_the_caption_is_whole_and_its_marks_are_the_words_shown():
    segments = draw.caption(ROW)
    assert "".join(text for text, _ in segments) == "".join(PIECES)
    assert [(text, mark) for text, mark in segments if mark is not None] == [
        (" dog", "dog"),
        (" a", ""),
        (" traffic light", "traffic light"),
    ]


def test_the_map_of_a_word_is_the_largest_of_its_tokens_cell_by_cell():
    expected = np.maximum(MAPS["cam"][1], MAPS["cam"][2])
    assert np.array_equal(draw.word_map(MAPS["cam"], Spoken("dog", "noun", "dog", 1, 2)), expected)


def test_a_token_that_belongs_to_no_word_is_in_no_map_and_no_mark():
    word = Spoken.of("dogs", "noun", "dog", (1, 3))
    assert (word.first_token, word.n_tokens, word.skipped, word.tokens) == (1, 2, (2,), [1, 3])
    assert np.array_equal(draw.word_map(MAPS["cam"], word), np.maximum(MAPS["cam"][1], MAPS["cam"][3]))
    words = [Spoken.of("hot", "other", "hot", (0,)), Spoken.of("dogs", "noun", "dog", (2, 4))]
    assert draw.phrase(words, 0, "hot dog").tokens == draw.phrase(words, 0, "frankfurter", 2).tokens == [0, 2, 4]
    assert draw.phrase(words, 0, "frankfurter").tokens == [0]


def test_the_strip_is_one_tile_a_word():
    strip = draw.strip(MAPS["cam"], [word.word for word in draw.shown(ROW)])
    assert strip.height == 192
    assert strip.width == 3 * (8 * 32 + 4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\n\t",
        "$\\frac{a}$ costs $5 and 5$",
        "a 🐈 on \U000f0000",
        "كلب يجلس على العشب",
        "一只狗坐在草地上",
        "x" * 3000,
        "dog " * 800,
        "e\u0301\u200d\u202e\x00\x07",
        "\udc80",
    ],
    ids=["empty", "space", "breaks", "math", "emoji", "rtl", "cjk", "unbroken", "long", "marks", "surrogate"],
)
def test_no_caption_is_too_odd_to_be_drawn(tmp_path: Path, text: str):
    pieces = tuple(text[at : at + 4] for at in range(0, len(text), 4))
    entries = Entries((Object(0, text, 0.5, 0.5, 0.5, 1.0),) if pieces else ())
    row = Row("k", 7, answer(pieces), spoken(*pieces), explainers={"cam": {"corrected": entries}})
    maps = {"cam": np.zeros((len(pieces), 6, 8), np.uint8)}
    name = {text: np.ones((60, 80), np.uint8)}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        draw.sample(tmp_path, sample(name), row, maps)
    assert Image.open(tmp_path / "panel.png").height < 1500


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (900, 2), (2000, 1500)])
def test_images_of_any_shape_are_drawn(tmp_path: Path, size: tuple[int, int]):
    draw.sample(tmp_path, sample({"dog": np.ones((size[1], size[0]), np.uint8)}, size), ROW, MAPS)
    assert Image.open(tmp_path / "masks.png").size == size
    assert max(Image.open(tmp_path / "panel.png").size) < 2500


def test_a_map_is_drawn_on_the_part_of_the_image_that_it_covers(tmp_path: Path):
    maps = {"cam": np.full((len(PIECES), 6, 8), 255, np.uint8)}
    shares = []
    for box in ((0.0, 0.0, 1.0, 1.0), (0.25, 0.0, 0.75, 1.0)):
        draw.sample(tmp_path, sample({}), ROW, maps, box)
        pixels = np.asarray(Image.open(tmp_path / "panel.png").convert("RGB")).astype(int)
        shares.append((np.abs(pixels - (253, 231, 37)).max(-1) <= 2).sum())
    assert shares[1] / shares[0] == pytest.approx(0.5, abs=0.05)


def test_without_masks_there_are_pictures_all_the_same(tmp_path: Path):
    bare = Sample("k", 7, Image.new("RGB", (80, 60)), "?")
    draw.sample(tmp_path, bare, Row("k", 7, answer(), WORDS), MAPS)
    assert (tmp_path / "panel.png").exists()
    with pytest.raises(ValueError, match="without an image"):
        draw.sample(tmp_path, Sample("k", 7, None, "?"), ROW, MAPS)


def test_without_ground_truth_the_first_nouns_are_shown(tmp_path: Path):
    unscored = Row("k", 7, answer(), WORDS)
    nouns = [at for at, word in enumerate(unscored.spoken) if word.label == "noun"]
    assert nouns
    words = draw.shown(unscored)
    assert [word.first_word for word in words][: len(nouns)] == nouns
    assert all(word.category is None for word in words)
    draw.sample(tmp_path, Sample("k", 7, Image.new("RGB", (80, 60)), "?"), unscored, MAPS)
    assert (tmp_path / "panel.png").stat().st_size > 1000
    columns = [draw.column(unscored, word, MAPS) for word in words]
    assert [column.figures["cam"] for column in columns] == [""] * len(words), "nothing is said to be absent"
