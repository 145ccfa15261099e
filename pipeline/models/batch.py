"""Queries of different lengths as one padded batch, and back to one sample's positions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.types import Answer, Query, Trace


@dataclass(frozen=True, eq=False)
class Batch:
    """Keyword arguments of the model's forward for several queries, padded on the LEFT.

    shifts: how many padding tokens precede each query. spoken: where an answer holds tokens in whose place the model
    would put features of the image, `inputs` has another token there, and this has all tokens as they are.
    """

    inputs: dict[str, Tensor]
    shifts: tuple[int, ...]
    spoken: Int[Tensor, "batch tokens"] | None = None


def text_start(query: Query) -> int:
    """The position before the first prompt word (before the first answer token where there is no prompt)."""
    prompt = query.layout.prompt
    return (int(prompt[0]) if len(prompt) else query.layout.length) - 1


def pad(
    queries: Sequence[Query],
    answers: Sequence[Answer] | None = None,
    *,
    pad_id: int,
    follow: Mapping[str, int],
    device: torch.device,
    dtype: torch.dtype,
    cut_after: int | None = None,
    replaced: Collection[int] = (),
) -> Batch:
    """Batch `queries`: whole, followed by all but the last token of their answers, or cut after the last token of the
    image, whose id is `cut_after`.

    An input as long as the token sequence is padded with 0 and continued over the answer with what `follow` says of it,
    else with 0; all others (pixels, grids) are concatenated. replaced: tokens in whose place the model puts features.
    """
    ends = [q.layout.length if cut_after is None else last(q, cut_after) + 1 for q in queries]
    said = [list(a.ids[:-1]) for a in answers] if answers is not None else [[] for _ in queries]
    width = max(end + len(ids) for end, ids in zip(ends, said, strict=True))
    shifts = tuple(width - end - len(ids) for end, ids in zip(ends, said, strict=True))
    inputs: dict[str, Tensor] = {}
    for name, sample in queries[0].inputs.items():
        parts = [query.inputs[name] for query in queries]
        if sample.shape == queries[0].inputs["input_ids"].shape:
            fill = pad_id if name == "input_ids" else 0
            rows = sample.new_full((len(queries), width), fill)
            for row, part, shift, end, ids in zip(rows, parts, shifts, ends, said, strict=True):
                row[shift : shift + end] = part[0, :end]
                after = ids if name == "input_ids" else [follow.get(name, 0)] * len(ids)
                row[shift + end :] = row.new_tensor(after)
            inputs[name] = rows.to(device)
        else:
            joined = torch.cat(parts)
            inputs[name] = joined.to(device, dtype if joined.is_floating_point() else None)
    hidden = None
    if any(token in replaced for ids in said for token in ids):  # told on the host: no answer waits for the device
        hidden = hide(inputs, [shift + end for shift, end in zip(shifts, ends, strict=True)], replaced)
    return Batch(inputs, shifts, hidden)


def hide(inputs: dict[str, Tensor], starts: Sequence[int], replaced: Collection[int]) -> Tensor:
    """Put another token into `inputs` wherever a row has one of `replaced` from its position in `starts` on. Return the
    tokens as they were."""
    spoken = inputs["input_ids"]
    answer = torch.arange(spoken.shape[1]) >= torch.tensor(starts)[:, None]
    found = answer.to(spoken.device) & torch.isin(spoken, spoken.new_tensor(list(replaced)))
    other = next(n for n in count() if n not in replaced)
    inputs["input_ids"] = spoken.masked_fill(found, other)
    return spoken


@contextmanager
def unreplaced(embedding: nn.Module, batch: Batch) -> Iterator[None]:
    """Inside, tokens of an answer that stand for images elsewhere are embedded as any other token, as they are while an
    answer is generated step by step. embedding: the model's input embedding.

    The model looks for the places of image features among the ids of `batch`, which do not show these tokens; its
    embedding is given them back here. Raises ValueError where the model does not embed its tokens by that module.
    """
    if batch.spoken is None:
        yield
        return
    spoken, shown = batch.spoken, batch.inputs["input_ids"]
    met: list[bool] = []

    def give_back(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not args or args[0].shape != spoken.shape:
            return None
        met.append(True)
        return torch.where(spoken == shown, args[0], spoken), *args[1:]

    with embedding.register_forward_pre_hook(give_back):
        yield
    if not met:
        raise ValueError("the answer holds the model's own image token, which this model cannot take for a word")


def last(query: Query, token: int) -> int:
    """The last position of `token`. Not that of the grid's last cell: the model wants all tokens of the image."""
    return int((query.inputs["input_ids"][0] == token).nonzero()[-1])


def gather(query: Query, answer: Answer | None, states: Float[Tensor, "tokens dim"], shift: int) -> Trace:
    """The trace of one query out of its row of a batch: visual states and, with an answer, text states."""
    layout = query.layout
    vision = states[(layout.vision + shift).to(states.device)]
    if answer is None:
        return Trace(query.scale, layout.rows, layout.cols, vision)
    start = text_start(query)
    text = states[shift + start : shift + layout.length + len(answer.ids) - 1].clone()
    return Trace(query.scale, layout.rows, layout.cols, vision, text, start)
