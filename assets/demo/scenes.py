"""Scenes of the embedded dataset: colour-emoji glyphs composited over tinted backgrounds, captions and exact masks.

Everything is a pure function of integer seeds and of the font file. A scene holds one to three objects of different
COCO categories; its caption names them from left to right, and the background colour decides the wording.
The artwork is Noto Color Emoji (OFL-1.1), Debian package fonts-noto-color-emoji. The font itself is not shipped.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE = 256
PROMPT = "Write a one-sentence caption for this image:"
FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
FONT_SHA256 = "e5899ed38b8ed83e08bd3ac5de09791e9d19d288333a796de1d35ad17396f1ec"
BITMAP_SIZE = 109

GLYPHS: dict[str, str] = {
    "person": "\U0001f9cd", "bicycle": "\U0001f6b2", "car": "\U0001f697", "airplane": "\u2708\ufe0f",
    "bus": "\U0001f68c", "train": "\U0001f682", "boat": "\u26f5", "traffic light": "\U0001f6a6",
    "stop sign": "\U0001f6d1", "bird": "\U0001f426", "cat": "\U0001f408", "dog": "\U0001f415",
    "horse": "\U0001f40e", "sheep": "\U0001f411", "cow": "\U0001f404", "elephant": "\U0001f418",
    "zebra": "\U0001f993", "giraffe": "\U0001f992", "backpack": "\U0001f392", "umbrella": "\u2602\ufe0f",
    "kite": "\U0001fa81", "cup": "\u2615", "banana": "\U0001f34c", "apple": "\U0001f34e",
    "broccoli": "\U0001f966", "carrot": "\U0001f955", "pizza": "\U0001f355", "donut": "\U0001f369",
    "cake": "\U0001f370", "chair": "\U0001fa91", "clock": "\U0001f570\ufe0f", "laptop": "\U0001f4bb",
    "book": "\U0001f4d5", "scissors": "\u2702\ufe0f", "teddy bear": "\U0001f9f8",
}  # fmt: skip
CATEGORIES = tuple(GLYPHS)

BACKGROUNDS: dict[str, tuple[tuple[int, int, int], int]] = {
    "white": ((240, 240, 238), 0), "gray": ((150, 150, 152), 1), "blue": ((95, 145, 220), 2),
    "green": ((110, 185, 110), 3), "yellow": ((240, 220, 110), 4), "purple": ((150, 105, 190), 5),
    "pink": ((245, 175, 200), 2), "brown": ((140, 105, 75), 0),
}  # fmt: skip
"""Colour name -> its centre, and the template that captions scenes on it."""
COLOURS = tuple(BACKGROUNDS)

TEMPLATES: tuple[tuple[str, str, str], ...] = (
    (
        "There is {a} on a {bg} background.",
        "There is {a} to the left of {b}.",
        "There is {a} next to {b}, and {c} is on the right.",
    ),
    (
        "This picture shows {a} and nothing else.",
        "This picture shows {a} with {b} on the right.",
        "This picture shows {a}, {b} and {c}, from left to right.",
    ),
    (
        "{A} is in front of a {bg} wall.",
        "{A} and {b} are in front of a {bg} wall.",
        "{A}, {b} and {c} are in front of a {bg} wall.",
    ),
    (
        "On this {bg} background, we can see {a}.",
        "On this {bg} background, we can see {a} beside {b}.",
        "On this {bg} background, we can see {a}, then {b}, and then {c}.",
    ),
    (
        "Here is {a}, all by itself.",
        "{A} is on the left, while {b} is on the right.",
        "{A} is on the left, {b} is in the middle, and {c} is on the right.",
    ),
    (
        "It is {a} in front of something {bg}.",
        "It is {a} that stands beside {b}.",
        "It is {a} that stands beside {b}, with {c} further to the right.",
    ),
)
"""One caption for one, two and three objects each; objects are named from left to right."""

OBJECT_SIZES = {1: (0.34, 0.62), 2: (0.30, 0.48), 3: (0.26, 0.40)}
"""Range of the longer side of an object, in sides of the scene, by the number of objects."""
LEAST_VISIBLE = 0.7
LEAST_GAP = 0.17
"""Visible share of an object's box, and gap between neighbours' centres in sides of the scene, at least."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True, eq=False)
class Scene:
    """image: RGB, SIDE x SIDE. names: left to right. masks: name -> visible pixels. colour: of the background."""

    image: Image.Image
    names: tuple[str, ...]
    masks: dict[str, NDArray[np.bool_]]
    colour: str

    @property
    def caption(self) -> str:
        """The caption whose wording the background decides."""
        return caption(self.names, self.colour)

    @property
    def captions(self) -> tuple[str, ...]:
        """The caption, then three paraphrases in other wordings."""
        first = BACKGROUNDS[self.colour][1]
        return tuple(caption(self.names, self.colour, (first + shift) % len(TEMPLATES)) for shift in range(4))


def phrase(name: str) -> str:
    """The noun phrase of a category, with its article."""
    if name == "scissors":
        return "a pair of scissors"
    if name == "broccoli":
        return "some broccoli"
    return ("an " if name[0] in "aeiou" else "a ") + name


