"""Values of the trainer's options that are refused, as far as they are plain: told without importing Lightning."""

from collections.abc import Callable
from typing import Any

PRECISIONS = {None: "32-true", 32: "32-true", 16: "16-mixed", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}
PRECISIONS |= {name: name for name in ("32-true", "16-mixed", "bf16-mixed")}
"""The precisions that a run can have, and their full names."""
INSTEAD = {
    "bf16-true": "use --vlm.dtype bfloat16, or --trainer.precision bf16-mixed",
    "16-true": "use --vlm.dtype float16, or --trainer.precision 16-mixed",
}
"""Refused precision -> remedy."""
ALL = "a run takes all samples; --limit takes the first ones"
WHOLE = "explainers need the whole model in one process for each device; auto and ddp give that"
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true", "ddp_find_unused_parameters_false")
PROFILERS = (None, "simple", "advanced", "pytorch")


def precision(value: Any) -> str:
    """Return the remedy for a precision that is refused."""
    return INSTEAD.get(value, "use --vlm.dtype, or --trainer.precision 32-true, bf16-mixed or 16-mixed")


def one_of(*values: Any) -> Callable[[Any], bool]:
    """Return a test for these values."""
    return lambda value: value in values


Remedy = str | Callable[[Any], str]
PLAIN: dict[str, tuple[Callable[[Any], bool], Remedy]] = {
    "precision": (PRECISIONS.__contains__, precision),
    "accelerator": (one_of("auto", "cpu", "gpu", "cuda", "mps"), "use one of auto, cpu, gpu, cuda, mps"),
    "fast_dev_run": (one_of(False, 0), ALL),
    "limit_predict_batches": (lambda value: value is None or (value == 1.0 and isinstance(value, float)), ALL),
    "overfit_batches": (one_of(0.0), ALL),
    "inference_mode": (one_of(False), "explainers need gradients, so it is false"),
    "barebones": (one_of(False), "it measures the speed of training; leave it out"),
}
"""Option -> which of its values a run takes, and the remedy for the others."""
NAMED: dict[str, tuple[tuple[Any, ...], str]] = {
    "strategy": (STRATEGIES, WHOLE),
    "profiler": (PROFILERS, "use one of simple, advanced, pytorch, or one of Lightning's"),
}
"""Option -> which names a run takes, beside classes."""


def refused(name: str, value: Any) -> str:
    """Return why a run refuses a plain value of an option of the trainer; nothing where it takes it, or may."""
    if name in NAMED:
        names, whose = NAMED[name]
        return "" if value in names or not isinstance(value, str) or "." in value else told(name, value, whose)
    accepts, remedy = PLAIN.get(name, (lambda _: True, ""))
    return "" if accepts(value) else told(name, value, remedy(value) if callable(remedy) else remedy)


def told(name: str, value: Any, remedy: str) -> str:
    """Return the line that refuses a value."""
    return f"--trainer.{name}: {value} is no option for a run: {remedy}"
