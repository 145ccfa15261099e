"""What an InternVL2.5 of the remote-code layout is asked with: tokenizer, chat template, image processor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, processors
from transformers import InternVLConfig, PreTrainedTokenizerFast, Qwen2Tokenizer
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from pipeline.models.internvl import InternVL
from pipeline.models.internvl_remote import language, parsed
from pipeline.models.sentencepiece_bpe import fast_tokenizer

SYSTEM = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
"""The system message of the remote code's template `internvl2_5`; native checkpoints go without one."""
TEMPLATE = """\
{%- if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nSYSTEM<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}
{%- if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}
{%- if part['type'] == 'image' %}{{ '<IMG_CONTEXT>\\n' }}{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}
{%- endfor %}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""".replace("SYSTEM", SYSTEM)
END = "<|im_end|>"
TOKENS = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
UNUSED = {"InternLM2ForCausalLM": "[UNUSED_TOKEN_0]", "Qwen2ForCausalLM": "<|video_pad|>"}
"""The native processor wants a token for videos; the remote code has none, so one that stands for nothing else."""
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
"""Of ImageNet."""


def processor(folder: Path, facts: Mapping[str, Any], config: InternVLConfig) -> Any:
    """The processor of the source `folder` with its config.json `facts`: the tiles and normalisation of its tower."""
    tower: Any = config.vision_config
    text: Any = config.text_config
    height, width = tower.image_size
    images = GotOcr2ImageProcessorPil(
        size={"height": height, "width": width},
        crop_to_patches=facts["dynamic_image_size"],
        min_patches=facts["min_dynamic_patch"],
        max_patches=facts["max_dynamic_patch"],
        image_mean=MEAN,
        image_std=STD,
    )
    words = tokenizer(folder, language(facts))
    if len(words) > text.vocab_size:
        raise ValueError(f"the tokenizer has {len(words)} entries, the model {text.vocab_size}")
    return InternVL.processor_class(
        images, words, None, image_seq_length=config.image_seq_length, chat_template=TEMPLATE
    )


def tokenizer(folder: Path, model: str) -> PreTrainedTokenizerFast:
    """The tokenizer of the source `folder` as a fast one with the same ids; model: class of the language model.

    Raises ValueError where a token that prompts need is not in its vocabulary.
    """
    settings = parsed(folder / "tokenizer_config.json")
    if model == "InternLM2ForCausalLM":
        added = {
            int(n): AddedToken(entry["content"], normalized=False, special=entry["special"])
            for n, entry in settings["added_tokens_decoder"].items()
        }
        core = fast_tokenizer(folder / "tokenizer.model", added)
        if settings.get("add_bos_token", True):
            bos = settings["bos_token"]
            core.post_processor = processors.TemplateProcessing(
                single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, core.token_to_id(bos))]
            )
    else:
        core = Qwen2Tokenizer.from_pretrained(folder).backend_tokenizer
    extra = {**TOKENS, "video_token": UNUSED[model]}
    if absent := [token for token in [*extra.values(), END] if core.token_to_id(token) is None]:
        raise ValueError(f"the tokenizer knows no {', '.join(absent)}")
    named = {key: settings[key] for key in ("bos_token", "eos_token", "pad_token", "unk_token") if settings.get(key)}
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        extra_special_tokens=extra,
        clean_up_tokenization_spaces=False,
        model_max_length=settings.get("model_max_length"),
        **named,
    )
