"""How an answer is generated: which tokens end it, which tokens it may not hold, and the settings that are recorded."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from transformers import GenerationConfig

from pipeline.models import files
from pipeline.models.chat import special_tokens
from pipeline.models.checkpoint import Checkpoint

PLACEHOLDER = re.compile(r"(image|img|video|audio|speech|sound|vision|visual)\w*_token_(id|index|ids)")
"""Keys of a model's configuration that name tokens in whose place features of a picture, film or sound are put."""
BOUNDARY = re.compile(r"start|end|begin|newline")
"""In such a key: a token that stands around features, not for them."""
OF_PROCESSOR = ("video_token_id", "audio_token_id")
"""What a processor may name beside the configuration; its image token may be one that stands before the image."""


class Generation(Checkpoint):
    """A checkpoint with the settings by which it answers."""

    def templated(self, chat: list[dict[str, Any]], reply: bool) -> str:
        """Return `chat` as text; reply: up to where the assistant's answer begins. Raise CheckpointError where the
        checkpoint has no chat template."""
        template = self.processor.chat_template or self.processor.tokenizer.chat_template
        if isinstance(template, dict):  # of several, the one that is meant where none is named
            template = template.get("default")
        if not template:
            raise self.unusable("it has no chat template: put a chat_template.jinja into its folder")
        return self.processor.tokenizer.apply_chat_template(
            chat, chat_template=template, add_generation_prompt=reply, tokenize=False
        )

    @cached_property
    def turn_end(self) -> int | None:
        """The special token that the chat template puts after an assistant's message; None where it puts none.

        Found in a child process with limits, see `inspection`.
        """
        return self.facts["turn_end"]

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Every token that ends an answer: all that generation_config.json, config.json (also of its language model),
        the tokenizer and the chat template name, in this order; those that the model does not have are left out. Raise
        CheckpointError where a file says nonsense, and where the model has none of those that are named."""
        tokenizer, special = self.processor.tokenizer, special_tokens(self.processor.tokenizer)
        raw, text = stated(self, "config.json"), self.config.get_text_config()
        found = [
            *token_ids(self, "generation_config.json", stated(self, "generation_config.json"), "eos_token_id"),
            *token_ids(self, "config.json", raw, "eos_token_id"),
            *token_ids(self, "config.json", text_part(raw, self.config), "eos_token_id"),
        ]
        # defaults of transformers' classes, which an older file may mean and a newer one may not
        for config in (self.config, text):
            found += [n for n in listed(getattr(config, "eos_token_id", None)) or () if n in special]
        found += [n for n in (tokenizer.eos_token_id, self.turn_end) if n is not None]
        known = tuple(dict.fromkeys(n for n in found if 0 <= n < self.extent.vocabulary))
        if not known and (beyond := [n for n in found if n >= 0]):  # a negative one says that nothing is meant
            named = ", ".join(map(str, dict.fromkeys(beyond)))
            raise self.unusable(
                f"its files name {named} as what ends an answer, but the model has {self.extent.vocabulary} tokens, so "
                "no answer would ever end; correct eos_token_id in generation_config.json or config.json"
            )
        return known

    @cached_property
    def replaced(self) -> frozenset[int]:
        """Tokens in whose place the model puts features, by its configuration."""
        return placeholders(self.config.to_dict()) | {self.config.image_token_id}

    @cached_property
    def banned(self) -> tuple[int, ...]:
        """Tokens that are never generated: those that stand for an image, a video or a sound."""
        added = self.processor.tokenizer.added_tokens_decoder
        named = {
            getattr(part, name, None) for part in (self.processor, self.processor.tokenizer) for name in OF_PROCESSOR
        }
        found = {self.config.image_token_id, *((self.replaced | named) & added.keys())}
        return tuple(sorted(n for n in found if n < self.extent.vocabulary and n not in self.ends))

    @cached_property
    def generation(self) -> GenerationConfig:
        """Greedy decoding; of the checkpoint's own settings only the end and padding tokens are taken."""
        padding = token_ids(self, "generation_config.json", stated(self, "generation_config.json"), "pad_token_id")
        padding += [n for n in (self.processor.tokenizer.pad_token_id, *self.ends, 0) if n is not None]
        known = [n for n in padding if 0 <= n < self.extent.vocabulary]
        return GenerationConfig(
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            max_new_tokens=self.max_new_tokens,
            use_cache=True,
            eos_token_id=list(self.ends) or None,
            pad_token_id=known[0],
            suppress_tokens=list(self.banned) or None,
        )

    @property
    def generation_record(self) -> dict[str, Any]:
        """Everything that decides how an answer is generated; what is not named is off."""
        record = self.generation.to_diff_dict()
        return {name: value for name, value in sorted(record.items()) if name != "transformers_version"}

    @property
    def end_text(self) -> str:
        """The text of the token that ends an answer which the model did not generate: the one that ends a turn of the
        chat, else the first that the checkpoint names."""
        ends = self.ends if self.turn_end is None else (self.turn_end,)
        return self.processor.tokenizer.decode(ends[:1]) if ends else ""


def stated(of: Checkpoint, name: str) -> dict[str, Any]:
    """Return what the checkpoint's JSON file `name` says; nothing where it ships without. Raise CheckpointError where
    the file is no JSON object."""
    try:
        return files.optional(of.folder, name)
    except ValueError as error:
        raise of.unusable(error) from error


def text_part(raw: Mapping[str, Any], config: Any) -> Mapping[str, Any]:
    """Return what `raw`, a config.json, says of the language model alone; nothing where the file is flat."""
    text = config.get_text_config()
    names = [name for name in getattr(config, "sub_configs", {}) if getattr(config, name, None) is text]
    part: Any = next((raw[name] for name in (*names, "text_config", "llm_config") if name in raw), {})
    return part if isinstance(part, Mapping) else {}


def token_ids(of: Checkpoint, file: str, says: Mapping[str, Any], key: str) -> list[int]:
    """Return the ids under `key`. Raise CheckpointError where there is something else than an id, ids or nothing."""
    found = listed(says.get(key))
    if found is None:
        raise of.unusable(f"its {file}: {key} is {str(says[key])[:40]!r}, expected an id or a list of ids")
    return found


def listed(value: Any) -> list[int] | None:
    """Return one id, several or none as a list; None for anything else.

    >>> listed(3), listed([3, 4]), listed(None), listed("3")
    ([3], [3, 4], [], None)
    """
    ids = [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
    return ids if all(isinstance(n, int) and not isinstance(n, bool) for n in ids) else None


def placeholders(config: Mapping[str, Any]) -> frozenset[int]:
    """Return the tokens that `config`, a model's configuration, says stand for features.

    >>> sorted(placeholders({"image_token_id": 5, "image_start_token_id": 6, "video_token_index": 7}))
    [5, 7]
    """
    keys = [key for key in config if PLACEHOLDER.fullmatch(key) and not BOUNDARY.search(key)]
    return frozenset(n for key in keys for n in listed(config[key]) or () if n >= 0)
