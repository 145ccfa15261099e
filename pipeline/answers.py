"""Where answers come from if the model is not asked: an earlier run, or the reference captions."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datamodules.base import SampleDataModule
from datamodules.sample import Sample
from pipeline import launch
from pipeline.arguments import UsageError
from pipeline.models.base import VLM
from pipeline.outputs import fingerprint as fingerprints
from pipeline.outputs.records import read_rows
from pipeline.types import Answer

Given = Callable[[Sample, VLM], Answer]
"""Says what the model is held to have said about a sample, where it is not asked."""


def given(source: str | None, data: SampleDataModule, identity: Mapping[str, Any]) -> tuple[Given | None, Any]:
    """Return what takes the place of generation, and what the fingerprint says of it.

    source: a run folder, `captions`, or None for the model itself. identity: of the model, on rank 0. Raise UsageError
    where an earlier run had other data or another checkpoint, and where not one sample would have an answer: nothing
    is loaded then.
    """
    if source is None:
        return None, "generated"
    if source == "captions":
        if launch.leading() and not captioned(data):
            mend = "choose data with captions, or leave --answers out and the model answers"
            raise UsageError(f"--answers captions: none of the {len(data.expected)} samples has a caption; {mend}")
        return first_caption, "captions"
    try:
        earlier, rows = fingerprints.read(Path(source)), read_rows(Path(source))
        then = {"manifest": earlier.get("manifest"), "model": checkpoint(dict(earlier.get("model", {})))}
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"--answers: {source} cannot be read as a run folder: {error}") from error
    now = {"manifest": data.digest, "model": checkpoint(identity)}
    if launch.leading() and (changed := fingerprints.differences(then, now)):
        raise UsageError(f"--answers: {source} was made differently: {'; '.join(changed)}")
    said = {key: row.answer for key, row in rows.items() if row.answer is not None}
    if launch.leading() and not said.keys() & set(data.expected):
        raise UsageError(f"--answers: {source} holds no answer to any of these samples; finish that run first")
    parts = {key: [answer["ids"], answer["ended"], answer.get("end")] for key, answer in said.items()}
    return Replay(said), {"said": fingerprints.digest(parts)}


def captioned(data: SampleDataModule) -> bool:
    """Return whether a sample has a reference caption; samples are read up to the first that does."""
    if not data.captioned:
        return False
    return any(sample.captions for sample in data.reader(range(len(data.expected))))


def checkpoint(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a model's identity that says which weights it has."""
    return {name: value for name, value in identity.items() if name.startswith("checkpoint")}


def first_caption(sample: Sample, vlm: VLM) -> Answer:
    """The first reference caption, as if the model had said it."""
    if not sample.captions:
        raise ValueError("--answers captions: the sample has no caption")
    return vlm.spell(sample.captions[0])


class Replay:
    """The answers that an earlier run recorded."""

    def __init__(self, said: Mapping[str, Mapping[str, Any]]) -> None:
        self.said = said

    def __call__(self, sample: Sample, vlm: VLM) -> Answer:
        if sample.key not in self.said:
            raise ValueError(f"--answers: the earlier run has no answer for {sample.key}")
        said = self.said[sample.key]
        return vlm.read(said["ids"], said["ended"], said.get("end"))  # rows of earlier versions do not say their end