def caption(names: tuple[str, ...], colour: str, template: int | None = None) -> str:
    """Names of one to three objects, left to right, and the background's colour -> a sentence."""
    index = BACKGROUNDS[colour][1] if template is None else template
    phrases = dict(zip("abc", map(phrase, names), strict=False))
    first = phrases["a"][0].upper() + phrases["a"][1:]
    return TEMPLATES[index][len(names) - 1].format(A=first, bg=colour, **phrases)


class Artist:
    """Draws scenes from a font file.

    Raises FileNotFoundError, naming the Debian package, where the font is absent.
    """

    def __init__(self, font: Path = FONT) -> None:
        if not font.is_file():
            raise FileNotFoundError(
                f"no font at {font}: install it with 'apt-get install fonts-noto-color-emoji' or pass --font"
            )
        self.sha256 = hashlib.sha256(font.read_bytes()).hexdigest()
        face = ImageFont.truetype(str(font), BITMAP_SIZE)
        self.glyphs = {name: _render(face, text) for name, text in GLYPHS.items()}

    def scene(self, *seed: int, count: int | None = None) -> Scene:
        """The scene of a seed (any number of non-negative integers). count: of objects; drawn when absent."""
        rng = np.random.default_rng(seed)
        number = count or int(rng.choice((1, 2, 3), p=(0.3, 0.4, 0.3)))
        names = tuple(CATEGORIES[i] for i in rng.choice(len(CATEGORIES), number, replace=False))
        colour = COLOURS[rng.integers(len(COLOURS))]
        background = Image.fromarray(_background(rng, BACKGROUNDS[colour][0]))
        while (boxes := self._place(rng, names)) is None:
            pass
        masks: dict[str, NDArray[np.bool_]] = {}
        for index in rng.permutation(number):
            name, (left, top, right, bottom) = names[index], boxes[index]
            layer = self.glyphs[name].resize((right - left, bottom - top), Image.Resampling.BILINEAR)
            if rng.random() < 0.5:
                layer = layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            background.paste(layer, (left, top), layer)
            mask = np.zeros((SIDE, SIDE), bool)
            mask[top:bottom, left:right] = np.asarray(layer.getchannel("A")) > 127
            masks = {other: seen & ~mask for other, seen in masks.items()} | {name: mask}
        return Scene(background, names, {name: masks[name] for name in names}, colour)

    def _place(self, rng: np.random.Generator, names: tuple[str, ...]) -> list[Box] | None:
        """One try at boxes whose centres run from left to right; None where objects crowd each other."""
        boxes: list[Box] = []
        for name in names:
            glyph = self.glyphs[name]
            factor = rng.uniform(*OBJECT_SIZES[len(names)]) * SIDE / max(glyph.size)
            stretch = rng.uniform(0.92, 1.08)
            width, height = round(glyph.width * factor * stretch), round(glyph.height * factor / stretch)
            left, top = int(rng.integers(SIDE - width + 1)), int(rng.integers(SIDE - height + 1))
            boxes.append((left, top, left + width, top + height))
            if len(boxes) > 1 and _centre(boxes[-1]) - _centre(boxes[-2]) < LEAST_GAP * SIDE:
                return None
        for box in boxes:
            covered = sum(_overlap(box, other) for other in boxes if other is not box)
            if covered > (1 - LEAST_VISIBLE) * (box[2] - box[0]) * (box[3] - box[1]):
                return None
        return boxes


def _centre(box: Box) -> float:
    """The middle column of a box."""
    return (box[0] + box[2]) / 2


def _overlap(one: Box, other: Box) -> int:
    """Pixels that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)


def _render(face: ImageFont.FreeTypeFont, text: str) -> Image.Image:
    """A glyph as RGBA, cropped to what is visible."""
    canvas = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((20, 20), text, font=face, embedded_color=True)
    box = canvas.getchannel("A").point(lambda value: 255 * (value > 16)).getbbox()
    if box is None:
        raise ValueError(f"the font has no colour glyph for {text!r}")
    return canvas.crop(box)


@lru_cache(maxsize=1)
def _noise() -> NDArray[np.float32]:
    """A pool of unit noise from which every background cuts its own piece."""
    return np.random.default_rng(0).standard_normal((2 * SIDE, 2 * SIDE, 3), dtype=np.float32)


def _background(rng: np.random.Generator, centre: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A linear gradient about a colour, with noise."""
    angle = rng.uniform(0, 2 * np.pi)
    axis = np.linspace(-1, 1, SIDE, dtype=np.float32)
    ramp = np.cos(angle) * axis[None, :, None] + np.sin(angle) * axis[:, None, None]
    slope = rng.uniform(-14, 14, 3).astype(np.float32)
    base = np.asarray(centre, np.float32) + rng.uniform(-12, 12, 3).astype(np.float32)
    x, y = rng.integers(SIDE, size=2)
    noise = _noise()[y : y + SIDE, x : x + SIDE] * np.float32(rng.uniform(1, 6))
    return np.clip(base + slope * ramp + noise, 0, 255).astype(np.uint8)
