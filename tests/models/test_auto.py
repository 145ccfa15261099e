"""`Auto`: equal to the families that are described, right about those that are not, and plain about what it refuses."""

import re

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText
from transformers.models.smolvlm import processing_smolvlm

from pipeline.models import habits, probe, structure
from pipeline.models.auto import Auto
from pipeline.types import Answer
from tests import tiny, tiny_auto


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Measured models by family, each built once."""
    known = {}

    def get(name: str) -> Auto:
        if name not in known:
            known[name] = tiny_auto.FAMILIES[name](tmp_path_factory.mktemp(name))
        return known[name]

    return get


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_described_family_is_measured_as_it_is_described(tmp_path, family):
    described = tiny.FAMILIES[family](tmp_path)
    measured = tiny.loaded(Auto(described.location, max_new_tokens=8))
    images, prompts = [tiny.image(4, 6), tiny.image(5, 3, 1)], ["What?", "Describe this image."]
    for scale in (1.0, 0.5):
        pairs = zip(described.ask(images, prompts, scale), measured.ask(images, prompts, scale), strict=True)
        for one, other in pairs:
            assert one.layout.vision.tolist() == other.layout.vision.tolist()
            assert (one.layout.rows, one.layout.cols) == (other.layout.rows, other.layout.cols)
            assert one.inputs.keys() == other.inputs.keys()
            assert all(torch.equal(one.inputs[name], other.inputs[name]) for name in one.inputs)
    queries = described.ask(images, prompts)
    assert described.answer(queries)[0] == measured.answer(queries)[0]
    assert measured.blocks is measured.decoder.layers
    assert measured.norm is measured.decoder.norm


@pytest.mark.parametrize(
    ("family", "causal", "follow"),
    [
        ("qwen2_5_vl", True, {"mm_token_type_ids": 0}),
        ("qwen3_vl", True, {"mm_token_type_ids": 0}),
        ("llava_onevision", True, {}),
        ("gemma3", True, {"token_type_ids": 0}),
        ("paligemma", False, {"token_type_ids": 1}),
        ("idefics3", True, {}),
    ],
)
def test_habits(made, family, causal, follow):
    vlm = made(family)
    assert vlm.causal == causal
    assert vlm.follow == {"attention_mask": 1, **follow}


@pytest.mark.parametrize("family", ["gemma3", "paligemma"])
def test_the_other_continuation_would_be_silently_wrong(made, family, monkeypatch):
    vlm = made(family)
    query = vlm.ask([tiny.image(4, 4)], ["What?"])[0]
    answers, (stepped,) = vlm.answer([query])
    assert habits.apart(vlm.trace([query], answers)[0].text, stepped.text) < 1e-4
    monkeypatch.setattr(vlm, "follow", {"attention_mask": 1, "token_type_ids": 1 - vlm.follow["token_type_ids"]})
    assert habits.apart(vlm.trace([query], answers)[0].text, stepped.text) > 1e-2


def test_a_prefix_that_sees_the_prompt_is_never_cut(made, monkeypatch):
    """Visual states of PaliGemma depend on the prompt; cut after the image they would be others."""
    vlm = made("paligemma")
    query = vlm.ask([tiny.image(4, 4)], ["What?"])[0]
    whole, short = vlm.trace([query], [Answer((5, 6), ("", ""), "", False)])[0], vlm.look([query.image], ["What?"], 1.0)
    torch.testing.assert_close(short[0].vision, whole.vision, rtol=0, atol=1e-4)
    monkeypatch.setattr(vlm, "causal", True)
    assert (vlm.look([query.image], ["What?"], 1.0)[0].vision - whole.vision).abs().max() > 1e-2


def test_of_llava_onevision_the_tile_counts_and_separators_do_not(made):
    vlm = made("llava_onevision")
    rows = torch.arange(8)[:, None] * 9 + torch.arange(8) + 64
    assert torch.equal(vlm.order, rows)
    canvas = vlm.canvas(tiny.image(3, 3))
    assert (canvas.height, canvas.cell, canvas.rows) == (68, 8, 8)


def test_free_families_change_size_with_the_scale_and_the_others_shrink_on_the_canvas(made):
    image = tiny.image(4, 6)
    for family, grids in {"qwen3_vl": [(2, 3), (6, 9)], "idefics3": [(4, 4), None]}.items():
        for scale, grid in zip((0.5, 1.5), grids, strict=True):
            if grid:
                made(family).admit([scale])
                layout = made(family).ask([image], ["What?"], scale)[0].layout
                assert (layout.rows, layout.cols) == grid
            else:
                with pytest.raises(ValueError, match=r"^oversize"):
                    made(family).admit([scale])


def test_bfloat16_is_measured_alike(made):
    for family in tiny_auto.FAMILIES:
        half = tiny.loaded(Auto(made(family).location, dtype="bfloat16"))
        assert torch.equal(half.order, made(family).order)
        assert half.follow == made(family).follow
        assert half.causal == made(family).causal


def test_smolvlm(tmp_path, monkeypatch):
    monkeypatch.setattr(processing_smolvlm, "num2words", str)
    vlm = tiny_auto.build(tiny_auto.smolvlm_folder, tmp_path)
    query = vlm.ask([tiny.image(4, 4)], ["What?"])[0]
    answers, (stepped,) = vlm.answer([query])
    assert vlm.order.flatten().tolist() == list(range(64))
    torch.testing.assert_close(vlm.trace([query], answers)[0].text, stepped.text, rtol=0, atol=1e-4)


# refusals


def test_missing_type_ids_are_refused(made, monkeypatch):
    """Qwen2.5-VL would compute wrong positions without a word."""
    vlm = made("qwen2_5_vl")
    query = vlm.ask([tiny.image(4, 4)], ["What?"])[0]
    del query.inputs["mm_token_type_ids"]
    with pytest.raises(ValueError, match="left out mm_token_type_ids"):
        habits.continuation(vlm, query)


def test_a_load_that_measures_nothing_sound_refuses_with_the_reason_each_time(made, monkeypatch):
    vlm = Auto(made("qwen3_vl").location)
    features = probe.features
    monkeypatch.setattr(probe, "features", lambda vlm, pixels: features(vlm, pixels).flip(0))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"its image tokens do not lie row by row.*; Auto refuses such a qwen3_vl"):
            vlm.load("cpu")
    monkeypatch.setattr(probe, "features", lambda vlm, pixels: features(vlm, pixels).mean(0, keepdim=True))
    with pytest.raises(ValueError, match=f"^checkpoint '{re.escape(vlm.checkpoint)}': its image tokens are no grid"):
        vlm.load("cpu")


def test_tokens_that_fill_no_square_are_refused(made, monkeypatch):
    vlm = Auto(made("idefics3").location)
    features = probe.features
    monkeypatch.setattr(probe, "features", lambda vlm, pixels: features(vlm, pixels)[:63])
    with pytest.raises(ValueError, match="63 tokens show the picture, which fill no square grid"):
        vlm.load("cpu")


def test_a_checkpoint_without_a_chat_template_is_refused(tmp_path):
    vlm = Auto(str(tiny_auto.paligemma_folder(tmp_path, template=False)))
    with pytest.raises(ValueError, match="no chat template"):
        vlm.identity()


def test_logits_that_are_bent_after_the_head_are_refused(made):
    vlm = made("idefics3")
    query = vlm.ask([tiny.image(4, 4)], ["What?"])[0]
    habits.check_lens(vlm, query)
    bend = vlm.model.get_output_embeddings().register_forward_hook(lambda module, args, out: 2 * (out / 2).tanh())
    with bend, pytest.raises(ValueError, match="its logits are not its head times"):
        habits.check_lens(vlm, query)


def test_states_that_generation_does_not_leave_are_refused(made, monkeypatch):
    vlm = made("idefics3")
    query = vlm.ask([tiny.image(4, 4)], ["What?"])[0]
    other = vlm.ask([tiny.image(4, 4, 9)], ["What?"])[0]
    trace = vlm.trace
    monkeypatch.setattr(vlm, "trace", lambda queries, answers: trace([other], answers))
    with pytest.raises(ValueError, match="other states than generation"):
        habits.continuation(vlm, query)


# structure


@pytest.mark.parametrize("kind", ["qwen2_5_vl", "qwen3_vl", "llava_onevision", "gemma3", "paligemma", "idefics3"])
def test_blocks_and_norm_are_found_at_real_sizes(kind):
    config = AutoConfig.for_model(kind)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    decoder, text = model.get_decoder(), config.get_text_config()
    blocks, norm = structure.blocks(decoder, text), structure.norm(decoder, text)
    assert len(blocks) == text.num_hidden_layers
    assert "self_attn" in dict(blocks[0].named_children())
    assert [name for name, module in decoder.named_children() if module is norm] == ["norm"]


def test_a_decoder_with_two_candidates_is_refused():
    config = AutoConfig.for_model("llama", num_hidden_layers=2, hidden_size=8, num_attention_heads=2)
    decoder = torch.nn.Module()
    with pytest.raises(ValueError, match="0 modules of its decoder could be the stack"):
        structure.blocks(decoder, config)
    decoder.one, decoder.other = torch.nn.LayerNorm(8), torch.nn.RMSNorm(8)
    with pytest.raises(ValueError, match="2 modules of its decoder could be the final norm"):
        structure.norm(decoder, config)


@pytest.mark.parametrize(
    ("side", "patch", "rows", "cell"),
    [(896, 14, 16, 56), (364, 14, 13, 28), (384, 14, 27, 14), (512, 16, 8, 64), ([448, 448], [14, 14], 16, 28)],
    ids=["gemma3", "idefics3", "llava_onevision", "smolvlm", "internvl"],
)
def test_cells_of_published_sizes(made, side, patch, rows, cell):
    config = AutoConfig.for_model("internvl", vision_config={"image_size": side, "patch_size": patch})
    height, width = structure.picture(config, made("idefics3").processor.image_processor)
    assert height == width
    assert structure.cell(config, height, rows) == cell
    with pytest.raises(ValueError, match="not shared evenly"):
        structure.cell(config, height, 11)


def test_the_probe_leaves_no_hook(made):
    vlm = made("idefics3")
    probe.features(vlm, probe.noise(*vlm.size, 0))
    assert not vlm.decoder._forward_pre_hooks
