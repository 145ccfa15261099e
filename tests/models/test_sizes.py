"""Every part that explainers ask an adapter for is found in models of the real sizes."""

import pytest
from torch import nn

from tests.sizes import PARAMETERS, SIZES, on_meta

GATED = ("gate_proj", "up_proj", "down_proj", "act_fn")
PLACES = {
    "Qwen2VL": ("visual", "visual.merger", 32),
    "LLaVA": ("vision_tower", "multi_modal_projector", 24),
    "InternVL": ("vision_tower", "multi_modal_projector", 24),
}
"""Family -> vision tower, projector, blocks of the tower."""


@pytest.fixture(params=SIZES)
def vlm(request):
    return on_meta(request.param)


def test_the_number_of_parameters_is_the_published_one():
    found = {stem: sum(p.numel() for p in on_meta(stem).model.parameters()) for stem in SIZES}
    assert found == PARAMETERS


def test_every_part_is_found(vlm):
    text = vlm.model.config.get_text_config()
    width, heads, shared = text.hidden_size, text.num_attention_heads, text.num_key_value_heads
    assert len(vlm.blocks) == text.num_hidden_layers
    norms = [module for module in vlm.decoder.modules() if type(module).__name__.endswith("RMSNorm")]
    assert {tuple(norm.weight.shape) for norm in norms} == {(width,)}
    assert len(norms) == 2 * len(vlm.blocks) + 1
    assert norms[-1] is vlm.norm
    for block in vlm.blocks:
        mlps = [m for m in block.modules() if all(isinstance(getattr(m, name, None), nn.Module) for name in GATED)]
        assert [(m.up_proj.weight.shape, m.down_proj.weight.shape) for m in mlps] == [
            ((text.intermediate_size, width), (width, text.intermediate_size))
        ]
        attention = block.self_attn
        assert attention.q_proj.weight.shape == (heads * attention.head_dim, width)
        assert attention.k_proj.weight.shape == attention.v_proj.weight.shape == (shared * attention.head_dim, width)
        assert attention.o_proj.weight.shape == (width, heads * attention.head_dim)
        assert attention.head_dim * heads == width


def test_the_head_is_found_and_tied_where_it_should_be(vlm):
    text = vlm.model.config.get_text_config()
    assert vlm.head.weight.shape == (text.vocab_size, text.hidden_size)
    assert vlm.head.bias is None
    tied = vlm.head.weight is vlm.model.get_input_embeddings().weight
    assert tied == vlm.model.config.tie_word_embeddings


def test_tower_and_projector_are_found(vlm):
    tower, projector, blocks = PLACES[type(vlm).__name__]
    lists = [m for m in vlm.model.model.get_submodule(tower).modules() if isinstance(m, nn.ModuleList)]
    assert [len(found) for found in lists] == [blocks]
    last = [m for m in vlm.model.model.get_submodule(projector).modules() if isinstance(m, nn.Linear)][-1]
    assert last.out_features == vlm.model.config.get_text_config().hidden_size
