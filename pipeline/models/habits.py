"""What a model that nobody described does with text: measured on one question about one picture."""

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from inspect import signature

import torch
from torch import Tensor

from pipeline.models.base import VLM
from pipeline.notation import number
from pipeline.types import Query

EXACT = 1e-4
"""Relative difference up to which visual states count as the same."""


def apart(one: Tensor, other: Tensor) -> float:
    """Largest difference, relative to the largest value of `other`."""
    return float((one.float() - other.float()).abs().max() / other.float().abs().max())


def rounding(dtype: torch.dtype) -> float:
    """Relative difference that `dtype` alone may cause between two ways to compute the same."""
    return torch.finfo(dtype).eps ** 0.5


@torch.no_grad()
def check_lens(vlm: VLM, query: Query) -> None:
    """Raises ValueError unless the model's logits are its head times the states after the final norm."""
    inputs = vlm.batch([query]).inputs
    own = vlm.model(**inputs, use_cache=False, logits_to_keep=1).logits[0]
    states = vlm.model.model(**inputs, use_cache=False).last_hidden_state[0, -1:]
    found = apart(vlm.unembed(states, torch.arange(own.shape[1])), own)
    if not found <= rounding(vlm.dtype):  # also where it is no number
        raise ValueError(
            f"its logits are not its head times its last states: they differ by {number(found, 1)}, relatively"
        )


def continuation(vlm: VLM, query: Query) -> Mapping[str, int]:
    """What the inputs as long as the token sequence say of answer tokens, so that one teacher-forced pass leaves the
    states that generation leaves step by step.

    Raises ValueError where inputs that the model asks for are missing, and where neither 0 nor 1 will do.
    """
    wanted = [name for name in signature(vlm.model.forward).parameters if name.endswith("token_type_ids")]
    if missing := [name for name in wanted if name not in query.inputs]:
        raise ValueError(f"its processor left out {missing[0]}, without which states are silently wrong")
    three = copy(vlm.generation)
    three.max_new_tokens = three.min_new_tokens = 3
    answers, (stepped,) = vlm.answer([query], three)
    found: dict[int, float] = {}
    for fill in (0, 1):
        vlm.follow = {"attention_mask": 1, **dict.fromkeys(wanted, fill)}
        try:
            (forced,) = vlm.trace([query], answers)
        except (ValueError, IndexError, RuntimeError, StopIteration):
            continue  # a model that fails on such inputs (Qwen3-VL looks for a second image) does not want them
        assert forced.text is not None
        assert stepped.text is not None
        found[fill] = apart(forced.text, stepped.text)
    best = min(found, key=lambda fill: found[fill], default=0)
    if not found.get(best, float("inf")) <= rounding(vlm.dtype):
        least = f"{number(found[best], 1)}, relatively" if found else "every pass fails"
        raise ValueError(f"a teacher-forced pass leaves other states than generation: {least}")
    vlm.follow = {"attention_mask": 1, **dict.fromkeys(wanted, best)}
    return vlm.follow


def is_causal(vlm: VLM, query: Query) -> bool:
    """Whether visual states do not depend on the text after the image, so that a pass may end with the image.

    Seen on two sequences of one length, where equal states are computed alike to the last bits in any dtype; a shorter
    sequence would round otherwise.
    """
    ids = query.inputs["input_ids"].clone()
    ids[0, query.layout.prompt] = ids[0, query.layout.prompt].roll(1)
    other = replace(query, inputs={**query.inputs, "input_ids": ids})
    said = [vlm.read([0, 0], False)]
    (one,), (two,) = vlm.trace([query], said), vlm.trace([other], said)
    return apart(one.vision, two.vision) <= EXACT
