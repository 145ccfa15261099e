"""Checkpoints as strangers may change them, by name, and what is then told."""

import struct

from tests.hostile_changes import (
    Change,
    both,
    directory,
    doubling,
    fifo,
    header,
    index,
    link,
    moved,
    nested,
    not_numbers,
    pattern,
    setting,
    sparse,
    text,
    without,
)

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
GROW = "{% set ns = namespace(x='x') %}{% for a in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}"
CONFIG, TOKENS, TEMPLATE = "config.json", "tokenizer.json", "chat_template.jinja"
PROCESSOR = "processor_config.json"

REFUSED: dict[str, tuple[Change, str]] = {
    "no JSON": (text(CONFIG, "{"), "config.json is not a valid JSON file"),
    "a list": (text(CONFIG, "[]"), "config.json is not a JSON object"),
    "deep": (text(CONFIG, '{"a": ' + nested(100_000) + "}"), "config.json is not a valid JSON file"),
    "no UTF-8": (text(CONFIG, b'{"a": "\xff"}'), "config.json is not a valid JSON file"),
    "NaN": (setting(CONFIG, "text_config", "rms_norm_eps", value=float("nan")), "config.json .*NaN"),
    "no kind": (without(CONFIG, "model_type"), "config.json"),
    "an unknown kind": (setting(CONFIG, "model_type", value="\x1b[31mred"), "config.json"),
    "a kind that is no name": (setting(CONFIG, "model_type", value=[1]), "config.json"),
    "text is no object": (setting(CONFIG, "text_config", value=3), "config.json"),
    "a billion layers": (setting(CONFIG, "text_config", "num_hidden_layers", value=10**9), "config.json"),
    "no layers": (setting(CONFIG, "text_config", "num_hidden_layers", value=0), "config.json: .*num_hidden_layers"),
    "layers are a word": (setting(CONFIG, "text_config", "num_hidden_layers", value="many"), "config.json"),
    "a huge width": (setting(CONFIG, "text_config", "hidden_size", value=2**40), "config.json"),
    "a huge vocabulary": (setting(CONFIG, "text_config", "vocab_size", value=2**60), "config.json: vocab_size"),
    "a negative vocabulary": (setting(CONFIG, "text_config", "vocab_size", value=-5), "config.json"),
    "no heads": (setting(CONFIG, "text_config", "num_attention_heads", value=0), "config.json"),
    "a huge tower": (setting(CONFIG, "vision_config", "embed_dim", value=2**30), "config.json"),
    "no image token": (setting(CONFIG, "image_token_id", value=None), "config.json: .*image_token_id"),
    "an image token beyond": (setting(CONFIG, "image_token_id", value=10**6), "config.json: image_token_id is 1000000"),
    "another image token": (setting(CONFIG, "image_token_id", value=3), "its processor or config.json: "),
    "padding beyond": (setting(CONFIG, "text_config", "pad_token_id", value=10**6), "config.json: .*pad_token_id"),
    "packed": (
        setting(CONFIG, "quantization_config", value={"quant_method": "awq"}),
        "config.json: quantization_config",
    ),
    "outside weights": (
        setting(CONFIG, "transformers_weights", value="../w.safetensors"),
        "'../w.safetensors' leads out",
    ),
    "pickled weights": (
        setting(CONFIG, "transformers_weights", value="adapter_model.bin"),
        "config.json: .*no .safetensors",
    ),
    "an adapter": (text("adapter_config.json", '{"base_model_name_or_path": "/x"}'), "adapter_config.json: .*merge it"),
    "sound": (text("audio_tokenizer_config.json", "{}"), "audio_tokenizer_config.json: "),
    "sound inside": (
        setting(
            PROCESSOR, "audio_tokenizer", value={"audio_tokenizer_class": "X", "audio_tokenizer_name_or_path": "/x"}
        ),
        "processor_config.json: audio_tokenizer",
    ),
    "index outside": (index("../outside.safetensors"), "'../outside.safetensors' leads out of the folder"),
    "index of pickles": (index("pytorch_model.bin"), "'pytorch_model.bin' is no .safetensors"),
    "index of numbers": (
        both(index("a.safetensors"), text("model.safetensors.index.json", '{"metadata": {}, "weight_map": {"a": 1}}')),
        "model.safetensors.index.json: 1 is no name",
    ),
    "weights are a link": (moved("model.safetensors"), "model.safetensors is a link that leads out of the folder"),
    "config is a link": (moved(CONFIG), "config.json is a link that leads out of the folder"),
    "template is a link": (link(TEMPLATE, "/etc/passwd"), "chat_template.jinja is a link that leads out"),
    "a further template is a link": (
        link("additional_chat_templates/x.jinja", "/etc/passwd"),
        "additional_chat_templates/x.jinja is a link",
    ),
    "a circle of links": (link(TOKENS, TOKENS), "tokenizer.json is no file"),
    "a device": (link(TOKENS, "/dev/zero"), "tokenizer.json is a link that leads out"),
    "a fifo": (fifo(TOKENS), "tokenizer.json is no regular file"),
    "weights are a fifo": (fifo("model.safetensors"), "model.safetensors is no regular file"),
    "settings are a fifo": (fifo("generation_config.json"), "generation_config.json is no regular file"),
    "a folder": (directory("tokenizer_config.json"), "tokenizer_config.json is no regular file"),
    "a config of gigabytes": (sparse(CONFIG, 2**40), "config.json has 1,099,511,627,776 bytes, at most"),
    "weights with a hole behind": (sparse("model.safetensors", 8 * 2**40), "model.safetensors is sparse"),
    "weights that are a hole": (header(4 * 2**40, [2**40]), "model.safetensors is sparse"),
    "a small hole behind": (sparse("model.safetensors", 500_000), "model.safetensors is not whole"),
    "a header too long": (text("model.safetensors", struct.pack("<Q", 2**62)), "model.safetensors is not whole"),
    "a header of no JSON": (text("model.safetensors", struct.pack("<Q", 4) + b"{{{{"), "model.safetensors is damaged"),
    "a negative shape": (header(4, [-1, -1]), "model.safetensors is damaged in its header"),
    "no numbers": (not_numbers, "its weights give logits that are not finite numbers"),
    "a template that loops": (text(TEMPLATE, LOOP), "reading it takes more than . s of computing"),
    "a template that loops at an answer": (
        text(
            TEMPLATE,
            "{{ messages[0].content[-1].text }}{% if messages | length > 1 %}" + LOOP + "{% endif %}",
        ),
        "reading it takes more than . s of computing",
    ),
    "a template that grows": (text(TEMPLATE, GROW), "memory|more than . s"),
    "a template of none": (text(TEMPLATE, "{{ 'x' }}"), "its chat template: it holds the prompt 0 times"),
    "a template of two": (
        text(TEMPLATE, "{{ messages[0].content[1].text }}" * 2),
        "its chat template: it holds the prompt 2 times",
    ),
    "a template that shouts": (
        text(TEMPLATE, "{{ messages[0].content[1].text | e }}"),
        "its chat template: .*literally",
    ),
    "a template of errors": (text(TEMPLATE, "{{ 1 / 0 }}"), "its chat template: ZeroDivisionError"),
    "a template of no grammar": (text(TEMPLATE, "{% for %}"), "its chat template: TemplateSyntaxError"),
    "a template that looks in": (text(TEMPLATE, "{{ ''.__class__.__mro__ }}"), "its chat template: "),
    "a template of a novel": (
        text(TEMPLATE, "x" * 70_000 + "{{ messages[0].content[1].text }}"),
        "its chat template: it puts",
    ),
    "a normaliser that doubles": (doubling("normalizer", "q"), "its tokenizer: its normalizer makes up to 1,099,"),
    "a decoder that doubles": (doubling("decoder", "q"), "its tokenizer: its decoder makes up to 1,099,"),
    "a pattern that goes back": (pattern("pre_tokenizer", "(a+)+$"), "its tokenizer: PanicException"),
    "a tokenizer that rolls dice": (setting(TOKENS, "model", "dropout", value=0.5), "its tokenizer: dropout 0.5"),
    "a tokenizer of nothing": (text(TOKENS, "{}"), "its tokenizer or processor: "),
    "a token beyond": (setting(TOKENS, "added_tokens", value=[{"id": -1}]), "its tokenizer or processor: "),
    "a version elsewhere": (
        setting("tokenizer_config.json", "fast_tokenizer_files", value=["../../tokenizer.4.0.0.json"]),
        "tokenizer_config.json: fast_tokenizer_files names '../../tokenizer",
    ),
    "pixels are divided by nothing": (
        setting(PROCESSOR, "image_processor", "image_std", value=[0, 0, 0]),
        "pixel_values of",
    ),
    "no patches": (setting(PROCESSOR, "image_processor", "patch_size", value=0), "its processor or config.json: "),
    "patches of another size": (
        setting(PROCESSOR, "image_processor", "patch_size", value=7),
        "its weights do not fit its",
    ),
    "pictures of gigapixels": (
        setting(PROCESSOR, "image_processor", "size", value={"shortest_edge": 2**50, "longest_edge": 2**51}),
        "its processor or config.json: |memory|more than",
    ),
    "no image processor": (without(PROCESSOR, "image_processor"), "its tokenizer or processor: "),
    "an end at infinity": (
        setting("generation_config.json", "pad_token_id", value=float("inf")),
        "generation_config.json: ",
    ),
    "a sampler of words": (
        text("generation_config.json", '{"eos_token_id": "</s>", "pad_token_id": {}}'),
        "generation_config.json: ",
    ),
}
"""Name -> a change, and what is then told."""
