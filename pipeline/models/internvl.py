"""InternVL: square tiles of one size; tiles row by row, each row by row, the whole image once more at the end."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from jaxtyping import Int
from PIL.Image import Image
from torch import Tensor
from transformers import InternVLForConditionalGeneration, InternVLProcessor
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

from pipeline.models.canvas import Background, Canvas, Fit
from pipeline.models.checkpoint import HeadIn, without_video
from pipeline.models.fixed import FixedSize, Oversize
from pipeline.models.layout import fold


class InternVL(FixedSize):
    """InternVL 2.5 and later in transformers' own classes, by hub id or folder. Options as for `FixedSize`, and

    tiles: at most so many tiles, in the arrangement that the processor picks for the image's shape. With one, the image
    is stretched to a square (or see `canvas`). With several, the grid is that of all tiles stitched together; the
    overview that follows them is shown to the model but has no part in the grid. The tiles together are the canvas:
    at a smaller scale the image shrinks on them, in the same arrangement.
    """

    model_class = InternVLForConditionalGeneration
    processor_class = without_video(InternVLProcessor)

    def __init__(
        self,
        checkpoint: str,
        *,
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa",
        revision: str | None = None,
        max_new_tokens: int = 256,
        head: HeadIn = "float32",
        canvas: Fit = "stretch",
        background: Background = "mean",
        oversize: Oversize = "error",
        tiles: int = 1,
    ) -> None:
        if tiles < 1:
            raise ValueError(f"tiles: at least 1, got {tiles}")
        base = {"dtype": dtype, "attention": attention, "revision": revision, "max_new_tokens": max_new_tokens}
        painted = {"canvas": canvas, "background": background, "oversize": oversize}
        super().__init__(checkpoint, **base, head=head, **painted)  # type: ignore[arg-type]
        self.tiles = tiles

    def identity(self) -> dict[str, Any]:
        """As for every family of fixed size, and the number of tiles."""
        return super().identity() | {"tiles": self.tiles}

    @property
    def tile(self) -> tuple[int, int]:
        """Pixels and tokens along the side of a tile."""
        tower = self.config.vision_config
        return tower.image_size[0], round(tower.image_size[0] // tower.patch_size[0] * self.config.downsample_ratio)

    @cached_property
    def processor(self) -> Any:
        """With the number of tokens of a tile from the model's configuration."""
        processor = super().processor
        processor.image_seq_length = self.tile[1] ** 2
        return processor

    def canvas(self, image: Image) -> Canvas:
        """All tiles that `image` takes."""
        pixels, side = self.tile
        across, down = get_optimal_tiled_canvas((image.height, image.width), (pixels, pixels), 1, self.tiles)
        return Canvas(down * pixels, across * pixels, down * side, across * side, pixels // side, self.fit, self.colour)

    def options(self, picture: Image) -> dict[str, Any]:
        """Cut the picture, a canvas already, into as many tiles as it has."""
        count = picture.width * picture.height // self.tile[0] ** 2
        size = {"height": self.tile[0], "width": self.tile[0]}
        return {"size": size, "crop_to_patches": count > 1, "min_patches": count, "max_patches": count}

    def grid(self, tokens: Int[Tensor, " n"], inputs: Mapping[str, Tensor], picture: Image) -> Int[Tensor, "rows cols"]:
        """The tokens of all tiles, stitched."""
        pixels, side = self.tile
        down, across = picture.height // pixels, picture.width // pixels
        overview = side * side if down * across > 1 else 0
        tiles = fold(tokens[: len(tokens) - overview], down * across, side * side)
        return tiles.view(down, across, side, side).transpose(1, 2).reshape(down * side, across * side)
