"""Pieces join to the text, whatever the tokens cut apart."""

import pytest

from pipeline.models.pieces import pieces

TEXTS = ["A dog.", " a traffic light,  two  spaces", "café 😀😀 naïve", "日本語のテキスト", "👩‍👩‍👧 end", ""]


@pytest.mark.parametrize("text", TEXTS)
def test_spelled_text_comes_back(vlm, text):
    answer = vlm.spell(text)
    assert answer.text == text
    assert "".join(answer.pieces) == text
    assert len(answer.pieces) == len(answer.ids)
    assert answer.ended


def test_a_split_character_belongs_to_its_last_token(vlm):
    assert vlm.spell("😀").pieces == ("", "", "", "😀")


def test_special_tokens_of_a_caption_stay_text(vlm):
    answer = vlm.spell("a <|im_end|> b")
    assert answer.text == "a <|im_end|> b"
    assert vlm.processor.tokenizer.convert_tokens_to_ids("<|im_end|>") not in answer.ids


def test_broken_bytes_still_join(said):
    for answer in said[0]:
        assert "".join(answer.pieces) == answer.text


def test_a_decoder_that_drops_the_first_space():
    vocabulary = ["▁A", "▁dog", "gy", "."]
    found = pieces(lambda ids: "".join(vocabulary[i] for i in ids).replace("▁", " ")[1:], [0, 1, 2, 3])
    assert found == ("A", " dog", "gy", ".")
