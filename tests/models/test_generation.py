"""Which tokens end an answer and which it may not hold; answers from outside that hold an image token all the same."""

import json
import shutil
from contextlib import contextmanager
from copy import copy
from pathlib import Path

import pytest
import torch

from pipeline.models.chat import turn_end
from pipeline.models.checkpoint import CheckpointError
from pipeline.models.decoder import enter, run
from pipeline.models.generation import listed, placeholders
from pipeline.models.qwen2_vl import Qwen2VL
from tests import tiny
from tests.checkpoints import qwen2_vl_folder

STOP, OTHER = "<|im_end|>", "<|endoftext|>"
CLOSE = {"rtol": 0.0, "atol": 1e-4}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A checkpoint in which nothing names an end."""
    return qwen2_vl_folder(tmp_path_factory.mktemp("source"))


@pytest.fixture
def edited(source, tmp_path):
    """Make a copy of the checkpoint, its files changed: name -> function of its content. None deletes the file."""

    def make(**changes):
        folder = shutil.copytree(source, tmp_path / "edited")
        for stem, change in changes.items():
            path = next(folder.glob(f"{stem}.*"))
            if change is None:
                path.unlink()
            elif path.suffix == ".json":
                path.write_text(json.dumps(change(json.loads(path.read_text()))))
            else:
                path.write_text(change(path.read_text()))
        return Qwen2VL(str(folder), max_new_tokens=8)

    return make


def ids(*tokens):
    """Ids of special tokens, as every tiny checkpoint numbers them."""
    return [{OTHER: 310, STOP: 312}[token] for token in tokens]


def says(**values):
    return lambda content: content | values


def in_text(**values):
    return lambda content: content | {"text_config": content["text_config"] | values}


def closing(template):
    """The template with the end token after every message."""
    return template.replace("{% if m['role'] == 'user' %}<|im_end|>\n{% endif %}", "<|im_end|>\n")


def test_the_ids_of_this_file(source):
    assert Qwen2VL(str(source)).processor.tokenizer.convert_tokens_to_ids([OTHER, STOP]) == ids(OTHER, STOP)
    assert Qwen2VL(str(source)).ends == ()


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"generation_config": says(eos_token_id=310), "chat_template": closing}, [OTHER, STOP]),
        ({"generation_config": None, "config": says(eos_token_id=[312, 310])}, [STOP, OTHER]),
        ({"generation_config": None, "config": in_text(eos_token_id=[312, 310])}, [STOP, OTHER]),
        ({"generation_config": says(eos_token_id=[310]), "config": says(eos_token_id=312)}, [OTHER, STOP]),
        ({"tokenizer_config": says(eos_token=STOP), "generation_config": says(eos_token_id=310)}, [OTHER, STOP]),
        ({"chat_template": closing}, [STOP]),
        ({"chat_template": closing, "tokenizer_config": says(eos_token=STOP)}, [STOP]),
        ({"generation_config": says(eos_token_id=[312, 9999, -1])}, [STOP]),
    ],
)
def test_every_place_that_names_an_end_counts(edited, changes, ends):
    vlm = edited(**changes)
    assert list(vlm.ends) == ids(*ends)
    assert vlm.generation_record["eos_token_id"] == vlm.identity()["generation"]["eos_token_id"] == ids(*ends)


@pytest.mark.parametrize("value", ["312", [312, "310"], 312.0, True, {"id": 312}])
def test_an_end_that_is_no_id_is_refused_by_file_and_key(edited, value):
    with pytest.raises(CheckpointError, match=r"its generation_config\.json: eos_token_id is .*, expected an id"):
        _ = edited(generation_config=says(eos_token_id=value)).ends


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"generation_config": says(eos_token_id=9999)}, "9999"),
        ({"generation_config": says(eos_token_id=[400, -1]), "config": in_text(eos_token_id=9999)}, "400, 9999"),
    ],
)
def test_ends_of_which_the_model_has_none_are_refused(edited, changes, named):
    told = (
        rf"name {named} as what ends an answer, but the model has 400 tokens, .*; correct eos_token_id in generation_c"
    )
    vlm = edited(**changes)
    for look in (lambda: vlm.ends, lambda: vlm.generation, vlm.identity):
        with pytest.raises(CheckpointError, match=told):
            look()


def test_a_negative_end_says_that_there_is_none(edited):
    assert edited(generation_config=says(eos_token_id=-1)).ends == ()


def test_a_broken_generation_config_is_not_taken_for_a_missing_one(edited):
    vlm = edited()
    (Path(vlm.location) / "generation_config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"generation_config\.json is not a valid JSON file; download it again"):
        _ = vlm.generation


def test_a_default_of_transformers_ends_nothing_unless_it_is_a_special_token(tmp_path):
    """A Llama's default is 2, in many vocabularies an ordinary character."""
    vlm = tiny.LLaVA(str(tiny.llava_folder(tmp_path)))
    config = tmp_path / "config.json"
    content = json.loads(config.read_text())
    content["text_config"].pop("eos_token_id", None)
    config.write_text(json.dumps(content))
    assert vlm.config.get_text_config().eos_token_id == 2
    assert vlm.ends == ()


