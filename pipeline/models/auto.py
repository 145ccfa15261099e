"""Any image-text-to-text model of transformers, as far as it can be measured."""

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any

import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor
from transformers import PROCESSOR_MAPPING, AutoModelForImageTextToText

from pipeline.models import habits, probe, structure
from pipeline.models.canvas import Canvas
from pipeline.models.checkpoint import without_video
from pipeline.models.fixed import FixedSize
from pipeline.models.layout import fold_patches
from pipeline.types import Query

CUTS = ("do_resize", "do_center_crop", "crop_to_patches", "do_image_splitting", "do_pan_and_scan")
"""Options of processors that change or cut a picture."""


class Auto(FixedSize):
    """A model of another family, by hub id or folder: measured when it is loaded, refused with the reason where that
    fails. Options as for `FixedSize`; they have no effect on families that take pictures of any size.

    Measured are the token of every cell (`probe`), and how the model treats text (`habits`). Families that say their
    grid (`image_grid_thw`) are shown the image at any size; the others one picture of their tower's size, never tiles.
    That costs a pass of the vision tower for each row and column of the grid, and a few more.

    Known to work: Qwen2.5-VL, Qwen3-VL, LLaVA-OneVision (of its two looks the second counts), Gemma 3, Idefics3,
    SmolVLM (needs num2words), PaliGemma (its checkpoints need a chat template of your own), and what Qwen2VL, LLaVA and
    InternVL describe. Refused is whatever has no chat template, shows a picture by tokens that are no square grid,
    bends its logits after the head, or whose processor forgets inputs that positions or masks depend on.
    """

    model_class = AutoModelForImageTextToText
    order: Int[Tensor, "rows cols"] | None = None

    @cached_property
    def processor_class(self) -> type:  # type: ignore[override]
        """The processor of this kind of model."""
        if type(self.config) not in PROCESSOR_MAPPING:
            raise self.unusable(f"transformers has no processor for {self.config.model_type}")
        return without_video(PROCESSOR_MAPPING[type(self.config)])

    @cached_property
    def free(self) -> bool:  # type: ignore[override]
        """Whether pictures may have any size."""
        return "image_grid_thw" in self.processor.image_processor.model_input_names

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the tower's picture; of a small probe, where pictures may have any size."""
        images = self.processor.image_processor
        if not self.free:
            return structure.picture(self.config, images)
        return 5 * images.patch_size * images.merge_size, 6 * images.patch_size * images.merge_size

    def load(self, device: torch.device | str = "cpu") -> None:
        """Read the weights; the first time, measure. Raises CheckpointError with the reason to refuse it."""
        super().load(device)
        if self.order is None:
            with self.reading("its weights do not fit its processor or config.json"):
                self.order = self._order()

    def try_out(self) -> None:
        """Nothing: measuring asks more."""

    def _order(self) -> Int[Tensor, "rows cols"]:
        """Measure; CheckpointError with the reason to refuse the model."""
        try:
            order, query = self.measured(), probe.question(self, probe.noise(*self.size, 0))
            habits.check_lens(self, query)
            self.follow = habits.continuation(self, query)
            self.causal = habits.is_causal(self, query)
        except ValueError as error:
            mend = "name another checkpoint, or describe its family as pipeline/models/qwen2_vl.py does"
            raise self.unusable(f"{error}; Auto refuses such a {self.config.model_type}: {mend}") from error
        return order

    def sketch(self, image: Image.Image, prompt: str) -> Query:
        """Until the model is loaded: about a picture of its own size, all image tokens in one row."""
        measured = self.free or self.order is not None
        return super().sketch(image, prompt) if measured else probe.question(self, probe.noise(*self.size, 0))

    def measured(self) -> Int[Tensor, "rows cols"]:
        """Which of the image tokens shows which cell of a picture."""
        show = partial(probe.features, self)
        if not self.free:
            return probe.squared(show, self.size, partial(structure.cell, self.config, self.size[0])).cpu()
        layout = probe.question(self, probe.noise(*self.size, 0)).layout
        return probe.row_by_row(show, self.size, layout.rows, layout.cols).cpu()

    def canvas(self, image: Image.Image) -> Canvas:
        """The tower's picture, a cell for what one token stands for."""
        if self.order is None:
            raise RuntimeError("the model is not loaded: call load(device) first")
        side = len(self.order)
        return Canvas(*self.size, side, side, structure.cell(self.config, self.size[0], side), self.fit, self.colour)

    def options(self, picture: Image.Image) -> dict[str, Any]:
        """A canvas is neither resized nor cut."""
        known = (name for name in CUTS if hasattr(self.processor.image_processor, name))
        return {} if self.free else dict.fromkeys(known, False)

    def grid(
        self, tokens: Int[Tensor, " n"], inputs: Mapping[str, Tensor], picture: Image.Image
    ) -> Int[Tensor, "rows cols"]:
        """As measured; until then, one row."""
        if self.free:
            return fold_patches(tokens, inputs["image_grid_thw"], self.processor.image_processor.merge_size)
        return tokens[None] if self.order is None else tokens[self.order]
