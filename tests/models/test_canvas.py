"""Where a picture stands on an input of fixed size, and that every scale stands on the same place."""

import inspect

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoConfig
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from pipeline.models.canvas import Canvas, starts
from pipeline.models.fixed import FixedSize
from pipeline.models.internvl import InternVL
from pipeline.models.llava import LLaVA
from tests import tiny

GREY = (100, 110, 120)
REAL = {"llava": (336, 24, 14), "internvl": (448, 16, 28)}
"""Side, cells along it, and pixels of a cell at the sizes of published checkpoints."""


def canvas(fit="stretch", side=336, cells=24, cell=14):
    return Canvas(side, side, cells, cells, cell, fit, GREY)


def shaded(view, canvas):
    """Which cells of a view, blank ones included, hold more white than black."""
    pixels = np.asarray(view.picture.convert("L"), np.float64)
    cut = pixels[: canvas.rows * canvas.cell, : canvas.cols * canvas.cell]
    return cut.reshape(canvas.rows, canvas.cell, canvas.cols, canvas.cell).mean((1, 3))


@pytest.mark.parametrize("family", REAL)
@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (500, 500), (1000, 90)])
@pytest.mark.parametrize(("right", "lower"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_quadrant_lies_at_the_same_place_at_every_scale(family, fit, width, height, right, lower):
    """White in one quadrant of the shown part: its share and its centre in the covered cells stay what they are."""
    board = canvas(fit, *REAL[family])
    image = Image.new("RGB", (width, height))
    top, left, bottom, far = (f * size for f, size in zip(board.box(image), (height, width) * 2, strict=True))
    middle, centre = (top + bottom) / 2, (left + far) / 2
    corners = (
        centre if right else left,
        middle if lower else top,
        far if right else centre,
        bottom if lower else middle,
    )
    image.paste((255, 255, 255), tuple(map(round, corners)))
    for scale in (0.5, 0.75, 1.0):
        (view,) = board.views(image, scale)
        assert view.picture.size == (board.width, board.height)
        seen = np.asarray(view.picture.convert("L"), np.float64)[: view.rows * board.cell, : view.cols * board.cell]
        down, across = ((np.arange(length) + 0.5) / length for length in seen.shape)
        centroid = (seen.sum(1) @ down / seen.sum(), seen.sum(0) @ across / seen.sum())
        assert centroid == pytest.approx((0.75 if lower else 0.25, 0.75 if right else 0.25), abs=0.02)
        assert seen.mean() / 255 == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(("family", "grids"), [("llava", (12, 18, 24)), ("internvl", (8, 12, 16))])
def test_the_papers_scales_fill_whole_cells(family, grids):
    board = canvas("stretch", *REAL[family])
    image = Image.new("RGB", (640, 427), "white")
    for scale, side in zip((0.5, 0.75, 1.0), grids, strict=True):
        (view,) = board.views(image, scale)
        assert (view.rows, view.cols) == (side, side)
        cells = shaded(view, board)
        assert (cells[:side, :side] == 255).all()
        assert (cells[side:] < 130).all()
        assert (cells[:, side:] < 130).all()
        corner = view.picture.getpixel((board.width - 1, board.height - 1))
        assert corner == (GREY if scale < 1 else (255, 255, 255))


def test_letterbox_keeps_the_shape_and_covers_the_whole_image():
    for size, grid in {(640, 480): (18, 24), (480, 640): (24, 18), (600, 600): (24, 24), (2000, 10): (1, 24)}.items():
        image = Image.new("RGB", size)
        assert canvas("letterbox").grid(image, 1.0) == grid
        (view,) = canvas("letterbox").views(image, 1.0)
        assert view.box == (0, 0, 1, 1)


def test_crop_shows_the_middle():
    assert canvas("crop").box(Image.new("RGB", (400, 300))) == (0, 0.125, 1, 0.875)
    assert canvas("crop").box(Image.new("RGB", (100, 200))) == (0.25, 0, 0.75, 1)


SIZES = [
    *((640, 427), (427, 640), (640, 480), (333, 500), (500, 375), (336, 336), (337, 336), (335, 337), (672, 336)),
    *((1, 1), (2, 3), (5, 4), (17, 31), (1, 200), (2000, 10), (4096, 231), (61, 3000), (1023, 769), (719, 1281)),
]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_crop_at_scale_1_is_what_the_image_processor_of_clip_makes_of_it(size):
    """transformers' own code is the oracle, at the sizes of LLaVA-1.5."""
    noise = np.random.default_rng(sum(size)).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    plain = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
    (expected,) = processor(Image.fromarray(noise), **plain)["pixel_values"]
    (view,) = canvas("crop").views(Image.fromarray(noise), 1.0)
    assert np.array_equal(np.asarray(view.picture), expected.transpose(1, 2, 0))


def test_crop_of_other_picture_modes_is_the_processors_too():
    noise = np.random.default_rng(0).integers(0, 256, (50, 71, 3), dtype=np.uint8)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    for image in (Image.fromarray(noise[..., 0]), Image.fromarray(noise).quantize()):
        (expected,) = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"]
        (view,) = canvas("crop").views(image, 1.0)
        assert np.array_equal(np.asarray(view.picture), expected.transpose(1, 2, 0))


def test_a_line_of_pixels_is_not_enlarged_without_bound():
    with pytest.raises(ValueError, match=r"crop would enlarge it to 336 x 672000 pixels; choose canvas: stretch"):
        next(canvas("crop").views(Image.new("RGB", (1, 2000)), 1.0))


def test_stretch_on_one_tile_is_what_internvls_own_processor_makes_of_it():
    noise = np.random.default_rng(3).integers(0, 256, (91, 133, 3), dtype=np.uint8)
    processor = GotOcr2ImageProcessorPil(size={"height": 448, "width": 448})
    plain = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
    (expected,) = processor(Image.fromarray(noise), **plain)["pixel_values"]
    (view,) = canvas("stretch", 448, 16, 28).views(Image.fromarray(noise), 1.0)
    assert np.array_equal(np.asarray(view.picture), expected.transpose(1, 2, 0))


def test_what_no_cell_covers_stays_blank():
    """SigLIP at 384 pixels: 27 patches of 14 leave 6 pixels over."""
    (view,) = canvas("stretch", 384, 27, 14).views(Image.new("RGB", (100, 100), "white"), 1.0)
    pixels = np.asarray(view.picture)
    assert (pixels[:378, :378] == 255).all()
    assert (pixels[378:] == GREY).all()
    assert (pixels[:, 378:] == GREY).all()


def test_windows_cover_everything_and_overlap_by_half():
    assert starts(24, 24) == starts(5, 24) == [0]
    for length in range(25, 80):
        found = starts(length, 24)
        assert found[0] == 0
        assert found[-1] == length - 24
        assert max(np.diff(found)) <= 12


def test_windows_show_what_their_boxes_say():
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 960, dtype=np.uint8), (480, 1)))
    board = canvas()
    views = list(board.views(ramp, 1.5))
    assert [(view.top, view.left) for view in views] == [(a, b) for a in (0, 12) for b in (0, 12)]
    for view in views:
        cells = shaded(view, board).mean(0) / 255
        _, left, _, right = view.box
        assert (right - left) == pytest.approx(24 / 36)
        assert cells[0] == pytest.approx(left + 0.5 / 36, abs=0.01)
        assert cells[-1] == pytest.approx(right - 0.5 / 36, abs=0.01)


