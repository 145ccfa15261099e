"""Does the memory of a rollout grow with blocks x T x T? Its peak at two depths and two lengths, random weights.

The attention of one block's heads has heads x T x T weights: the unit here. Kept, as transformers' eager attention
keeps it on request, every further block costs one unit or more. Streamed, a further block may cost what any backward
pass keeps of it, which grows with T and not with T x T: hardly any unit, and half as many at twice the length.

Counted are the bytes that torch's allocator has out at a time (the profiler's events), less what was out before.

    python benchmarks/bench_memory.py
"""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from pathlib import Path

os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # the profiler speaks of itself otherwise

import common  # noqa: F401 - one thread, and the project on the path
import torch
from torch.profiler import ProfilerActivity, profile

from pipeline.models import attention, grad_rollout
from pipeline.models.base import VLM
from pipeline.models.decoder import Entry, enter
from run_eval import quieten
from tests import tiny

HEADS, DEPTHS, SIDES = 8, (4, 12), (24, 34)
"""Heads of a block, blocks of a model, rows and columns of visual tokens: T = 600 and 1,180."""


def peak(work: Callable[[], object]) -> int:
    """The most bytes that were out at a time."""
    work()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]  # type: ignore[union-attr]
    return max(accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())))


def kept(vlm: VLM, entry: Entry) -> object:
    """Eager attention with the weights of all blocks."""
    return vlm.decoder(inputs_embeds=entry.embeds, **entry.others, output_attentions=True)


def kept_with_graph(vlm: VLM, entry: Entry) -> object:
    """The same, and what their gradients want."""
    with torch.enable_grad():
        out = vlm.decoder(inputs_embeds=entry.embeds.clone().requires_grad_(), **entry.others, output_attentions=True)
        return torch.autograd.grad(out.last_hidden_state.sum(), out.attentions)


def main() -> None:
    """A line for each way and length."""
    quieten()
    ways = {
        "attention rollout, streamed": attention.rollout,
        "attention rollout, kept": torch.no_grad()(kept),
        "grad rollout, streamed": grad_rollout.grad_rollout,
        "grad rollout, kept": kept_with_graph,
    }
    found: dict[tuple[str, int, int], int] = {}
    for depth in DEPTHS:
        with tempfile.TemporaryDirectory() as folder:
            vlm = tiny.qwen2_vl(Path(folder), layers=depth, hidden=64, heads=HEADS, most=max(SIDES) ** 2)
            eager = type(vlm)(folder, attention="eager")
            eager.load()
            for side in SIDES:
                (query,) = vlm.ask([tiny.image(side, side)], ["What?"])
                entry = enter(vlm, query, vlm.spell("A dog."))
                for name, way in ways.items():
                    work = partial(way, eager if "kept" in name else vlm, entry)
                    found[name, depth, entry.embeds.shape[1]] = peak(work)
    for name in ways:
        for length in sorted({length for _, _, length in found}):
            few, many = (found[name, depth, length] for depth in DEPTHS)
            unit = HEADS * length**2 * 4
            more = (many - few) / (DEPTHS[1] - DEPTHS[0]) / unit
            print(
                f"{name}, T = {length}: a further block costs {more:.3f} units of {unit / 2**20:.0f} MB "
                f"({DEPTHS[0]} blocks {few / 2**20:.0f} MB, {DEPTHS[1]} blocks {many / 2**20:.0f} MB)",
                flush=True,
            )


if __name__ == "__main__":
    main()