SPECIAL = {1: "<s>", 2: "</s>", 3: "</s>\n", 4: "<end_of_turn>"}


@pytest.mark.parametrize(
    ("pattern", "end"),
    [
        ("<s>user ? <s>assistant {}</s>", 2),
        ("{}   \n</s> <s>", 2),
        ("{}</s>\n", 3),
        ("{}<end_of_turn>\n<s>user", 4),
        ("{} END", None),
        ("{}", None),
        ("{}</s> {}", None),
        ("", None),
    ],
)
def test_the_end_of_a_turn_is_the_special_token_behind_the_answer(pattern, end):
    assert turn_end(lambda chat: pattern.format(*[chat[1]["content"][0]["text"]] * 2), SPECIAL) == end


def test_a_template_that_takes_text_alone_or_no_answer_at_all():
    def text_alone(chat):
        return chat[0]["content"] + ":" + chat[1]["content"] + "<end_of_turn>"

    assert turn_end(text_alone, SPECIAL) == 4
    assert turn_end(lambda chat: 1 / 0, SPECIAL) is None


def uttering(vlm, token, like):
    """The loaded `vlm`, which now says `token` wherever it would have said `like`."""
    weight = vlm.head.weight
    weight[token] = 1.01 * weight[like]
    return vlm


def test_an_answer_ends_at_the_end_of_a_turn_that_the_template_alone_names(edited):
    vlm = tiny.loaded(edited(generation_config=says(eos_token_id=310), chat_template=closing))
    images, prompts = [tiny.image(3, 4, 0), tiny.image(5, 2, 1)], ["Describe this image.", "What?"]
    queries = vlm.ask(images, prompts)
    before = vlm.answer(queries)[0]
    assert not any(answer.ended for answer in before)
    third = before[0].ids[3]
    assert third not in before[0].ids[:3]
    after = uttering(vlm, 312, third).answer(queries)[0]
    assert after[0].ids == before[0].ids[:3]
    assert (after[0].ended, after[0].end, vlm.end_text) == (True, STOP, STOP)


def test_the_end_is_the_one_that_occurred_for_each_answer(edited):
    vlm = tiny.loaded(edited(generation_config=says(eos_token_id=[310, 312])))
    queries = vlm.ask([tiny.image(3, 4, 0), tiny.image(5, 2, 1), tiny.image(2, 2, 2)], ["Describe this image."] * 3)
    before = vlm.answer(queries)[0]
    marks = [next(i for i in a.ids if not any(i in b.ids for b in before if b is not a)) for a in before[:2]]
    uttering(uttering(vlm, 310, marks[0]), 312, marks[1])
    after = vlm.answer(queries)[0]
    assert [answer.end for answer in after] == [OTHER, STOP, ""]
    assert [answer.ended for answer in after] == [True, True, False]
    assert vlm.read([5], True).end == vlm.end_text == OTHER
    assert vlm.read([5], False).end == ""