@pytest.mark.parametrize(("kind", "name"), [(LLaVA, "llava"), (InternVL, "internvl")])
def test_the_canvas_of_published_configurations(kind, name):
    vlm = kind("owner/name", background="black")
    vlm.config = AutoConfig.for_model(name)  # whose defaults are LLaVA-1.5's and InternVL's own sizes
    found = vlm.canvas(Image.new("RGB", (640, 480)))
    assert (found.width, found.rows, found.cell) == (found.height, found.cols, found.cell) == REAL[name]


@pytest.fixture(scope="module", params=[LLaVA, InternVL], ids=["llava", "internvl"])
def family(request, tmp_path_factory):
    """A class of fixed size and the folder of a tiny checkpoint."""
    make = {LLaVA: tiny.llava_folder, InternVL: tiny.internvl_folder}[request.param]
    return request.param, str(make(tmp_path_factory.mktemp("fixed")))


def made(family, **options):
    return tiny.loaded(family[0](family[1], max_new_tokens=4, **options))


def test_the_grid_of_a_query_is_the_part_that_shows_the_image(family):
    vlm = made(family)
    image = tiny.image(5, 7)
    whole = vlm.ask([image], ["What?"])[0].layout
    for scale, side in [(0.5, 4), (0.75, 6), (1.0, 8)]:
        query = vlm.ask([image], ["What?"], scale)[0]
        assert (query.layout.rows, query.layout.cols) == (side, side)
        assert query.layout.vision.tolist() == whole.vision.view(8, 8)[:side, :side].flatten().tolist()
        assert query.layout.length == whole.length
        assert vlm.look([image], ["What?"], scale)[0].vision.shape == (side * side, 32)


