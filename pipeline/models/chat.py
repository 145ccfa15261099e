"""What a chat template puts around a prompt and behind an answer, found out by rendering it."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.models.layout import MARK

Templated = Callable[[list[dict[str, Any]], bool], str]
"""Makes text of a chat, perhaps up to where an answer begins."""
FRAME = 65_536
"""Characters that a chat template may put around a prompt."""
UNUSUAL = f'  {MARK} "it\'s" <b> & {{x}} \\ 1,5?\nYes  '
"""A prompt with characters that a template might change, and blanks at both ends."""
SAID = "ANSWER\u2063MARK"
"""Stands in for the assistant's message while it is found out what the chat template puts after one."""


def framed(templated: Templated, tokenizer: Any) -> dict[str, Any]:
    """Return what the chat template puts `before` and `after` a prompt, whether it `trims` the prompt, and the token
    that it puts after an answer (`turn_end`).

    Raises ValueError where it changes the prompt or puts it twice.
    """
    parts = templated(asking(MARK), True).split(MARK)
    if len(parts) != 2:
        raise ValueError(f"it holds the prompt {len(parts) - 1} times, not once")
    before, after = parts
    if len(before) + len(after) > FRAME:
        raise ValueError(f"it puts {len(before) + len(after):,} characters around a prompt, at most {FRAME:,} do")
    unusual = templated(asking(UNUSUAL), True)
    if unusual not in (whole := before + UNUSUAL + after, before + UNUSUAL.strip() + after):
        raise ValueError("it does not hold a prompt literally: it changes quotes, brackets or blanks")
    end = turn_end(lambda chat: templated(chat, False), special_tokens(tokenizer))
    return {"before": before, "after": after, "trims": unusual != whole, "turn_end": end}


def asking(prompt: str) -> list[dict[str, Any]]:
    """Return the chat with one image and `prompt`."""
    return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]


def special_tokens(tokenizer: Any) -> dict[int, str]:
    """The text of every special token by its id."""
    marked = {n: token.content for n, token in tokenizer.added_tokens_decoder.items() if token.special}
    return marked | dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))


def turn_end(templated: Callable[[list[dict[str, Any]]], str], special: Mapping[int, str]) -> int | None:
    """Return the special token that stands, perhaps after blanks, right behind an assistant's message; None where none
    does, or the template takes no such message.

    >>> turn_end(lambda chat: f"<s>{chat[1]['content'][0]['text']} </s>", {1: "<s>", 2: "</s>"})
    2
    """
    for content in ([{"type": "text", "text": SAID}], SAID):
        question = [{"type": "text", "text": "?"}] if isinstance(content, list) else "?"
        try:
            text = templated([{"role": "user", "content": question}, {"role": "assistant", "content": content}])
        except Exception:  # a template may raise anything at a message that it was not written for
            continue
        _, *after = text.split(SAID)
        if len(after) == 1:
            rest = after[0].lstrip()
            fits = [n for n, token in special.items() if token and rest.startswith(token)]
            return max(fits, key=lambda n: len(special[n]), default=None)
    return None
