"""The tokenizer of the embedded models: a byte-level BPE that knows the wordings of the scenes' captions."""

import itertools
from collections.abc import Mapping, Sequence

import scenes
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 704
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def corpus() -> list[str]:
    """Every wording around every category, for training the tokenizer: no scene is needed."""
    names = scenes.CATEGORIES
    lines = [
        scenes.caption(tuple(names[(i + j) % len(names)] for j in range(count)), colour, template)
        for i, colour, template, count in itertools.product(
            range(len(names)), scenes.COLOURS, range(len(scenes.TEMPLATES)), (1, 2, 3)
        )
    ]
    return lines + [scenes.PROMPT, "user", "assistant", "system"] * (len(lines) // 20)


def build_tokenizer(
    special: Sequence[str], template: str, *, end: str, padding: str, named: Mapping[str, str] | None = None
) -> PreTrainedTokenizerFast:
    """A byte-level BPE with Qwen's pre-tokenisation, a family's special tokens and its chat template.

    named: attributes by which a processor finds some of the special tokens.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(corpus(), trainer)
    bpe.add_special_tokens(list(special))
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=end,
        pad_token=padding,
        extra_special_tokens=dict(named) if named else list(special),
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )
