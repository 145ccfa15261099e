"""LLaVA-1.5: a CLIP tower for pictures of one size, one visual token per patch, row-major."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from jaxtyping import Int
from PIL.Image import Image
from torch import Tensor
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from pipeline.models.canvas import Canvas
from pipeline.models.fixed import FixedSize
from pipeline.models.layout import fold


class LLaVA(FixedSize):
    """LLaVA-1.5 of any size, by hub id or folder. Options as for `FixedSize`.

    The processor of the published checkpoints shows the middle square only: `canvas: crop` shows the same, pixel for
    pixel, and is what the configurations of the published checkpoints choose, so that their figures can stand beside
    the paper's. The default of this class, `canvas: stretch`, shows the whole image.
    """

    model_class = LlavaForConditionalGeneration
    processor_class = LlavaProcessor

    @cached_property
    def processor(self) -> Any:
        """With the tower's facts from the model's configuration: old processor configurations lack them."""
        processor = super().processor
        processor.patch_size = self.config.vision_config.patch_size
        processor.vision_feature_select_strategy = strategy = self.config.vision_feature_select_strategy
        processor.num_additional_image_tokens = int(strategy == "default")  # CLS, which that strategy drops
        return processor

    def canvas(self, image: Image) -> Canvas:
        """The tower's picture, a cell per patch."""
        tower = self.config.vision_config
        side, patch = tower.image_size, tower.patch_size
        return Canvas(side, side, side // patch, side // patch, patch, self.fit, self.colour)

    def options(self, picture: Image) -> dict[str, Any]:
        """The picture is a canvas already."""
        return {"do_resize": False, "do_center_crop": False}

    def grid(self, tokens: Int[Tensor, " n"], inputs: Mapping[str, Tensor], picture: Image) -> Int[Tensor, "rows cols"]:
        """Row by row."""
        canvas = self.canvas(picture)
        return fold(tokens, canvas.rows, canvas.cols)
