"""InternVL2.5 as its remote code computes it, from the tensors of that layout: float64, one sequence, no cache.

InternVL 1.5, arXiv 2404.16821, section 3 (tower, pixel shuffle, projector); InternLM2, arXiv 2403.17297, section 2.2
(the layout of `wqkv`); Qwen2, arXiv 2407.10671. Imports nothing of the pipeline.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def logits(weights: dict[str, Tensor], facts: dict, pixels: Tensor, ids: Tensor, image_id: int) -> Tensor:
    """Logits (tokens x vocabulary) of `ids`, the tokens `image_id` among them standing for `pixels` (one tile)."""
    weights = {name: tensor.double() for name, tensor in weights.items()}
    llm = facts["llm_config"]
    fused = llm["architectures"][0] == "InternLM2ForCausalLM"
    names = ("tok_embeddings", "output") if fused else ("embed_tokens", "lm_head")
    embedding = weights[f"language_model.model.{names[0]}.weight"]
    states = embedding[ids].clone()
    states[ids == image_id] = visual_tokens(weights, facts, pixels.double())
    for n in range(llm["num_hidden_layers"]):
        at = f"language_model.model.layers.{n}."
        states = (internlm2_block if fused else qwen2_block)(at, weights, llm, states)
    states = rms(states, weights["language_model.model.norm.weight"], llm["rms_norm_eps"])
    head = embedding if llm["tie_word_embeddings"] else weights[f"language_model.{names[1]}.weight"]
    return states @ head.T


def visual_tokens(w: dict[str, Tensor], facts: dict, pixels: Tensor) -> Tensor:
    vision = facts["vision_config"]
    dim, patch = vision["hidden_size"], vision["patch_size"]
    at = "vision_model.embeddings."
    patches = F.conv2d(pixels[None], w[at + "patch_embedding.weight"], w[at + "patch_embedding.bias"], stride=patch)[0]
    rows, cols = patches.shape[1:]
    states = torch.cat([w[at + "class_embedding"][0], patches.flatten(1).T]) + w[at + "position_embedding"][0]
    for n in range(vision["num_hidden_layers"]):
        at = f"vision_model.encoder.layers.{n}."
        states = states + w[at + "ls1"] * vision_attention(at, w, vision, tower_norm(at + "norm1", w, vision, states))
        inner = tower_norm(at + "norm2", w, vision, states) @ w[at + "mlp.fc1.weight"].T + w[at + "mlp.fc1.bias"]
        states = states + w[at + "ls2"] * (F.gelu(inner) @ w[at + "mlp.fc2.weight"].T + w[at + "mlp.fc2.bias"])
    grid = states[1:].view(rows, cols, dim)
    cells = [
        torch.cat([grid[2 * i, 2 * j], grid[2 * i, 2 * j + 1], grid[2 * i + 1, 2 * j], grid[2 * i + 1, 2 * j + 1]])
        for i in range(rows // 2)
        for j in range(cols // 2)
    ]
    tokens = F.layer_norm(torch.stack(cells), (4 * dim,), w["mlp1.0.weight"], w["mlp1.0.bias"], 1e-5)
    tokens = F.gelu(tokens @ w["mlp1.1.weight"].T + w["mlp1.1.bias"])
    return tokens @ w["mlp1.3.weight"].T + w["mlp1.3.bias"]


def tower_norm(at: str, w: dict[str, Tensor], vision: dict, states: Tensor) -> Tensor:
    if vision["norm_type"] == "rms_norm":
        return rms(states, w[at + ".weight"], vision["layer_norm_eps"])
    return F.layer_norm(states, states.shape[-1:], w[at + ".weight"], w[at + ".bias"], vision["layer_norm_eps"])


def vision_attention(at: str, w: dict[str, Tensor], vision: dict, states: Tensor) -> Tensor:
    dim, heads = vision["hidden_size"], vision["num_attention_heads"]
    fused = states @ w[at + "attn.qkv.weight"].T
    if vision["qkv_bias"]:
        fused = fused + w[at + "attn.qkv.bias"]
    q, k, v = fused[:, :dim], fused[:, dim : 2 * dim], fused[:, 2 * dim :]
    if vision["qk_normalization"]:
        q, k = rms(q, w[at + "attn.q_norm.weight"], 1e-6), rms(k, w[at + "attn.k_norm.weight"], 1e-6)
    size = dim // heads
    out = [softmax_mix(q[:, a : a + size], k[:, a : a + size], v[:, a : a + size], False) for a in range(0, dim, size)]
    return torch.cat(out, 1) @ w[at + "attn.proj.weight"].T + w[at + "attn.proj.bias"]


def internlm2_block(at: str, w: dict[str, Tensor], llm: dict, states: Tensor) -> Tensor:
    heads, groups = llm["num_attention_heads"], llm["num_key_value_heads"]
    size, shared = llm["hidden_size"] // heads, heads // groups
    normed = rms(states, w[at + "attention_norm.weight"], llm["rms_norm_eps"])
    fused = normed @ w[at + "attention.wqkv.weight"].T
    if llm["bias"]:
        fused = fused + w[at + "attention.wqkv.bias"]
    slots = fused.view(len(states), groups * (shared + 2), size)
    out = []
    for head in range(heads):
        first = head // shared * (shared + 2)  # slot of the group: its queries, its key, its value
        q, k, v = slots[:, first + head % shared], slots[:, first + shared], slots[:, first + shared + 1]
        out.append(softmax_mix(rotated(q, llm), rotated(k, llm), v, True))
    mixed = torch.cat(out, 1) @ w[at + "attention.wo.weight"].T
    states = states + (mixed + w[at + "attention.wo.bias"] if llm["bias"] else mixed)
    normed = rms(states, w[at + "ffn_norm.weight"], llm["rms_norm_eps"])
    gate, up = normed @ w[at + "feed_forward.w1.weight"].T, normed @ w[at + "feed_forward.w3.weight"].T
    return states + (F.silu(gate) * up) @ w[at + "feed_forward.w2.weight"].T


def qwen2_block(at: str, w: dict[str, Tensor], llm: dict, states: Tensor) -> Tensor:
    heads, groups = llm["num_attention_heads"], llm["num_key_value_heads"]
    size, shared = llm["hidden_size"] // heads, heads // groups
    normed = rms(states, w[at + "input_layernorm.weight"], llm["rms_norm_eps"])
    q, k, v = (normed @ w[f"{at}self_attn.{n}_proj.weight"].T + w[f"{at}self_attn.{n}_proj.bias"] for n in "qkv")
    out = []
    for head in range(heads):
        own, group = slice(head * size, (head + 1) * size), slice(head // shared * size, (head // shared + 1) * size)
        out.append(softmax_mix(rotated(q[:, own], llm), rotated(k[:, group], llm), v[:, group], True))
    states = states + torch.cat(out, 1) @ w[at + "self_attn.o_proj.weight"].T
    normed = rms(states, w[at + "post_attention_layernorm.weight"], llm["rms_norm_eps"])
    gate, up = normed @ w[at + "mlp.gate_proj.weight"].T, normed @ w[at + "mlp.up_proj.weight"].T
    return states + (F.silu(gate) * up) @ w[at + "mlp.down_proj.weight"].T


def rotated(x: Tensor, llm: dict) -> Tensor:
    """Rotary positions, halves paired; dynamic NTK scaling once the sequence is longer than the model was made for."""
    length, size = x.shape
    base, longest = llm["rope_theta"], llm["max_position_embeddings"]
    scaling = llm.get("rope_scaling")
    if scaling and scaling["type"] == "dynamic" and length > longest:
        factor = scaling["factor"]
        base *= (factor * length / longest - (factor - 1)) ** (size / (size - 2))
    out = torch.empty_like(x)
    for position in range(length):
        for n in range(size // 2):
            angle = position / base ** (2 * n / size)
            a, b = x[position, n], x[position, n + size // 2]
            out[position, n] = a * math.cos(angle) - b * math.sin(angle)
            out[position, n + size // 2] = b * math.cos(angle) + a * math.sin(angle)
    return out


def softmax_mix(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    scores = q @ k.T / math.sqrt(q.shape[1])
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
    return scores.softmax(1) @ v


def rms(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return weight * x / (x.square().mean(-1, keepdim=True) + eps).sqrt()
