"""The programs that made the embedded models: same scenes, same forward pass, same training after a kill."""

import dataclasses
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.manifest import FILE, Manifest
from datamodules.shards import read

SHARDS = Path(__file__).resolve().parents[2] / "assets" / "demo" / "shards"
FAMILIES = ("qwen2_vl", "llava", "internvl")


@pytest.fixture(scope="module", params=FAMILIES)
def built(request, demo):
    """A family, its processor and its model with lively random weights."""
    family = demo("build").FAMILIES[request.param]
    tokenizer = family.tokenizer()
    model = family.model(tokenizer).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim >= 2:
                weight.normal_(0, weight[0].numel() ** -0.5, generator=generator)
    return family, family.processor(tokenizer), model


@pytest.fixture(scope="module")
def picture():
    """Noise of the scenes' size."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8))


@torch.no_grad()
def test_training_runs_the_forward_pass_of_transformers(built, demo, picture):
    family, processor, model = built
    prompt = demo("scenes").PROMPT
    inputs, rows, cols = family.inputs(processor, picture, prompt)
    expected = model.model(**inputs).last_hidden_state[0]
    before, after = (processor.tokenizer.encode(part) for part in family.around(processor, prompt))
    reader = demo("family").Reader(family, before, after, processor.tokenizer.pad_token_id)
    vision = family.see(model, family.pixels([picture], rows), whole=True)
    slots, words, targets = reader.states(model, vision, [[7, 8, 9]])
    where = inputs["input_ids"][0] == model.config.image_token_id
    assert rows * cols == int(where.sum())
    torch.testing.assert_close(slots[0], expected[where], rtol=0, atol=2e-5)
    torch.testing.assert_close(words[0, 0], expected[-1], rtol=0, atol=2e-5)
    assert targets.tolist() == [[7, 8, 9]]


@torch.no_grad()
def test_the_processor_that_is_shipped_makes_the_inputs_of_the_training(built, demo, picture):
    family, processor, _ = built
    prompt = demo("scenes").PROMPT
    inputs, rows, _ = family.inputs(processor, picture, prompt)
    side = rows * family.cell
    fitting = picture.resize((side, side), Image.Resampling.BICUBIC)
    made = processor(images=[fitting], text=[demo("family").render(processor, prompt)], return_tensors="pt")
    assert torch.equal(made["input_ids"], inputs["input_ids"])
    torch.testing.assert_close(made["pixel_values"], inputs["pixel_values"], rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("built", FAMILIES[1:], indirect=True)
def test_a_corner_of_the_canvas_keeps_its_positions(built, demo):
    family, _, model = built
    fixed = demo("fixed")
    positions = family.positions(3, 36, 2)[0]
    grid = positions[3:39].view(6, 6) - 3
    assert torch.equal(grid, torch.arange(144).view(12, 12)[:6, :6])
    assert positions[39:].tolist() == [147, 148]
    before, after = torch.arange(3).tolist(), [4, 5]
    reader = demo("family").Reader(family, before, after, 0)
    vision = torch.randn(1, 36, 192, generator=torch.Generator().manual_seed(0))
    other = torch.cat((-vision[:, :1], vision[:, 1:]), 1)
    last = [reader.states(model, tokens, [[7]])[0][0, -1] for tokens in (vision, other)]
    assert (last[0] - last[1]).abs().max() > 1e-3, "gaps in the positions hide no earlier row"
    pixels = torch.randn(1, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(family.see(model, pixels, whole=False), family.see(model, pixels, whole=True))
    table = model.get_input_embeddings().weight
    code = family.code(table, 5)
    assert family.place_loss(table, code[None]) < 1e-10 < family.place_loss(table, code.flip(0)[None])
    assert len(fixed.corner(4, 24)) == 16


def test_scenes_depend_on_their_seed_alone(artist):
    one, again, other = artist.scene(3, 5), artist.scene(3, 5), artist.scene(3, 6)
    assert one.image.tobytes() == again.image.tobytes() != other.image.tobytes()
    assert one.captions == again.captions
    covered = np.stack(list(one.masks.values())).sum(0)
    assert covered.max() == 1, "visible parts of objects do not overlap"
    assert set(one.masks) == set(one.names)
    assert all(mask.any() for mask in one.masks.values())


def test_held_out_scenes_are_drawn_again_to_the_byte(artist, demo):
    drawn = list(demo("held_out").records(artist, 3))
    with tarfile.open(SHARDS / "demo-00000.tar") as shard:
        for record in drawn:
            assert shard.extractfile(f"{record.key}.jpg").read() == record.image
    manifest = Manifest.load(SHARDS / FILE)
    for sample, record in zip(read(manifest, SHARDS, range(3)), drawn, strict=True):
        assert sample.captions == record.captions
        assert {n: rle["counts"].encode() for n, rle in sample.masks.items()} == {
            n: rle["counts"] for n, rle in record.masks.items()
        }


def test_symbolic_scenes_hold_every_word_they_name(demo):
    symbolic, scenes = demo("symbolic"), demo("scenes")
    word = {name: index for index, name in enumerate(scenes.CATEGORIES + scenes.COLOURS)}
    make = lambda: symbolic.SymbolicBatch(np.random.default_rng(4), word, 8, 8)  # noqa: E731
    batch, again = make(), make()
    assert batch.captions == again.captions
    assert torch.equal(batch.tokens, again.tokens)
    for seed in range(20):
        names, colour, cells = symbolic.layout(np.random.default_rng(seed), 8)
        assert set(cells) - {-1} == set(range(len(names)))
        assert colour in scenes.COLOURS


@pytest.mark.parametrize("built", FAMILIES[:2], indirect=True)
def test_training_continues_where_it_was_stopped(built, demo, tmp_path):
    family, _, _ = built
    recipe = demo("recipe")
    text = dataclasses.replace(family.stages[0], steps=3, grids={6: (1.0, 4)})
    short = type("Short", (type(family),), {"stages": (text,)})()

    def train(work: Path, stops: int) -> dict[str, torch.Tensor]:
        work.mkdir()
        for stop in range(stops + 1):
            trainer = recipe.Trainer(short, work, None)
            trainer.resume()
            trainer.run(until=lambda stop=stop, trainer=trainer: trainer.step == stop + 1 and stop < stops)
        assert (trainer.stage, trainer.step) == (1, 0)
        return trainer.model.state_dict()

    whole, pieces = train(tmp_path / "whole", 0), train(tmp_path / "pieces", 2)
    assert all(torch.equal(weight, pieces[name]) for name, weight in whole.items())
    assert not torch.equal(whole["lm_head.weight"], family.model(family.tokenizer()).state_dict()["lm_head.weight"])
