"""Queries: where the prompt's tokens stand, what is refused, how scales become grids."""

import pytest
import torch
from PIL import Image

from tests import tiny

PROMPTS = [
    "Describe this image.",
    "user",
    "assistant\nuser",
    "  two spaces  ",
    "Was ist das? 😀 Größe",
    "<html>",
    "{{ c }}",
]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_prompt_positions_hold_the_prompt(vlm, prompt):
    query = vlm.ask([tiny.image(3, 4)], [prompt])[0]
    ids, positions = query.inputs["input_ids"][0], query.layout.prompt
    assert vlm.processor.tokenizer.decode(ids[positions]).strip() == prompt.strip()
    assert positions[0] > query.layout.vision[-1]
    assert query.layout.length == len(ids)
    assert len(query.layout.vision) == query.layout.rows * query.layout.cols


def test_an_empty_prompt_has_no_positions(vlm):
    query = vlm.ask([tiny.image(2, 2)], [""])[0]
    assert len(query.layout.prompt) == 0
    answers, traces = vlm.answer([query])
    assert traces[0].start == query.layout.length - 1
    assert len(traces[0].text) == len(answers[0].ids)


def test_special_tokens_in_a_prompt_are_refused(vlm):
    special = vlm.processor.tokenizer.all_special_tokens
    assert vlm.processor.image_token in special
    for token in special:
        with pytest.raises(ValueError, match="special token"):
            vlm.ask([tiny.image(2, 2)], [f"a {token} b"])


def test_scales_change_the_grid_and_keep_the_image(qwen):
    image = tiny.image(4, 6)
    for scale, grid in [(0.5, (2, 3)), (1.0, (4, 6)), (1.25, (5, 8))]:
        query = qwen.ask([image], ["What?"], scale)[0]
        assert (query.layout.rows, query.layout.cols) == grid
        assert query.image is image
        assert query.scale == scale


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_other_colour_modes_are_converted(vlm, mode):
    image = tiny.image(2, 3).convert(mode)
    same = image.convert("RGB")
    query, other = vlm.ask([image, same], ["What?"] * 2)
    assert all(torch.equal(query.inputs[name], other.inputs[name]) for name in query.inputs)


def test_a_thin_image_is_refused_with_its_size(qwen):
    with pytest.raises(ValueError, match=r"2 x 900 pixels at scale 1\.0"):
        qwen.ask([Image.new("RGB", (2, 900))], ["What?"])


def test_lengths_must_agree(vlm):
    with pytest.raises(ValueError, match="zip"):
        vlm.ask([tiny.image(2, 2)], ["a", "b"])
