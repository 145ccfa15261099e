"""A converted checkpoint is the model it was made of: logits, tokens, prompt."""

import json

import numpy as np
import pytest
import sentencepiece
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import InternVLForConditionalGeneration, Qwen2Tokenizer

from pipeline.models.convert_internvl import convert, main
from pipeline.models.internvl import InternVL
from pipeline.models.internvl_prompt import SYSTEM
from tests import remote_internvl
from tests.oracles import internvl_remote as oracle

LANGUAGES = ["InternLM2", "Qwen2"]
TEXTS = [
    "Describe this image in one sentence.",
    "  two  spaces, \ta tab\nand a line ",
    "图片里有什么？ café — —— naïve 🐶 Ｅ",
    "[UNUSED_TOKEN_1] <0x0A> ▁ a▁b",
    "",
    " ",
    "aaaa aaa aa a",
]


def native(folder, **options):
    model, info = InternVLForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float64, output_loading_info=True, **options
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    return model.eval()


def asked(folder, text="Describe this image."):
    processor = InternVL.processor_class.from_pretrained(folder, backend="pil")
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
    prompt = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    inputs = processor(images=[Image.fromarray(noise)], text=[prompt], crop_to_patches=False, return_tensors="pt")
    return processor, prompt, inputs


@pytest.mark.parametrize(
    ("language", "options", "words"),
    [
        ("InternLM2", {}, 2),
        ("InternLM2", {"tied": True}, 2),
        ("InternLM2", {"bias": True, "big_tower": True, "shards": 3}, 2),
        ("InternLM2", {}, 120),
        ("Qwen2", {}, 2),
        ("Qwen2", {"tied": True}, 2),
        ("Qwen2", {"big_tower": True, "shards": 2}, 2),
    ],
)
def test_logits_are_those_of_the_remote_layout(tmp_path, language, options, words):
    """`words` of 120 reach beyond the positions that the model was made for, where InternLM2 rescales its rotation."""
    facts, weights = remote_internvl.checkpoint(tmp_path / "old", language, **options)
    convert(tmp_path / "old", tmp_path / "new")
    processor, _, inputs = asked(tmp_path / "new", "dog " * words)
    assert (inputs["input_ids"].shape[1] > facts["llm_config"]["max_position_embeddings"]) == (words == 120)
    model = native(tmp_path / "new")
    assert model.config.tie_word_embeddings is facts["llm_config"]["tie_word_embeddings"]
    assert (model.lm_head.weight is model.get_input_embeddings().weight) is model.config.tie_word_embeddings
    with torch.no_grad():
        found = model(**{**inputs, "pixel_values": inputs["pixel_values"].double()}).logits[0]
    pixels, ids = inputs["pixel_values"][0], inputs["input_ids"][0]
    expected = oracle.logits(weights, facts, pixels, ids, processor.image_token_id)
    assert expected.std() > 0.5
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module", params=LANGUAGES)
def pair(request, tmp_path_factory):
    """A checkpoint and its conversion."""
    folder = tmp_path_factory.mktemp(request.param)
    remote_internvl.checkpoint(folder / "old", request.param)
    convert(folder / "old", folder / "new")
    return folder / "old", folder / "new", request.param


def test_ids_are_those_of_the_source_tokenizer(pair):
    old, new, language = pair
    words = InternVL.processor_class.from_pretrained(new, backend="pil").tokenizer
    if language == "InternLM2":
        reference = sentencepiece.SentencePieceProcessor(str(old / "tokenizer.model"))
        end, start = (reference.piece_to_id(f"[UNUSED_TOKEN_{n}]") for n in (2, 3))
        first = reference.get_piece_size()
        for text in TEXTS:
            ids = reference.encode(text)
            assert words(text)["input_ids"] == [reference.bos_id(), *ids]
            assert words.decode(ids, skip_special_tokens=True) == reference.decode(ids)
        mixed = "<|im_start|>user\n<img><IMG_CONTEXT></img>\n  a dog<|im_end|>"
        split = [start, *reference.encode("user\n"), first, first + 2, first + 1, *reference.encode("\n  a dog"), end]
        assert words(mixed, add_special_tokens=False)["input_ids"] == split
    else:
        reference = Qwen2Tokenizer.from_pretrained(old)
        for text in [*TEXTS, "<|im_start|>user\n<img><IMG_CONTEXT></img>\n  a dog<|im_end|>"]:
            assert words(text)["input_ids"] == reference(text)["input_ids"]
            assert words.decode(reference(text)["input_ids"]) == text
    added = json.loads((old / "tokenizer_config.json").read_text())["added_tokens_decoder"]
    assert {n: words.convert_ids_to_tokens(int(n)) for n in added} == {n: e["content"] for n, e in added.items()}
    assert len(words) == json.loads((old / "config.json").read_text())["llm_config"]["vocab_size"]


