"""Tiny random models, saved to a folder and loaded through the loader that real checkpoints take."""

import json
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2VLConfig, Qwen2VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pipeline.models.passes import Passes
from pipeline.models.qwen2_vl import ImageProcessor, Qwen2VL
from pipeline.types import WHOLE, Answer, Layout, Query
from tests import golden_files

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
SPECIAL += ["<|image_pad|>", "<|video_pad|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = [
    "Describe this image in one sentence.",
    "What is on the table? A brown dog and a traffic light, near two teddy bears.",
    "user assistant You are a helpful assistant.",
]
PATCH = 8
CELL = 2 * PATCH


def qwen2_vl_folder(
    folder: Path,
    *,
    vocab: int = 400,
    layers: int = 3,
    hidden: int = 32,
    heads: int = 4,
    vision: int = 32,
    vision_layers: int = 2,
    vision_heads: int = 2,
    patch: int = PATCH,
    most: int = 64,
    tied: bool = False,
    ends: bool = False,
    seed: int = 0,
) -> Path:
    """Write a tiny Qwen2-VL checkpoint: model, tokenizer, image processor, template.

    One visual token per 2 x 2 patches, 16 x 16 pixels. vocab: rows of the head (at least those of the tokenizer,
    about 320). most: visual tokens of an image. ends: whether generation stops at <|im_end|>; without it every answer
    has the full length.
    """
    cell, rotary = 2 * patch, hidden // heads // 2
    tokenizer = byte_tokenizer(ends)
    ids = tokenizer.get_vocab().__getitem__
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": max(vocab, len(tokenizer)),
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads // 2,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [rotary - 2 * (rotary // 3), rotary // 3, rotary // 3],
            },
            "pad_token_id": ids("<|endoftext|>"),
            "eos_token_id": ids("<|im_end|>"),
            "bos_token_id": None,
        },
        vision_config={
            "depth": vision_layers,
            "embed_dim": vision,
            "hidden_size": hidden,
            "num_heads": vision_heads,
            "mlp_ratio": 2,
            "patch_size": patch,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=tied,
    )
    torch.manual_seed(seed)
    model = Qwen2VLForConditionalGeneration(config)
    enliven(model)
    model.generation_config.eos_token_id = ids("<|im_end|>") if ends else None
    model.generation_config.pad_token_id = ids("<|endoftext|>")
    model.save_pretrained(folder)
    pixels = {"shortest_edge": cell * cell, "longest_edge": most * cell * cell}
    images = Qwen2VLImageProcessorPil(patch_size=patch, merge_size=2, size=pixels)
    ImageProcessor(images, tokenizer, None, chat_template=TEMPLATE).save_pretrained(folder)
    return folder


def enliven(model: torch.nn.Module) -> None:
    """Scale random weights up, so that greedy answers vary and equalities prove something."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2:
                fan_in = 1 if "embed_tokens" in name else math.prod(weight.shape[1:])
                weight.normal_(0, 1.2 / math.sqrt(fan_in))
            elif name.endswith("bias"):
                weight.normal_(0, 0.1)


def byte_tokenizer(ends: bool) -> PreTrainedTokenizerFast:
    """A byte-level BPE: any text can be coded, rare characters as several tokens."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=310, initial_alphabet=alphabet, special_tokens=[])
    core.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>" if ends else None,
        pad_token="<|endoftext|>",
        extra_special_tokens=SPECIAL,
    )


def qwen2_vl(folder: Path, max_new_tokens: int = 8, **options: int | bool) -> Qwen2VL:
    """A tiny loaded Qwen2-VL; `options` are those of `qwen2_vl_folder`."""
    vlm = Qwen2VL(str(qwen2_vl_folder(folder, **options)), max_new_tokens=max_new_tokens)  # type: ignore[arg-type]
    vlm.load("cpu")
    return vlm


def image(rows: int, cols: int, seed: int = 0) -> Image.Image:
    """Noise that fills a grid of rows x cols visual tokens exactly."""
    noise = np.random.default_rng(seed).integers(0, 256, (rows * CELL, cols * CELL, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def golden_passes(path: Path) -> tuple[Passes, Query, Answer, dict[str, np.ndarray]]:
    """The golden Qwen2-VL model on one golden case: its passes, query, answer and all arrays of the file."""
    arrays = golden_files.load(path)
    start = int(arrays["n_prompt"])
    inputs = {n.removeprefix("in_"): torch.from_numpy(a) for n, a in arrays.items() if n.startswith("in_")}
    length = inputs["input_ids"].shape
    inputs = {name: a[:, :start] if a.shape == length else a for name, a in inputs.items()}
    rows, cols = arrays["grid"].tolist()
    vision, prompt = (torch.from_numpy(arrays[n]) for n in ("visual_positions", "prompt_text_positions"))
    query = Query(image(rows, cols), "", 1.0, inputs, Layout(vision, rows, cols, WHOLE, prompt, start))
    ids = tuple(arrays["target_ids"].tolist())
    pieces = tuple(f" {i}" for i in ids)
    answer = Answer(ids, pieces, "".join(pieces), True)
    vlm = Qwen2VL(str(path.parent / "model_qwen2vl"))
    vlm.load("cpu")
    return Passes(vlm, [query], [answer]), query, answer, arrays


def tolerance(path: Path, name: str) -> float:
    """Largest allowed max|difference| / max|reference| of one array of a golden case, by its manifest."""
    manifest = json.loads((path.parent / "manifest.json").read_text())
    return manifest["files"][path.name][name]["tolerance_fp32"]
