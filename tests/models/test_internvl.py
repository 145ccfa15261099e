"""What is particular to InternVL: tiles."""

import pytest
import torch

from pipeline.models.internvl import InternVL
from tests import tiny
from tests.models.test_verbs import silenced


@pytest.fixture(scope="module")
def tiled(tmp_path_factory) -> InternVL:
    """Up to six tiles of 8 x 8 tokens, 64 x 64 pixels each."""
    folder = tiny.internvl_folder(tmp_path_factory.mktemp("tiled"))
    return tiny.loaded(InternVL(str(folder), tiles=6, max_new_tokens=4))


@pytest.mark.parametrize(("width", "height", "grid"), [(192, 128, (16, 24)), (64, 256, (32, 8)), (40, 44, (8, 8))])
def test_the_grid_is_that_of_all_tiles(tiled, width, height, grid):
    image = tiny.image(9, 9).resize((width, height))
    query = tiled.ask([image], ["What?"])[0]
    assert (query.layout.rows, query.layout.cols) == grid
    tiles = grid[0] * grid[1] // 64
    count = int((query.inputs["input_ids"] == tiled.config.image_token_id).sum())
    assert count == 64 * (tiles + (tiles > 1)) == 64 * len(query.inputs["pixel_values"])
    assert len(query.layout.vision.unique()) == grid[0] * grid[1]
    assert query.layout.box == (0, 0, 1, 1)


def test_stitched_grid_probe(tiled):
    """Repaint a cell, all attention silenced: its state changes most; the overview stands outside of the grid."""
    base = tiny.image(8, 12, 5)  # 2 x 3 tiles, whose cells are half as wide as those of `tiny.image`
    layout = tiled.ask([base], ["What?"])[0].layout
    cells = [(0, 0), (0, 23), (15, 0), (7, 8), (8, 7), (5, 17), (15, 23), (9, 12)]
    painted = []
    for row, col in cells:
        copy = base.copy()
        copy.paste(tiny.image(1, 1, 77).resize((8, 8)), (col * 8, row * 8))
        painted.append(copy)
    with silenced(tiled.model):
        states = torch.stack([tiled.trace(tiled.ask([image], ["What?"]))[0].vision for image in [*painted, base]])
    change = (states[:-1] - states[-1]).norm(dim=2)
    assert change.argmax(1).tolist() == [row * layout.cols + col for row, col in cells]
    assert (change > 1e-6).sum(1).tolist() == [1] * len(cells)


def test_all_verbs_with_tiles(tiled):
    """Teacher-forced = step by step; cut after the overview = whole."""
    images = [tiny.image(8, 12, 1), tiny.image(4, 4, 2)]
    queries = tiled.ask(images, ["What?", "Describe this image."])
    answers, stepped = tiled.answer(queries)
    forced, short = tiled.trace(queries, answers), tiled.look(images, ["What?"] * 2, 1.0)
    for one, other, cut in zip(stepped, forced, short, strict=True):
        torch.testing.assert_close(one.vision, other.vision, rtol=0, atol=1e-4)
        torch.testing.assert_close(one.text, other.text, rtol=0, atol=1e-4)
        torch.testing.assert_close(cut.vision, other.vision, rtol=0, atol=1e-4)


def test_smaller_scales_shrink_the_image_on_the_same_tiles(tiled):
    image = tiny.image(8, 12)
    whole, half = (tiled.ask([image], ["What?"], scale)[0] for scale in (1.0, 0.5))
    assert (half.layout.rows, half.layout.cols) == (8, 12)
    assert half.layout.vision.tolist() == whole.layout.vision.view(16, 24)[:8, :12].flatten().tolist()
    assert half.inputs["pixel_values"].shape == whole.inputs["pixel_values"].shape


def test_tiles_are_checked_and_part_of_the_identity(tiled):
    with pytest.raises(ValueError, match=r"^tiles: at least 1, got 0"):
        InternVL("owner/name", tiles=0)
    assert InternVL(tiled.location).identity() != InternVL(tiled.location, tiles=2).identity()
