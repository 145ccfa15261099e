"""Families whose vision tower takes one size of picture: every scale is painted on the same canvas."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import torch
from PIL.Image import Image

from pipeline.models.base import VLM
from pipeline.models.canvas import Background, Canvas, Fit, View
from pipeline.models.checkpoint import HeadIn
from pipeline.types import Trace

Oversize = Literal["error", "windows"]


class FixedSize(VLM):
    """The image is fitted to the canvas once, at scale 1; at a smaller scale it is shrunk on a canvas that stays as
    large (arXiv 2509.22415, eq. 3), from the top left corner. All tokens pass through the model; the grid of a query
    holds those that show the image. The processor's own resizing and cropping is not used.

    canvas: how the image is fitted, see `Canvas.fit`. background: colour around it, the processor's mean (0 after
    normalisation) or black. oversize: at scales above 1, an error, or windows as large as the canvas over the enlarged
    image, each passed through the model, whose states are averaged where they overlap. The lens is linear, so that
    averages the maps too; the paper does not say what it did.
    """

    free: bool = False
    """Whether the checkpoint takes pictures of any size after all: then none of this applies."""

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
    ) -> None:
        for name, value, known in (
            ("canvas", canvas, Fit),
            ("background", background, Background),
            ("oversize", oversize, Oversize),
        ):
            if value not in get_args(known):
                raise ValueError(f"{name}: one of {', '.join(get_args(known))}, got {value}")
        base = {"dtype": dtype, "attention": attention, "revision": revision, "max_new_tokens": max_new_tokens}
        super().__init__(checkpoint, **base, head=head)  # type: ignore[arg-type]
        self.fit, self.background, self.oversize = canvas, background, oversize

    @abstractmethod
    def canvas(self, image: Image) -> Canvas:
        """The canvas for `image`."""

    @property
    def colour(self) -> tuple[int, int, int]:
        """Of the canvas where the image leaves it blank."""
        mean = self.processor.image_processor.image_mean if self.background == "mean" else (0, 0, 0)
        red, green, blue = (round(255 * value) for value in mean)
        return red, green, blue

    def identity(self) -> dict[str, Any]:
        """As for every family, and how images are put on the canvas."""
        painted = {"canvas": self.fit, "background": self.background, "oversize": self.oversize}
        return super().identity() | painted

    def admit(self, scales: Iterable[float], windows: bool = True) -> None:
        """Raises ValueError for scales above 1 unless windows are allowed, and will do."""
        large = sorted(scale for scale in scales if scale > 1)
        if large and not self.free and (self.oversize == "error" or not windows):
            mend = "leave such scales out" + (" or set oversize: windows" if windows else "")
            raise ValueError(f"oversize: scale {large[0]} is larger than the model's fixed input; {mend}")

    def view(self, image: Image, scale: float) -> View:
        """The image painted on the canvas. Raises ValueError for a scale above 1, which takes several views."""
        if self.free:
            return super().view(image, scale)
        if scale > 1:
            raise ValueError(f"scale {scale} takes several windows of the model's fixed input, not one query")
        return next(self.canvas(image).views(image, scale))

    def look(self, images: Sequence[Image], prompts: Sequence[str], scale: float) -> list[Trace]:
        """Visual states at a scale; above 1 averaged over windows, one batch of windows an image."""
        self.admit([scale])
        if scale <= 1 or self.free:
            return super().look(images, prompts, scale)
        return [self._windows(image, prompt, scale) for image, prompt in zip(images, prompts, strict=True)]

    def _windows(self, image: Image, prompt: str, scale: float) -> Trace:
        canvas = self.canvas(image)
        rows, cols = canvas.grid(image, scale)
        views = list(canvas.views(image, scale))
        traces = self.trace([self.query(image, prompt, scale, view) for view in views])
        states = traces[0].vision
        total = states.new_zeros(rows, cols, states.shape[1], dtype=torch.float32)
        count = total.new_zeros(rows, cols, 1)
        for view, trace in zip(views, traces, strict=True):
            here = slice(view.top, view.top + trace.rows), slice(view.left, view.left + trace.cols)
            total[here] += trace.vision.view(trace.rows, trace.cols, -1)
            count[here] += 1
        return Trace(scale, rows, cols, (total / count).to(states.dtype).flatten(0, 1))
