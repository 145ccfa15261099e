"""Queries: where the prompt's tokens stand, what is refused, how scales become grids."""

import pytest
from PIL import Image

from tests import tiny

PROMPTS = [
    "Describe this image.",
    "user",
    "assistant\nuser",
    "  two spaces  ",
    "Was ist das? 😀 Größe",
    "<image>",
    "{{ c }}",
]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_prompt_positions_hold_the_prompt(vlm, prompt):
    query = vlm.ask([tiny.image(3, 4)], [prompt])[0]
    ids, positions = query.inputs["input_ids"][0], query.layout.prompt
    assert vlm.processor.tokenizer.decode(ids[positions]).strip() == prompt.strip()
    assert positions[0] > query.layout.vision[-1]
    assert query.layout.length == len(ids)
    assert len(query.layout.vision) == 12


def test_an_empty_prompt_has_no_positions(vlm):
    query = vlm.ask([tiny.image(2, 2)], [""])[0]
    assert len(query.layout.prompt) == 0
    answers, traces = vlm.answer([query])
    assert traces[0].start == query.layout.length - 1
    assert len(traces[0].text) == len(answers[0].ids)


@pytest.mark.parametrize("prompt", ["a <|image_pad|> b", "x<|im_end|>"])
def test_special_tokens_in_a_prompt_are_refused(vlm, prompt):
    with pytest.raises(ValueError, match="special token"):
        vlm.ask([tiny.image(2, 2)], [prompt])


def test_scales_change_the_grid_and_keep_the_image(vlm):
    image = tiny.image(4, 6)
    for scale, grid in [(0.5, (2, 3)), (1.0, (4, 6)), (1.25, (5, 8))]:
        query = vlm.ask([image], ["What?"], scale)[0]
        assert (query.layout.rows, query.layout.cols) == grid
        assert query.image is image
        assert query.scale == scale


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_other_colour_modes_are_converted(vlm, mode):
    image = tiny.image(2, 3).convert(mode)
    assert vlm.ask([image], ["What?"])[0].layout.cols == 3


def test_a_thin_image_is_refused_with_its_size(vlm):
    with pytest.raises(ValueError, match=r"2 x 900 pixels at scale 1\.0"):
        vlm.ask([Image.new("RGB", (2, 900))], ["What?"])


def test_lengths_must_agree(vlm):
    with pytest.raises(ValueError, match="zip"):
        vlm.ask([tiny.image(2, 2)], ["a", "b"])
