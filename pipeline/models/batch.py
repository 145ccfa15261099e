"""Queries of different lengths as one padded batch, and back to one sample's positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.types import Answer, Query, Trace


@dataclass(frozen=True, eq=False)
class Batch:
    """Keyword arguments of the model's forward for several queries, padded on the LEFT.

    shifts: how many padding tokens precede each query.
    """

    inputs: dict[str, Tensor]
    shifts: tuple[int, ...]


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
) -> Batch:
    """Batch `queries`: whole, followed by all but the last token of their answers, or cut after the last token of the
    image, whose id is `cut_after`.

    An input as long as the token sequence is padded with 0 and continued over the answer with what `follow` says of it,
    else with 0; all others (pixels, grids) are concatenated.
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
    return Batch(inputs, shifts)


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
