"""What is done with a checkpoint's files first, in a child process, so that a run does nothing with them anew."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from pipeline.models import bounds, files
from pipeline.models.chat import framed
from pipeline.models.refusal import blaming

if TYPE_CHECKING:
    from pipeline.models.base import VLM

DEEPEST, WIDEST = 10_000, 2**26
"""Blocks of the deepest model, and entries of the largest vocabulary."""
MOST_TOKENS = 65_536
"""Tokens that a small picture and a question may take."""
SLACK = 2**24
"""Numbers that a model may hold besides its weights."""


def inspected(vlm: "VLM", folder: Path, names: list[str]) -> dict[str, Any]:
    """Return what the files `names` of `folder`, all of `vlm` but its weights, say of its chat, having used them all.

    The keys are those of `framed`. Raises CheckpointError or ValueError where they do not make a model that can be
    asked.
    """
    for name in names:
        if name.endswith(".json"):
            files.record(folder, name, files.LIMITS["vocabulary"])
    with blaming("tokenizer_config.json"):
        versions = files.optional(folder, "tokenizer_config.json").get("fast_tokenizer_files")
        if isinstance(versions, list) and (
            other := sorted(map(repr, set(versions) - {*files.versions(folder), "tokenizer.json"}))
        ):
            raise ValueError(f"fast_tokenizer_files names {other[0]}, which is not there")
    with blaming("config.json"):
        if vlm.config.to_dict().get("quantization_config"):
            raise ValueError("quantization_config: its weights are packed, which is not read; name the unpacked ones")
        extent = vlm.extent
        text = vlm.config.get_text_config()
        within("num_hidden_layers", extent.depth, 1, DEEPEST)
        within("vocab_size", extent.vocabulary, 1, WIDEST)
        within("image_token_id", vlm.config.image_token_id, 0, extent.vocabulary - 1)
        if text.pad_token_id is not None:
            within("pad_token_id", text.pad_token_id, -1, extent.vocabulary - 1)
    if "audio_tokenizer" in files.optional(folder, "processor_config.json"):
        raise ValueError("processor_config.json: audio_tokenizer would load another model; take it out")
    with blaming("its tokenizer or processor"):
        _ = vlm.processor
    with blaming("its tokenizer"):
        bounds.check(vlm.processor.tokenizer, extent.vocabulary)
    with blaming("its chat template"):
        vlm.__dict__["facts"] = frame = framed(vlm.templated, vlm.processor.tokenizer)
    with blaming("generation_config.json or config.json"):
        _ = vlm.end_text
    with blaming("its processor or config.json"):
        show(vlm, extent.vocabulary)
    return frame


def show(vlm: "VLM", vocabulary: int) -> None:
    """Ask about a picture without the weights. Raises ValueError where what comes of it could not be fed to a model."""
    query = vlm.sketch(picture(), "What is this?")
    ids = query.inputs["input_ids"]
    if query.layout.length > MOST_TOKENS:
        raise ValueError(f"a small picture takes {query.layout.length:,} tokens")
    if int(ids.min()) < 0 or int(ids.max()) >= vocabulary:
        raise ValueError(f"the question holds the token {int(ids.max())}, the model has {vocabulary}")
    for name, value in query.inputs.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ValueError(f"{name} of a picture are not finite numbers (image_std, rescale_factor)")


def picture(height: int = 120, width: int = 160) -> Image.Image:
    """Return noise."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def weighed(vlm: "VLM", folder: Path, names: list[str]) -> None:
    """Raise ValueError where the files of weights `names` are not whole, or are of another size than the model."""
    held = files.elements(folder, names)
    with blaming("config.json"), torch.device("meta"):
        model = vlm.blank()
        wanted = sum(math.prod(part.shape) for part in (*model.parameters(), *model.buffers()))
    if wanted > 2 * held + SLACK:
        raise ValueError(f"config.json describes a model of {wanted:,} numbers, the files of weights hold {held:,}")


def within(name: str, value: Any, least: int, most: int) -> None:
    """Raise ValueError unless `value` is a whole number from `least` to `most`."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}, expected a whole number from {least} to {most}")