def test_the_prompt_is_that_of_the_remote_code_and_recorded(pair):
    _, new, language = pair
    processor, prompt, inputs = asked(new, "{prompt}")
    assert prompt == (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
        "<|im_start|>user\n<IMG_CONTEXT>\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    )
    record = json.loads((new / "conversion.json").read_text())
    assert record["prompt"] == prompt
    assert record["language_model"] == f"{language}ForCausalLM"
    text = processor.tokenizer.decode(inputs["input_ids"][0])
    begin = "<s>" * (language == "InternLM2")
    assert text == begin + prompt.replace("<IMG_CONTEXT>", "<img>" + 9 * "<IMG_CONTEXT>" + "</img>")
    config = InternVLForConditionalGeneration.config_class.from_pretrained(new)
    assert config.image_token_id == processor.image_token_id
    generation = json.loads((new / "generation_config.json").read_text())
    assert processor.tokenizer.convert_ids_to_tokens(generation["eos_token_id"]) == "<|im_end|>"


def test_the_family_asks_and_is_answered(pair):
    vlm = InternVL(str(pair[1]), max_new_tokens=4)
    vlm.load("cpu")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))
    queries = vlm.ask([image], ["What is on the table?"])
    layout = queries[0].layout
    ids = queries[0].inputs["input_ids"][0]
    assert (layout.rows, layout.cols) == (3, 3)
    assert vlm.processor.tokenizer.decode(ids[layout.prompt]).strip() == "What is on the table?"
    assert vlm.end_text == "<|im_end|>"
    answers, traces = vlm.answer(queries)
    (again,) = vlm.trace(queries, answers)
    assert 0 < len(answers[0].ids) <= 4
    torch.testing.assert_close(again.vision, traces[0].vision, atol=1e-5, rtol=0)


def test_a_system_message_of_the_user_takes_the_place_of_the_default(pair):
    processor = InternVL.processor_class.from_pretrained(pair[1], backend="pil")
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert text == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_pixels_are_normalised_for_the_tower(pair):
    processor, *_ = asked(pair[1])
    plain = Image.new("RGB", (24, 24), (255, 0, 51))
    pixels = processor.image_processor(plain, crop_to_patches=False, return_tensors="pt")["pixel_values"][0]
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225]
    assert pixels.shape == (3, 24, 24)
    torch.testing.assert_close(pixels[:, 0, 0], torch.tensor(expected), atol=1e-6, rtol=0)


def test_equal_sources_give_equal_folders_and_keep_their_dtype(tmp_path):
    _, weights = remote_internvl.checkpoint(tmp_path / "old", "InternLM2", shards=2)
    for path in (tmp_path / "old").glob("*.safetensors"):
        save_file({n: t.bfloat16() for n, t in load_file(path).items()}, path, metadata={"format": "pt"})
    convert(tmp_path / "old", tmp_path / "a")
    convert(tmp_path / "old", tmp_path / "b")
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    made = [t for path in (tmp_path / "a").glob("*.safetensors") for t in load_file(path).values()]
    assert {t.dtype for t in made} == {torch.bfloat16}
    assert sum(t.numel() for t in made) == sum(t.numel() for t in weights.values())
    assert set(json.loads((tmp_path / "a" / "conversion.json").read_text())["source_sha256"]) == {
        *("config.json", "tokenizer.model", "tokenizer_config.json"),
        *("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
    }


def test_a_repeated_head_of_a_tied_model_is_dropped(tmp_path):
    _, weights = remote_internvl.checkpoint(tmp_path / "old", "InternLM2", tied=True)
    head = weights["language_model.model.tok_embeddings.weight"].clone()
    path = tmp_path / "old" / "model.safetensors"
    save_file({**load_file(path), "language_model.output.weight": head}, path)
    convert(tmp_path / "old", tmp_path / "new")
    assert "lm_head.weight" not in load_file(tmp_path / "new" / "model.safetensors")
    assert native(tmp_path / "new").lm_head.weight.equal(head.double())


def test_the_command_line(tmp_path, monkeypatch, capsys):
    remote_internvl.checkpoint(tmp_path / "old", "Qwen2")
    monkeypatch.setattr("sys.argv", ["convert_internvl", str(tmp_path / "old"), str(tmp_path / "new")])
    main()
    assert (tmp_path / "new" / "conversion.json").is_file()
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "is not empty" in capsys.readouterr().err
