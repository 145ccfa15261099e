"""One sample as bytes: how it is written into the members of a shard, and how it is read back without trusting them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from PIL import Image

from datamodules.faults import excuse
from datamodules.jsontext import loads
from datamodules.manifest import IMAGE_FORMATS, MAX_TEXT, Manifest, Member, check_names, check_said
from datamodules.pictures import MAX_PIXELS, decode_image, encode_image
from datamodules.printable import describe
from datamodules.rle import plain, sound
from datamodules.sample import RLE, Sample

MAX_MASKS = 1 << 12
"""Masks that a sample may have."""
MAX_MASK_PIXELS = 1 << 30
"""Pixels that all masks of one sample may have together, inside or not: an RLE of a few bytes unpacks to one byte for
each. 3,495 masks of 640 x 480 pixels."""


@dataclass(frozen=True, eq=False)
class Record:
    """A sample on its way into a shard.

    key: letters, digits, `-` and `_`. image: a picture, encoded as `suffix` (jpg, jpeg, png, webp), or bytes that
    are already in that format and are kept as they are. masks: name -> COCO RLE at the image's size, as
    `pycocotools.mask.encode` returns it; None: no ground truth. prompt, categories: only where they differ from the
    dataset's.
    """

    key: str
    image: Image.Image | bytes
    suffix: str = "png"
    captions: Sequence[str] = ()
    masks: Mapping[str, Mapping[str, Any]] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    prompt: str | None = None
    categories: Sequence[str] | None = None


@dataclass(frozen=True)
class Facts:
    """The checked content of a sample's `json` member."""

    height: int
    width: int
    captions: tuple[str, ...]
    masks: Mapping[str, RLE] | None
    provenance: Mapping[str, Any]
    prompt: str | None
    categories: tuple[str, ...] | None


def encode(record: Record, vocabulary: Sequence[str]) -> dict[str, bytes]:
    """The members of a record by suffix, checked exactly as a reader will check them."""
    if record.suffix not in IMAGE_FORMATS:
        raise ValueError(f"image suffix {record.suffix!r} is none of {sorted(IMAGE_FORMATS)}")
    image = record.image if isinstance(record.image, bytes) else encode_image(record.image, record.suffix)
    width, height = decode_image(image, record.suffix, max_pixels=MAX_PIXELS).size
    masks = None if record.masks is None else {n: sound(plain(r), height, width, n) for n, r in record.masks.items()}
    content = {
        "height": height,
        "width": width,
        "captions": list(record.captions),
        "masks": masks,
        "provenance": dict(record.provenance),
    }
    if record.prompt is not None:
        content["prompt"] = record.prompt
    if record.categories is not None:
        content["categories"] = list(record.categories)
    data = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    decode_facts(data, vocabulary)
    return {record.suffix: image, "json": data}


def decode_facts(data: bytes, vocabulary: Sequence[str]) -> Facts:
    """The content of a `json` member, or a ValueError that says what is wrong."""
    _check(len(data) <= MAX_TEXT, f"the json has {len(data)} bytes, more than {MAX_TEXT}")
    try:
        content = loads(data)
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()  # what no row could hold is refused here
    except ValueError as error:
        raise ValueError(f"the json is unreadable: {error}") from error
    _check(isinstance(content, dict), "the json is no object")
    unknown = sorted(content.keys() - set(Facts.__dataclass_fields__))
    _check(not unknown, f"the json has unknown fields {unknown}")
    height, width = content.get("height"), content.get("width")
    _check(type(height) is int and type(width) is int and min(height, width) > 0, "height or width is no size")
    captions, masks, provenance = content.get("captions", []), content.get("masks"), content.get("provenance", {})
    _check(_is_texts(captions), "captions is no list of texts")
    _check(isinstance(provenance, dict), "provenance is no object")
    prompt, categories = content.get("prompt"), content.get("categories")
    _check(prompt is None or isinstance(prompt, str), "prompt is no text")
    _check(categories is None or _is_texts(categories), "categories is no list of texts")
    _check(masks is None or isinstance(masks, dict), "masks is no object")
    check_said("".join(captions), "captions")
    check_said(prompt or "", "prompt")
    check_names(categories or (), "categories")
    check_names(tuple(masks or ()), "masks", MAX_MASKS)
    unpacked = len(masks or ()) * height * width
    _check(unpacked <= MAX_MASK_PIXELS, f"the masks have {unpacked} pixels, more than {MAX_MASK_PIXELS}")
    known = frozenset(vocabulary if categories is None else categories)
    for name in masks or ():
        _check(not known or name in known, f"mask {name!r} is none of the categories")
    masks = None if masks is None else {name: sound(rle, height, width, name) for name, rle in masks.items()}
    names = None if categories is None else tuple(categories)
    return Facts(height, width, tuple(captions), masks, provenance, prompt, names)


def decode(manifest: Manifest, index: int, members: Mapping[str, bytes], prompt: str | None, max_pixels: int) -> Sample:
    """A sample from its bytes, or one with the reason why not."""
    entry = manifest.samples[index]
    try:
        for suffix, member in entry.members.items():
            verify(suffix, member, members.get(suffix))
        facts = decode_facts(members["json"], manifest.categories)
        image = decode_image(members[entry.image_suffix], entry.image_suffix, max_pixels=max_pixels)
        told = (facts.width, facts.height)
        _check(image.size == told, f"the image has size {image.size}, its json says {told}")
    except Exception as error:  # a stranger's bytes can raise anything; whatever it is, it becomes the sample's error
        excuse(error, f"{entry.shard}: {entry.key}")
        return failed(manifest, index, describe(error), prompt)
    own = manifest.prompt if facts.prompt is None else facts.prompt
    names = manifest.categories or tuple(facts.masks or ())
    return Sample(
        key=entry.key,
        index=index,
        image=image,
        prompt=own if prompt is None else prompt,
        captions=facts.captions,
        masks=facts.masks,
        categories=names if facts.categories is None else facts.categories,
        provenance=facts.provenance,
    )


def verify(suffix: str, member: Member, data: bytes | None) -> None:
    """Refuse a member that differs from what the manifest says of it."""
    if data is None:
        raise ValueError(f"member {suffix} is missing")
    _check(len(data) == member.size, f"member {suffix} has not the size that the manifest says")
    _check(sha256(data).hexdigest() == member.sha256, f"member {suffix} has not the sha256 that the manifest says")


def failed(manifest: Manifest, index: int, reason: str, prompt: str | None) -> Sample:
    """A sample that could not be read, and why."""
    entry = manifest.samples[index]
    return Sample(
        key=entry.key,
        index=index,
        image=None,
        prompt=manifest.prompt if prompt is None else prompt,
        categories=manifest.categories,
        error=f"{entry.shard}: {entry.key}: {reason}",
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _check(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)