def test_tokens_that_stand_for_images_and_videos_are_not_generated(edited):
    vlm = tiny.loaded(edited())
    image, video = vlm.config.image_token_id, vlm.config.video_token_id
    assert vlm.generation_record["suppress_tokens"] == sorted([image, video])
    (query,) = vlm.ask([tiny.image(3, 4)], ["What?"])
    like = vlm.answer([query])[0][0].ids[2]
    (answer,), _ = uttering(uttering(vlm, image, like), video, like).answer([query])
    assert like in answer.ids
    assert not {image, video} & set(answer.ids)


def test_every_family_bans_its_own(vlm):
    names = vlm.processor.tokenizer.convert_ids_to_tokens(list(vlm.banned))
    assert vlm.config.image_token_id in vlm.banned
    assert set(names) <= {"<image>", "<video>", "<|image_pad|>", "<|video_pad|>", "<IMG_CONTEXT>"}
    assert vlm.generation_record["suppress_tokens"] == list(vlm.banned)


@contextmanager
def saying(vlm, token, at):
    """Inside, the model says `token` as its answers' tokens `at`."""
    step = iter(range(10**6))

    def push(module, args, out):
        if next(step) in at:
            out = out.clone()
            out[..., token] = 1e4
        return out

    with vlm.model.get_output_embeddings().register_forward_hook(push):
        yield


@pytest.mark.parametrize("at", [(0,), (2, 3), (6,)], ids=str)
def test_an_image_token_in_an_answer_is_a_word_and_no_image(vlm, asked, at):
    """What the model says step by step, told to say its image token, is the slow oracle of one forced pass."""
    free, token = copy(vlm.generation), vlm.config.image_token_id
    free.suppress_tokens = None
    with saying(vlm, token, at):
        answers, stepped = vlm.answer(asked, free)
    assert all([n for n, i in enumerate(answer.ids) if i == token] == list(at) for answer in answers)
    for query, answer, one, other in zip(asked, answers, stepped, vlm.trace(asked, answers), strict=True):
        torch.testing.assert_close(one.vision, other.vision, **CLOSE)
        torch.testing.assert_close(one.text, other.text, **CLOSE)
        entry = enter(vlm, query, answer)
        last = other.text[-1:]
        torch.testing.assert_close(run(vlm, entry)[-1:].detach(), last, **CLOSE)
        assert vlm.score([query], [answer])[0].isfinite().all()


def test_answers_with_and_without_image_tokens_in_one_batch(vlm, asked, said):
    token = vlm.config.image_token_id
    mixed = [vlm.read([*a.ids[:2], token, *a.ids[3:]], False) if n % 2 else a for n, a in enumerate(said[0])]
    for query, answer, trace in zip(asked, mixed, vlm.trace(asked, mixed), strict=True):
        torch.testing.assert_close(vlm.trace([query], [answer])[0].text, trace.text, **CLOSE)


def test_a_model_that_embeds_elsewhere_refuses_such_an_answer(edited, monkeypatch):
    vlm = tiny.loaded(edited())
    (query,) = vlm.ask([tiny.image(2, 2)], ["What?"])
    answer = vlm.read([5, vlm.config.image_token_id, 6], False)
    monkeypatch.setattr(vlm.model, "get_input_embeddings", lambda: torch.nn.Embedding(3, 3))
    with pytest.raises(ValueError, match="the answer holds the model's own image token"):
        vlm.trace([query], [answer])


@pytest.mark.parametrize("token", [-1, 10**6])
def test_a_token_that_the_model_does_not_have_is_refused(edited, token):
    with pytest.raises(ValueError, match=f"the answer holds token {token}, the model has 400"):
        edited().read([5, token], True)


def test_ids_and_nothing_else():
    assert listed([1, True]) is None
    keys = {"image_token_id": 3, "vision_token_id": 4, "video_token_index": 5, "audio_token_id": None}
    around = {"vision_start_token_id": 6, "image_end_token_id": 7, "image_newline_token_id": 8, "pad_token_id": 9}
    assert placeholders(keys | around | {"visual_token_ids": [10, 11]}) == {3, 4, 5, 10, 11}
