"""The text that each token of an answer adds."""

from collections.abc import Callable, Sequence


def pieces(decode: Callable[[Sequence[int]], str], ids: Sequence[int]) -> tuple[str, ...]:
    """Return one piece a token, together the decoded text.

    A character that is spread over several tokens stands in the piece of the last of them; the others add nothing, nor
    does a special token that `decode` skips.
    """
    text = decode(ids)
    found, done = [], 0
    for count in range(1, len(ids) + 1):
        known = len(text) if count == len(ids) else shared(decode(ids[:count]), text)
        found.append(text[done : max(known, done)])
        done = max(known, done)
    return tuple(found)


def shared(one: str, other: str) -> int:
    """Length of the common beginning of two strings."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
