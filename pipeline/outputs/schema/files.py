"""The fields of the other files of a run folder, and of the record of a sweep."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, Field, Strict, with_config
from typing_extensions import TypedDict

from datamodules.manifest import MAX_TEXT
from datamodules.record import MAX_MASK_PIXELS
from datamodules.rle import sound
from pipeline.outputs.schema.values import OPEN, STRICT, Count, Name, Positive, Some, Text, bounded, shaped

RUNS = MAX_TEXT
"""Characters that the run lengths of all masks of a sample may have: as many as a shard may hold of it."""


@with_config(OPEN)
class EnvFields(TypedDict):
    """`env.json` as every reader needs it."""

    fingerprint: dict[str, Any]
    starts: Annotated[list[dict[str, Any]], Field(max_length=100_000)]
    sha256: NotRequired[str]


@with_config(STRICT)
class OwnerFields(TypedDict):
    """`owner.json`; what is none is taken for that of an owner of whom nothing is known."""

    token: Annotated[str, shaped(r"[0-9a-f]{32}", "32 hexadecimal digits")]
    host: str
    machine: str
    pid: Positive
    started: Count
    since: str


@with_config(OPEN)
class MarkFields(TypedDict):
    """A fingerprint as a page reads it."""

    manifest: Text
    model: dict[str, Any]
    explainers: Annotated[dict[Name, dict[str, Any]], Some]
    answers: Any
    batch_size: Positive
    limit: Positive | None
    threads: Positive
    versions: dict[str, str | None]


@with_config(OPEN)
class StartFields(TypedDict):
    """The last start of a run as a page reads it."""

    command: NotRequired[Annotated[list[str], Field(max_length=10_000)]]
    python: NotRequired[str | None]
    samples: NotRequired[Count]


@with_config(OPEN)
class NamesFields(TypedDict):
    vlm: Annotated[str, bounded(200)]
    data: Annotated[str, bounded(200)]


@with_config(OPEN)
class ModelFields(TypedDict):
    init_args: NotRequired[dict[str, Any]]


@with_config(OPEN)
class ConfigFields(TypedDict):
    """`config.yaml` as a page reads it."""

    names: NamesFields
    explainers: Annotated[list[Text], Some]
    beside: NotRequired[Text | None]
    vlm: NotRequired[ModelFields]


Id = Annotated[str, shaped(r"[0-9a-z]{8}", "eight letters and digits")]
"""Of a W&B run; folders are found and deleted by it."""


@with_config(OPEN)
class RunIdFields(TypedDict):
    """One of the runs of `wandb.json`. Its other fields say what was published where: mode and project -> sha256."""

    id: NotRequired[Id]


@with_config(OPEN)
class BoardFields(TypedDict):
    """`wandb.json`. runs: explainer -> its W&B run."""

    group: NotRequired[Annotated[str, bounded(1024)]]
    tags: NotRequired[Annotated[list[Annotated[str, bounded(256)]], Some]]
    runs: NotRequired[Annotated[dict[Name, RunIdFields], Some]]


def _square(box: list[float]) -> list[float]:
    top, left, bottom, right = box
    if top >= bottom or left >= right:
        raise ValueError("expected top, left, bottom, right of a part of the image")
    return box


def _masks(sample: dict[str, Any]) -> dict[str, Any]:
    """Check the masks of a sample whose fields are sound."""
    (height, width), masks = sample["size"], sample["masks"]
    if max(1, len(masks)) * height * width > MAX_MASK_PIXELS:
        raise ValueError(f"the masks have more than {MAX_MASK_PIXELS:,} pixels")
    if sum(len(rle["counts"]) for _, rle in masks if isinstance(rle.get("counts"), str)) > RUNS:
        raise ValueError(f"the run lengths of the masks have more than {RUNS:,} characters")
    for name, rle in masks:
        sound(rle, height, width, name)
    return sample


Side = Annotated[int, Field(ge=1, le=1 << 16)]
Edge = Annotated[float, Field(ge=-0.000001, le=1.000001)]


@with_config(OPEN)
class SampleFields(TypedDict):
    """`figures/<index>/sample.json`."""

    size: Annotated[list[Side], Field(min_length=2, max_length=2)]
    box: Annotated[list[Edge], Field(min_length=4, max_length=4), AfterValidator(_square)]
    prompt: str
    captions: Annotated[list[str], Field(max_length=10_000)]
    masks: Annotated[list[Annotated[tuple[Text, dict[str, Any]], Strict(False)]], Field(max_length=4096)]
    name: NotRequired[str]


Sample = Annotated[SampleFields, AfterValidator(_masks)]


@with_config(STRICT)
class TrialFields(TypedDict):
    number: Count
    values: dict[str, Any]
    status: Literal["started", "complete", "failed"]
    figure: float | int | None
    error: str | None


@with_config(OPEN)
class SweepFields(TypedDict):
    """`sweep.json`."""

    sweep: dict[str, Any]
    trials: Annotated[list[TrialFields], Field(max_length=100_000)]
