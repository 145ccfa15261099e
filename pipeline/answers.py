"""Where answers come from if the model is not asked: an earlier run, or the reference captions."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datamodules.sample import Sample
from pipeline import launch
from pipeline.arguments import UsageError
from pipeline.models.base import VLM
from pipeline.outputs import fingerprint as fingerprints
from pipeline.outputs.records import read_rows
from pipeline.types import Answer

Given = Callable[[Sample, VLM], Answer]
"""Says what the model is held to have said about a sample, where it is not asked."""


def given(source: str | None, manifest: str, identity: Mapping[str, Any]) -> tuple[Given | None, Any]:
    """What takes the place of generation, and what the fingerprint says of it.

    source: a run folder, `captions`, or None for the model itself. manifest: its digest. identity: of the model, on
    rank 0. UsageError where an earlier run had other data or another checkpoint.
    """
    if source is None:
        return None, "generated"
    if source == "captions":
        return first_caption, "captions"
    try:
        earlier = json.loads((Path(source) / "env.json").read_text(encoding="utf-8"))["fingerprint"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"--answers: {source} is no run folder: {error}") from error
    now = {"manifest": manifest, "model": checkpoint(identity)}
    then = {"manifest": earlier.get("manifest"), "model": checkpoint(earlier.get("model", {}))}
    if launch.leading() and (changed := fingerprints.differences(then, now)):
        raise UsageError(f"--answers: {source} was made differently: {'; '.join(changed)}")
    said = {key: row.answer for key, row in read_rows(Path(source)).items() if row.answer is not None}
    return Replay(said), {"ids": fingerprints.digest({key: answer["ids"] for key, answer in said.items()})}


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
        return vlm.read(said["ids"], said["ended"])