def test_blank_cells_are_the_mean_or_black(family):
    mean = made(family).ask([tiny.image(4, 4)], ["What?"], 0.5)[0].inputs["pixel_values"]
    black = made(family, background="black").ask([tiny.image(4, 4)], ["What?"], 0.5)[0].inputs["pixel_values"]
    assert mean[..., 32:, :].abs().max() < 0.01
    assert black[..., 32:, :].max() < -1.4
    torch.testing.assert_close(mean[..., :32, :32], black[..., :32, :32])


def test_the_picture_reaches_the_tower_unchanged(family):
    """An image as large as the canvas passes pixel for pixel: the processor neither resizes nor crops."""
    vlm, image = made(family), tiny.image(4, 4)
    sent = vlm.ask([image], ["What?"])[0].inputs["pixel_values"][0]
    images = vlm.processor.image_processor
    expected = (np.asarray(image) / 255 - images.image_mean) / images.image_std
    np.testing.assert_allclose(sent.permute(1, 2, 0).numpy(), expected, rtol=0, atol=1e-5)


def test_a_scale_above_one_is_an_error_that_names_the_option(family):
    vlm = made(family)
    vlm.admit([0.5, 1.0])
    with pytest.raises(ValueError, match=r"^oversize: scale 1\.25"):
        vlm.admit([1.0, 1.25, 1.5])
    with pytest.raises(ValueError, match=r"^oversize: scale 1\.5"):
        vlm.look([tiny.image(4, 4)], ["What?"], 1.5)
    with pytest.raises(ValueError, match="several windows"):
        made(family, oversize="windows").ask([tiny.image(4, 4)], ["What?"], 1.5)


@pytest.mark.parametrize("scale", [1.25, 1.5, 2.0])
def test_windows_are_averaged_where_they_overlap(family, scale):
    vlm = made(family, oversize="windows")
    vlm.admit([scale])
    image, side = tiny.image(6, 5), round(8 * scale)
    found = vlm.look([image, tiny.image(3, 3)], ["What?", "Describe this image."], scale)[0]
    assert (found.rows, found.cols, found.scale) == (side, side, scale)
    enlarged = image.resize((side * 8, side * 8), Image.Resampling.BICUBIC)
    sums, counts = torch.zeros(side, side, 32), torch.zeros(side, side, 1)
    for top in starts(side, 8):
        for left in starts(side, 8):
            window = enlarged.crop((left * 8, top * 8, left * 8 + 64, top * 8 + 64))
            states = vlm.trace(vlm.ask([window], ["What?"]))[0].vision.view(8, 8, -1)
            sums[top : top + 8, left : left + 8] += states
            counts[top : top + 8, left : left + 8] += 1
    assert counts.min() == 1
    torch.testing.assert_close(found.vision.view(side, side, -1), sums / counts, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"canvas": "fill"}, "^canvas: one of stretch, letterbox, crop, got fill"),
        ({"background": "white"}, "^background: one of"),
        ({"oversize": "zoom"}, "^oversize: one of"),
    ],
)
def test_options_are_checked_first(options, message):
    unchecked = inspect.unwrap(FixedSize.__init__)  # while tests run, jaxtyping would be first to complain
    with pytest.raises(ValueError, match=message):
        unchecked(object.__new__(LLaVA), "owner/name", **options)


def test_options_are_part_of_the_identity(family):
    plain = family[0](family[1]).identity()
    for option in ({"canvas": "crop"}, {"background": "black"}, {"oversize": "windows"}):
        assert family[0](family[1], **option).identity() != plain
