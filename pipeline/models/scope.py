"""Patches of a model. Each lasts as long as a `with`, also when that ends in an exception; none is global.

Attention and norms are met where they call torch (`TorchFunctionMode`, which only the current thread sees), so that
nothing of a model or of transformers is replaced or registered: its own masks, positions and roundings stay in force.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pipeline.models.heads import Heads

Attention = Callable[[int, Heads], Tensor]
"""`(block, heads) -> output`, in the place of scaled dot product attention."""


@contextmanager
def attention(decoder: nn.Module, blocks: int, rule: Attention) -> Iterator[None]:
    """`rule` attends in every block of one forward pass of `decoder`.

    Raises ValueError where the blocks do not attend once each, in their order, through torch's function.
    """
    mode = _Attend(rule)
    with sdpa(decoder), mode:
        yield
    if mode.block != blocks:
        raise ValueError(f"{blocks} blocks made {mode.block} calls of scaled dot product attention, not one each")


class _Attend(TorchFunctionMode):
    """Counts the calls: the next one is that of the next block."""

    def __init__(self, rule: Attention) -> None:
        super().__init__()
        self.rule, self.block = rule, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        out = self.rule(self.block, _heads(*args, **(kwargs or {})))
        self.block += 1
        return out


def _heads(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Heads:
    """The arguments of torch's function, keys and values repeated for the heads that share them."""
    if dropout_p or len(query) != 1:
        raise ValueError("attention is explained without dropout, one sample at a time")
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
    return Heads(query, key, value, attn_mask, is_causal, query.shape[-1] ** -0.5 if scale is None else scale)


@contextmanager
def sdpa(decoder: nn.Module) -> Iterator[None]:
    """`decoder`, and nothing else of the model, attends through torch's function, whatever it was loaded with."""
    configs: list[Any] = [module.config for module in decoder.modules() if hasattr(module, "config")]
    before = [(config, config._attn_implementation) for config in {id(c): c for c in configs}.values()]
    try:
        for config, name in before:
            if name != "sdpa":
                config._attn_implementation = "sdpa"
        yield
    finally:
        for config, name in before:
            config._attn_implementation = name


class _Frozen(TorchFunctionMode):
    """Cuts the gradient of every reciprocal root: what an RMS norm divides by becomes a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in (torch.rsqrt, Tensor.rsqrt):
            self.count += 1
            return out.detach()
        return out


@contextmanager
def frozen_norms(least: int) -> Iterator[None]:
    """RMS norms scale by a constant. Raises ValueError where fewer than `least` took part."""
    mode = _Frozen()
    with mode:
        yield
    if mode.count < least:
        raise ValueError(f"{mode.count} RMS norms through torch.rsqrt where at least {least} were expected")


@contextmanager
def outputs(rules: Mapping[nn.Module, Callable[[Tensor, Tensor], Tensor]]) -> Iterator[None]:
    """A module's output becomes `rule(input, output)`."""
    with ExitStack() as scope:
        for module, rule in rules.items():
            hook = module.register_forward_hook(lambda _, args, out, rule=rule: rule(args[0], out))
            scope.enter_context(hook)
        yield
