"""Images on an input of fixed size: where a picture goes, and which cells of the token grid then show it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from pipeline.types import WHOLE, Box

Fit = Literal["stretch", "letterbox", "crop"]
Background = Literal["mean", "black"]
LARGEST = 1 << 27
"""Pixels that an image may have while it is cropped: 400 MB, sides of about 1 to 1,000 at 336 pixels."""


@dataclass(frozen=True, eq=False)
class View:
    """What a processor is given of an image.

    picture: RGB. rows, cols: the cells, counted from the top left corner, that show the image; None for all of them.
    box: the part of the image that these cells cover. top, left: where they start in the grid of all views.
    """

    picture: Image.Image
    rows: int | None = None
    cols: int | None = None
    box: Box = WHOLE
    top: int = 0
    left: int = 0


@dataclass(frozen=True)
class Canvas:
    """A picture of fixed size, cut into `rows` x `cols` square cells of `cell` pixels from the top left corner.

    height, width: of the picture; what the cells leave over stays blank. fit: `stretch` the image over all cells;
    `letterbox`, keep its shape as far as whole cells allow; `crop`, show its middle only, at scale 1 pixel for pixel
    what the image processors of CLIP make of it: the shorter side is resized, the longer one cut. colour: of blank
    pixels.

    At every scale the image fills whole cells, so that all scales stand on each other when their grids are resized to
    one size. A scale that is no whole number of cells is rounded to the nearest.
    """

    height: int
    width: int
    rows: int
    cols: int
    cell: int
    fit: Fit
    colour: tuple[int, int, int]

    def covering(self, image: Image.Image) -> tuple[int, int]:
        """Return the width and height in pixels of `image` resized so that it just covers all cells. The longer side is
        rounded down, as image processors do. Raise ValueError for a picture too long and thin to be held."""
        width, height = self.cols * self.cell, self.rows * self.cell
        if image.width * height <= image.height * width:
            size = width, max(height, int(width * image.height / image.width))
        else:
            size = max(width, int(height * image.width / image.height)), height
        if size[0] * size[1] > LARGEST:
            raise ValueError(f"canvas: crop would enlarge it to {size[0]} x {size[1]} pixels; choose canvas: stretch")
        return size

    def box(self, image: Image.Image) -> Box:
        """Return the part of `image` that is shown."""
        if self.fit != "crop":
            return WHOLE
        width, height = self.covering(image)
        left, top = (width - self.cols * self.cell) // 2, (height - self.rows * self.cell) // 2
        right, bottom = left + self.cols * self.cell, top + self.rows * self.cell
        return top / height, left / width, bottom / height, right / width

    def content(self, image: Image.Image, rows: int, cols: int) -> Image.Image:
        """Return the part of `image` that is shown, resized (bicubic) to `rows` x `cols` cells."""
        image, (top, left, bottom, right) = image.convert("RGB"), self.box(image)
        if self.fit == "crop" and (rows, cols) == (self.rows, self.cols):
            width, height = self.covering(image)
            corner = round(left * width), round(top * height)
            whole = image.resize((width, height), Image.Resampling.BICUBIC)
            return whole.crop((*corner, corner[0] + cols * self.cell, corner[1] + rows * self.cell))
        shown = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        return image.resize((cols * self.cell, rows * self.cell), Image.Resampling.BICUBIC, box=shown)

    def grid(self, image: Image.Image, scale: float) -> tuple[int, int]:
        """Rows and columns that the image fills at `scale`; more than there are where the scale is above 1."""
        rows, cols = self.rows, self.cols
        if self.fit == "letterbox":
            ratio = cols * image.height / (rows * image.width)
            rows, cols = max(1, round(rows * min(1.0, ratio))), max(1, round(cols * min(1.0, 1 / ratio)))
        return max(1, round(scale * rows)), max(1, round(scale * cols))

    def views(self, image: Image.Image, scale: float) -> Iterator[View]:
        """One view up to scale 1; above, overlapping windows of the enlarged image, row by row."""
        rows, cols = self.grid(image, scale)
        top, left, bottom, right = self.box(image)
        content = self.content(image, rows, cols)
        for first in starts(rows, self.rows):
            for begin in starts(cols, self.cols):
                high, wide = min(rows, self.rows), min(cols, self.cols)
                corner = (begin * self.cell, first * self.cell)
                part = content.crop((*corner, corner[0] + wide * self.cell, corner[1] + high * self.cell))
                picture = Image.new("RGB", (self.width, self.height), self.colour)
                picture.paste(part)
                seen = (
                    top + (bottom - top) * first / rows,
                    left + (right - left) * begin / cols,
                    top + (bottom - top) * (first + high) / rows,
                    left + (right - left) * (begin + wide) / cols,
                )
                yield View(picture, high, wide, seen, first, begin)


def starts(length: int, window: int) -> list[int]:
    """Where windows start that cover `length` cells in even steps of at most half a window."""
    if length <= window:
        return [0]
    steps = math.ceil(2 * (length - window) / window)
    return [round(step * (length - window) / steps) for step in range(steps + 1)]
