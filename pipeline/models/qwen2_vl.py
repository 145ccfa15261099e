"""Qwen2-VL: images of free size, one visual token per merged square of patches, row-major."""

from collections.abc import Mapping

from torch import Tensor, nn
from transformers import Qwen2VLForConditionalGeneration, Qwen2VLProcessor

from pipeline.models.base import VLM

ImageProcessor = type(
    "Qwen2VLImageTextProcessor",
    (Qwen2VLProcessor,),
    {"get_attributes": classmethod(lambda cls: ["image_processor", "tokenizer"])},
)
"""Without the video processor, which would want torchvision."""


class Qwen2VL(VLM):
    """Qwen2-VL of any size, by hub id or folder."""

    model_class = Qwen2VLForConditionalGeneration
    processor_class = ImageProcessor

    def grid(self, inputs: Mapping[str, Tensor]) -> tuple[int, int]:
        """Rows and columns after `merge_size` x `merge_size` patches became one token."""
        if "mm_token_type_ids" not in inputs:
            raise ValueError("the processor left out mm_token_type_ids, without which positions are wrong")
        frames, rows, cols = inputs["image_grid_thw"][0].tolist()
        merge = self.processor.image_processor.merge_size
        if frames != 1:
            raise ValueError(f"{frames} frames where one image was expected")
        return rows // merge, cols // merge

    @property
    def norm(self) -> nn.Module:
        """The final norm of the language model."""
        return self.model.model.language_model.norm

    @property
    def blocks(self) -> nn.ModuleList:
        """The decoder blocks of the language model."""
        return self.model.model.language_model.layers
