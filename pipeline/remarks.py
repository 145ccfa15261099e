"""What a run says of its command and of its answers, beside errors: one line each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from pipeline.explainers.base import Explainer, equal_by_definition
from pipeline.models.base import VLM


def limit(asked: int | None, samples: int) -> Iterator[str]:
    """Yield a line where --limit asks for more samples than the data has; all of them are taken then."""
    if asked is not None and asked > samples:
        yield f"--limit {asked}: the data has {samples} samples; all of them are taken"


def first(vlm: VLM, explainers: Mapping[str, Explainer], device: torch.device) -> Iterator[str]:
    """Yield, before anything is computed, what of the command is slow or gives the same thing twice."""
    for names in equal_by_definition(explainers):
        yield (
            f"{', '.join(names[:-1])} and {names[-1]} give equal maps by definition, up to rounding; "
            "one of them is enough (docs/explainers says which parameter makes them differ)"
        )
    dtype = str(vlm.dtype).removeprefix("torch.")
    if device.type == "cpu" and dtype != "float32":
        yield (
            f"{dtype} on a CPU is slower than float32 as a rule, and its figures are those of {dtype}: states are "
            "rounded, so answers and maps differ from float32's; --vlm.dtype=float32 for a CPU"
        )


def cut_off(vlm: VLM, found: Mapping[str, Any]) -> str:
    """Return what is said where many answers were cut off at the limit of tokens, with what may be the reason.

    found: the summary of the run.
    """
    cut, scored = found["words"]["unfinished"], found["samples"]["scored"]
    ends = vlm.processor.tokenizer.convert_ids_to_tokens(list(vlm.ends))
    known = f"the known end tokens are {', '.join(ends)}" if ends else "its checkpoint names no end token"
    return (
        f"{cut} of {scored} answers were cut off at {vlm.max_new_tokens} tokens; "
        f"allow more with --vlm.max_new_tokens, or see whether the model ends its answers otherwise: {known}"
    )


def named(keys: Sequence[str]) -> str:
    """Return the first keys of many."""
    return ", ".join(keys[:20]) + (" ..." if len(keys) > 20 else "")
