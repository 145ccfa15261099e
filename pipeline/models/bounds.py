"""Bounds on what a stranger's tokenizer may do with a text: how much it may grow, and how long that may take.

A pattern that backtracks is ended by the tokenizers library after 10 million steps, about half a second, with a panic.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

GROWTH = 64
"""Characters that the steps of a normaliser or decoder may together make of one."""
LONGEST = 4096
"""Characters of the longest token."""
MOST_PATTERNS = 200
MOST_PIECES = 8
"""Tokens that a byte of text may become."""
CHUNK = 4096
PLAIN = (
    "Describe this image in one sentence. What's on the table? A brown dog, 2 cats & 15 \u201cteddy bears\u201d!\n\n"
    "user assistant system: I'm sure; it'll be (fine)... x = [1.5e-3, {a: 'b'}] <p>\t#!/\\|~^_@$%*+ \u72d7\u306f\u72ac "
    "caf\u00e9 na\u00efve \u041f\u0440\u0438\u0432\u0435\u0442 \u0645\u0631\u062d\u0628\u0627 "
    "\U0001f436\u200d\U0001f9ba"
)
"""A text of most kinds of characters."""
RUN = 300
"""Length of a run of one character that is tokenised."""


def check(tokenizer: Any, vocabulary: int) -> None:
    """Raise ValueError where what `tokenizer` does with a text is not bounded, or is not the same each time.

    vocabulary: entries of the model's head, each of which may be decoded. Takes a second or two for a large one; what
    it costs to find out that there is no bound is up to the caller to limit.
    """
    core = tokenizer.backend_tokenizer
    parts = {name: part(core, name) for name in ("normalizer", "pre_tokenizer", "post_processor", "decoder")}
    if dropout := getattr(core.model, "dropout", None):
        raise ValueError(f"dropout {dropout} makes it cut the same text in another way each time; set it to null")
    for name in ("normalizer", "decoder"):
        if (factor := growth(parts[name])) > GROWTH:
            raise ValueError(f"its {name} makes up to {factor:,} characters of one, at most {GROWTH} are let through")
    if (longest := max(map(len, tokenizer.get_vocab()), default=0)) > LONGEST:
        raise ValueError(f"a token of it has {longest} characters, at most {LONGEST} are let through")
    for text in (PLAIN, *probes(parts)):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) > MOST_PIECES * len(text.encode()):
            raise ValueError(f"it makes {len(ids):,} tokens of {len(text)} characters")
        bounded(tokenizer, ids, LONGEST)
    for start in range(0, vocabulary, CHUNK):
        bounded(tokenizer, list(range(start, min(start + CHUNK, vocabulary))), LONGEST)


def part(core: Any, name: str) -> Any:
    """Return a component of a tokenizer of the tokenizers library as JSON says it; None where it has none."""
    found = getattr(core, name)
    return None if found is None else json.loads(found.__getstate__())


def bounded(tokenizer: Any, ids: list[int], longest: int) -> None:
    """Raise ValueError where `ids` are decoded to more than `longest` characters each."""
    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    if len(text) > longest * max(len(ids), 1):
        raise ValueError(f"it decodes {len(ids)} tokens to {len(text):,} characters")


def steps(content: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every step of a component, those in sequences one after another."""
    if isinstance(content, list):
        for item in content:
            yield from steps(item)
    elif isinstance(content, dict):
        if "type" in content:
            yield content
        for value in content.values():
            yield from steps(value)


def growth(content: Any) -> int:
    """Return an upper bound of the characters that replacing steps together make of one character."""
    factor = 1
    for step in steps(content):
        if step["type"] == "Replace":
            pattern = step.get("pattern") or {}
            least = max(1, len(pattern["String"])) if "String" in pattern else 1
            factor *= max(1, -(-len(step.get("content") or "") // least))
        elif step["type"] == "Prepend":
            factor *= 1 + len(step.get("prepend") or "") // LONGEST
    return factor


def probes(parts: Mapping[str, Any]) -> Iterator[str]:
    """Yield texts that take a pattern long if any do: runs of what usual and its own characters there are, cut short.

    Raises ValueError for more than `MOST_PATTERNS` patterns.
    """
    patterns = [
        next(iter(step["pattern"].values()))
        for content in parts.values()
        for step in steps(content)
        if isinstance(step.get("pattern"), dict) and step["pattern"]
    ]
    if len(patterns) > MOST_PATTERNS:
        raise ValueError(f"it has {len(patterns)} patterns, at most {MOST_PATTERNS} are let through")
    own = "".join(map(str, patterns))
    pieces = {*"aA1 \n.!'\u00e9\u72d7", *re.findall(r"\w{2,8}", own)[:20], *sorted(set(own))[:60]}
    for piece in sorted(pieces):
        yield piece * (RUN // len(piece)) + "\x01"
