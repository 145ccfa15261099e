"""Which text counts for which answer token: positions, ids and masks.

With n0 input tokens, answer token r stands at n0 + r and is predicted at q = n0 + r - 1. The text of a sample is its
P prompt words, then its G answer tokens; column c of every mask here belongs to the c-th of the first P + G - 1.
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pipeline.types import Answer, Layout, Query


def text_ids(query: Query, answer: Answer) -> Int[Tensor, " tokens"]:
    """Ids of the prompt's words, then of the answer."""
    ids = query.inputs["input_ids"][0]
    return torch.cat([ids[query.layout.prompt], ids.new_tensor(answer.ids)])


def score_positions(layout: Layout, answers: int) -> Int[Tensor, " text"]:
    """Where the text scores are read: prompt words at their own position, answer tokens where they are predicted.

    The last answer token is left out: it precedes none.
    """
    first = layout.length - 1
    predicting = torch.arange(first, first + answers - 1, device=layout.prompt.device)
    return torch.cat([layout.prompt, predicting])


def before(positions: Int[Tensor, " text"], layout: Layout, answers: int) -> Bool[Tensor, "{answers} text"]:
    """Positions that lie before the one that predicts the answer token, which itself does not count."""
    predicting = torch.arange(answers, device=positions.device) + layout.length - 1
    return positions < predicting[:, None]


def earlier(prompts: int, answers: int) -> Bool[Tensor, "{answers} text"]:
    """Tokens that precede the answer token: the whole prompt and the answer so far."""
    return torch.ones(answers, prompts + answers - 1, dtype=torch.bool).tril(prompts - 1)
