"""What a model that nobody described does with text: measured on one question about one picture."""

from collections.abc import Mapping
from copy import copy
from inspect import signature

import torch
from torch import Tensor

from pipeline.models.base import VLM
from pipeline.types import Query

EXACT = 1e-4
"""Relative difference up to which a cut sequence counts as leaving the visual states of the whole one."""


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
    if found > rounding(vlm.dtype):
        raise ValueError(f"its logits are not its head times its last states: they differ by {found:.1g}, relatively")


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
    differences = []
    for fill in (0, 1):
        vlm.follow = {"attention_mask": 1, **dict.fromkeys(wanted, fill)}
        (forced,) = vlm.trace([query], answers)
        assert forced.text is not None
        assert stepped.text is not None
        differences.append(apart(forced.text, stepped.text))
        if differences[-1] <= rounding(vlm.dtype):
            return vlm.follow
    raise ValueError(f"a teacher-forced pass leaves other states than generation: {min(differences):.1g}, relatively")


def is_causal(vlm: VLM, query: Query) -> bool:
    """Whether a pass that ends with the image leaves the visual states of the whole sequence."""
    (short,), (whole,) = vlm.trace([query]), vlm.trace([query], [vlm.read([0, 0], False)])
    return apart(short.vision, whole.vision) <= EXACT
