"""The second path, head by head and token by token, from the weights themselves."""

import math

import pytest
import torch

from pipeline.models.decoder import enter
from pipeline.models.surgery import surgery


def slowly(vlm, query, answer, blocks, causal):
    """The new path in float64 with the inputs that the blocks saw on the model's own."""
    inputs = []
    hooks = [b.register_forward_pre_hook(lambda module, args: inputs.append(args[0][0].double())) for b in vlm.blocks]
    vlm.trace([query], [answer])
    for hook in hooks:
        hook.remove()
    vision = query.layout.vision.tolist()
    first = len(vlm.blocks) - blocks
    path = inputs[first][vision].clone()
    for block, states in list(zip(vlm.blocks, inputs, strict=True))[first:]:
        attn, normed = block.self_attn, block.input_layernorm(states.float()).double()
        values = normed @ attn.v_proj.weight.double().T + (0 if attn.v_proj.bias is None else attn.v_proj.bias)
        seen = []
        for head in range(vlm.config.get_text_config().num_attention_heads):
            start = head // attn.num_key_value_groups * attn.head_dim
            own = values[vision, start : start + attn.head_dim]
            rows = []
            for i, value in enumerate(own):
                allowed = [j for j in range(len(own)) if not causal or vision[j] <= vision[i]]
                weights = torch.tensor([float(value @ own[j]) / math.sqrt(attn.head_dim) for j in allowed]).softmax(0)
                rows.append(weights.double() @ own[allowed])
            seen.append(torch.stack(rows))
        path = path + torch.cat(seen, 1) @ attn.o_proj.weight.double().T
    return vlm.norm(path.float())


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("blocks", [1, 2])
def test_new_path(vlm, asked, said, blocks, causal):
    query, answer = asked[0], said[0][0]
    found = surgery(vlm, enter(vlm, query, answer), query.layout, blocks, causal)
    expected = slowly(vlm, query, answer, blocks, causal)
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-4)


def test_no_block_leaves_the_models_own_states(vlm, asked, said):
    found = surgery(vlm, enter(vlm, asked[0], said[0][0]), asked[0].layout, 0)
    torch.testing.assert_close(found, said[1][0].vision, rtol=0, atol=1e-4)
