"""Tiny InternVL2.5 checkpoints of the remote-code layout: random weights, tokenizers trained on a few lines."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor

IM = ["<|im_end|>", "<|im_start|>"]
IMAGE = ["<img>", "</img>", "<IMG_CONTEXT>", "<ref>", "</ref>"]
LINES = [
    "Describe this image in one sentence. What is on the table?",
    "A brown dog and a traffic light, near two teddy bears — and a café.",
    "图片里有什么？一只棕色的狗，一盏红绿灯。",
    "def f(x):\n    return x  # two  spaces",
]


def facts(language: str, vocab: int, *, tied: bool = False, big_tower: bool = False, bias: bool = False) -> dict:
    """config.json. big_tower: RMS norms, normalised queries and keys, no bias, as InternViT-6B has them."""
    llm = {
        "architectures": [f"{language}ForCausalLM"],
        "vocab_size": vocab,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_act": "silu",
        "max_position_embeddings": 300,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000,
        "tie_word_embeddings": tied,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }
    if language == "InternLM2":
        llm |= {"bias": bias, "rope_scaling": {"type": "dynamic", "factor": 2.0}}
    else:
        llm |= {"use_sliding_window": False, "sliding_window": 8, "max_window_layers": 2, "rope_scaling": None}
    vision = {
        "model_type": "intern_vit_6b",
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "hidden_act": "gelu",
        "image_size": 24,
        "patch_size": 4,
        "num_channels": 3,
        "layer_norm_eps": 1e-6,
        "initializer_range": 0.02,
        "norm_type": "rms_norm" if big_tower else "layer_norm",
        "qkv_bias": not big_tower,
        "qk_normalization": big_tower,
    }
    return {
        "model_type": "internvl_chat",
        "auto_map": {"AutoModel": "modeling_internvl_chat.InternVLChatModel"},
        "template": "internvl2_5",
        "ps_version": "v2",
        "select_layer": -1,
        "downsample_ratio": 0.5,
        "force_image_size": 24,
        "dynamic_image_size": True,
        "min_dynamic_patch": 1,
        "max_dynamic_patch": 12,
        "use_thumbnail": True,
        "torch_dtype": "float32",
        "llm_config": llm,
        "vision_config": vision,
    }


def weights(facts: dict, seed: int = 0) -> dict[str, Tensor]:
    """Random tensors of the old names; norms near 1, everything else of a size that lets every part be heard."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        scale = 1.2 * shape[-1] ** -0.5 if len(shape) > 1 else 0.3
        return torch.randn(shape, generator=random) * scale

    llm, vision = facts["llm_config"], facts["vision_config"]
    dim, inner, tower = llm["hidden_size"], llm["intermediate_size"], vision["hidden_size"]
    size = dim // llm["num_attention_heads"]
    groups = llm["num_key_value_heads"]
    fused = llm["architectures"][0] == "InternLM2ForCausalLM"
    made: dict[str, Tensor] = {}

    def linear(name: str, out: int, into: int, bias: bool = False) -> None:
        made[f"{name}.weight"] = draw(out, into)
        if bias:
            made[f"{name}.bias"] = draw(out)

    def norm(name: str, width: int, bias: bool = False) -> None:
        made[f"{name}.weight"] = 1 + draw(width)
        if bias:
            made[f"{name}.bias"] = draw(width)

    at = "vision_model.embeddings."
    patch = vision["patch_size"]
    made[at + "class_embedding"] = draw(1, 1, tower)
    made[at + "position_embedding"] = draw(1, (vision["image_size"] // patch) ** 2 + 1, tower)
    made[at + "patch_embedding.weight"] = draw(tower, 3, patch, patch)
    made[at + "patch_embedding.bias"] = draw(tower)
    for n in range(vision["num_hidden_layers"]):
        at = f"vision_model.encoder.layers.{n}."
        linear(at + "attn.qkv", 3 * tower, tower, vision["qkv_bias"])
        linear(at + "attn.proj", tower, tower, True)
        if vision["qk_normalization"]:
            norm(at + "attn.q_norm", tower)
            norm(at + "attn.k_norm", tower)
        linear(at + "mlp.fc1", vision["intermediate_size"], tower, True)
        linear(at + "mlp.fc2", tower, vision["intermediate_size"], True)
        norm(at + "norm1", tower, vision["norm_type"] == "layer_norm")
        norm(at + "norm2", tower, vision["norm_type"] == "layer_norm")
        made |= {at + "ls1": 1 + draw(tower), at + "ls2": 1 + draw(tower)}
    norm("mlp1.0", 4 * tower, True)
    linear("mlp1.1", dim, 4 * tower, True)
    linear("mlp1.3", dim, dim, True)
    at = "language_model.model."
    linear(at + ("tok_embeddings" if fused else "embed_tokens"), llm["vocab_size"], dim)
    norm(at + "norm", dim)
    for n in range(llm["num_hidden_layers"]):
        at = f"language_model.model.layers.{n}."
        if fused:
            linear(at + "attention.wqkv", dim + 2 * groups * size, dim, llm["bias"])
            linear(at + "attention.wo", dim, dim, llm["bias"])
        else:
            linear(at + "self_attn.q_proj", dim, dim, True)
            linear(at + "self_attn.k_proj", groups * size, dim, True)
            linear(at + "self_attn.v_proj", groups * size, dim, True)
            linear(at + "self_attn.o_proj", dim, dim)
        for old, new, shape in (
            ("feed_forward.w1", "mlp.gate_proj", (inner, dim)),
            ("feed_forward.w2", "mlp.down_proj", (dim, inner)),
            ("feed_forward.w3", "mlp.up_proj", (inner, dim)),
        ):
            linear(at + (old if fused else new), *shape)
        norm(at + ("attention_norm" if fused else "input_layernorm"), dim)
        norm(at + ("ffn_norm" if fused else "post_attention_layernorm"), dim)
    if not llm["tie_word_embeddings"]:
        linear("language_model.output" if fused else "language_model.lm_head", llm["vocab_size"], dim)
    return made


def internlm2_words(
    folder: Path,
    *,
    prefix: bool = False,
    normaliser: str = "identity",
    kind: str = "bpe",
    symbols: Sequence[str] = ("——", "Ｅ"),
) -> int:
    """Write tokenizer.model and tokenizer_config.json as InternLM2 has them; the number of tokens.

    prefix: whether sentencepiece puts a space in front. symbols: user-defined ones.
    """
    written = io.BytesIO()
    unused = [f"[UNUSED_TOKEN_{n}]" for n in range(4)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 4),
        model_writer=written,
        model_type=kind,
        vocab_size=430,
        hard_vocab_limit=False,
        byte_fallback=True,
        add_dummy_prefix=prefix,
        remove_extra_whitespaces=False,
        normalization_rule_name=normaliser,
        user_defined_symbols=[*symbols, *unused],
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(written.getvalue())
    model = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    places = [model.piece_to_id(piece) for piece in unused[2:]]
    added = {0: "<unk>", 1: "<s>", 2: "</s>", **dict(zip(places, IM, strict=True))}
    added |= {model.get_piece_size() + n: token for n, token in enumerate(IMAGE)}
    settings = {
        "added_tokens_decoder": {str(n): {"content": token, "special": True} for n, token in added.items()},
        "auto_map": {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]},
        "add_bos_token": True,
        **{"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"},
        "tokenizer_class": "InternLM2Tokenizer",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return model.get_piece_size() + len(IMAGE)


def qwen2_words(folder: Path) -> int:
    """Write vocab.json, merges.txt and tokenizer_config.json as Qwen2.5 has them; the number of tokens."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(LINES, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet))
    core.model.save(str(folder))
    size = core.get_vocab_size()
    added = dict(enumerate(["<|endoftext|>", *IM[::-1], "<|video_pad|>", *IMAGE], size))
    entries = {str(n): {"content": token, "special": True, "normalized": False} for n, token in added.items()}
    settings = {
        "added_tokens_decoder": entries,
        **{"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        "tokenizer_class": "Qwen2Tokenizer",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return size + len(added)


def checkpoint(folder: Path, language: str, *, shards: int = 1, **options: bool) -> tuple[dict, dict[str, Tensor]]:
    """Write a whole checkpoint; its config.json and its weights. options: those of `facts`."""
    folder.mkdir(parents=True)
    vocab = (internlm2_words if language == "InternLM2" else qwen2_words)(folder)
    config = facts(language, vocab, **options)
    tensors = weights(config)
    (folder / "config.json").write_text(json.dumps(config))
    names = list(tensors)
    for n in range(shards):
        name = f"model-{n + 1:05d}-of-{shards:05d}.safetensors" if shards > 1 else "model.safetensors"
        save_file({key: tensors[key] for key in names[n::shards]}, folder / name, metadata={"format": "pt"})
    return config, tensors
