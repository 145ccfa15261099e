"""Qwen2-VL: images of free size, one visual token per merged square of patches, row-major."""

from collections.abc import Mapping

from jaxtyping import Int
from PIL.Image import Image
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration, Qwen2VLProcessor

from pipeline.models.base import VLM
from pipeline.models.checkpoint import without_video
from pipeline.models.layout import fold_patches


class Qwen2VL(VLM):
    """Qwen2-VL of any size, by hub id or folder."""

    model_class = Qwen2VLForConditionalGeneration
    processor_class = without_video(Qwen2VLProcessor)

    def grid(self, tokens: Int[Tensor, " n"], inputs: Mapping[str, Tensor], picture: Image) -> Int[Tensor, "rows cols"]:
        """Row by row, after `merge_size` x `merge_size` patches became one token."""
        if "mm_token_type_ids" not in inputs:
            raise ValueError("the processor left out mm_token_type_ids, without which positions are wrong")
        return fold_patches(tokens, inputs["image_grid_thw"], self.processor.image_processor.merge_size)
