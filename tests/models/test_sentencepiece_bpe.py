"""Ids and text are those of the sentencepiece library."""

import random
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import AddedToken

from pipeline.models.sentencepiece_bpe import fast_tokenizer
from tests import remote_internvl


def texts(count: int, seed: int = 0) -> list[str]:
    """Random text: words, runs of letters and of spaces, and characters of all planes (no NUL, no surrogates)."""
    pick = random.Random(seed)
    words = [word for line in remote_internvl.LINES for word in line.split()]
    draws = [
        lambda: pick.choice(words),
        lambda: pick.choice("ab ") * pick.randrange(1, 9),
        lambda: pick.choice([" ", "  ", "\n", "\t", "▁", "——", "—", "Ｅ", "[UNUSED_TOKEN_1]", "<0x41>", "</s>x"]),
        lambda: chr(
            pick.choice([pick.randrange(1, 0x250), pick.randrange(0x4E00, 0x9FFF), pick.randrange(0x1F300, 0x1F700)])
        ),
    ]
    return ["".join(pick.choice(draws)() for _ in range(pick.randrange(0, 24))) for _ in range(count)]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    remote_internvl.internlm2_words(folder)
    return folder / "tokenizer.model"


def test_ids_and_text_are_those_of_the_library(model):
    theirs, ours = sentencepiece.SentencePieceProcessor(str(model)), fast_tokenizer(model, {})
    assert ours.get_vocab() == {theirs.id_to_piece(n): n for n in range(theirs.get_piece_size())}
    for text in texts(3000):
        ids = theirs.encode(text)
        assert ours.encode(text).ids == ids, text
        assert ours.decode(ids) == theirs.decode(ids), text


def test_added_tokens_take_their_places(model):
    size = sentencepiece.SentencePieceProcessor(str(model)).get_piece_size()
    added = {3: "<start>", size: "<img>", size + 1: "<end>"}
    ours = fast_tokenizer(model, {n: AddedToken(text, normalized=False, special=True) for n, text in added.items()})
    dog = ours.encode(" a dog").ids
    assert ours.encode("<start> a dog<end><img>").ids == [3, *dog, size + 1, size]
    assert ours.get_vocab_size() == size + 2


def test_a_gap_is_refused(model):
    size = sentencepiece.SentencePieceProcessor(str(model)).get_piece_size()
    with pytest.raises(ValueError, match=f"added token '<img>' gets id {size}, not {size + 1}"):
        fast_tokenizer(model, {size + 1: AddedToken("<img>")})


SYMBOLS = [
    *(["dog"], ["dog", "dogs"], ["ab", "bc"], ["aaa", "aa"], ["x▁y"], ["▁"], ["▁▁"], ["▁a", "a▁"], ["▁▁▁", "▁▁"]),
    *(["x\ty"], ["q\nr"], ["x\u00a0y"], ["x\u3000y"], ["x\u200by"]),
]


@pytest.mark.parametrize("symbols", SYMBOLS, ids=ascii)
def test_user_defined_symbols_are_found_where_the_library_finds_them(tmp_path, symbols):
    remote_internvl.internlm2_words(tmp_path, symbols=symbols)
    theirs = sentencepiece.SentencePieceProcessor(str(tmp_path / "tokenizer.model"))
    ours = fast_tokenizer(tmp_path / "tokenizer.model", {})
    pick = random.Random(1)
    parts = [*symbols, *symbols, *(symbol.replace("▁", " ") for symbol in symbols)]
    parts += [" ", "  ", "a", "b ", "c", "x", " y", "dog", "s", "▁", "▁▁", "A brown dog", "\n"]
    for _ in range(400):
        text = "".join(pick.choice(parts) for _ in range(pick.randrange(1, 8)))
        ids = theirs.encode(text)
        assert ours.encode(text).ids == ids, text
        assert ours.decode(ids) == theirs.decode(ids), text


@pytest.mark.parametrize("symbol", ["a b", " x", "x ", " ", "  "])
def test_a_user_defined_symbol_with_a_space_is_refused(tmp_path, symbol):
    remote_internvl.internlm2_words(tmp_path, symbols=["dog", symbol])
    with pytest.raises(ValueError, match=r"tokenizer\.model: the user-defined symbol .* holds a space"):
        fast_tokenizer(tmp_path / "tokenizer.model", {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "unigram"}, "not a BPE model"),
        ({"prefix": True}, "its normaliser 'identity' does more"),
        ({"normaliser": "nmt_nfkc"}, "its normaliser 'nmt_nfkc' does more"),
    ],
)
def test_other_models_are_refused(tmp_path, options, message):
    remote_internvl.internlm2_words(tmp_path, **options)
    with pytest.raises(ValueError, match=message):
        fast_tokenizer(tmp_path / "tokenizer.model", {})
