"""`--data.synonyms` from the command line to the row, and what tokens without text become there."""

from pathlib import Path

import pytest

from metrics.base import Sum
from metrics.words import tagger
from pipeline import cli
from pipeline.evaluation import Evaluation
from pipeline.explainers.cam import CAM
from pipeline.models.qwen2_vl import Qwen2VL
from pipeline.module import ExplainModule
from pipeline.outputs import draw
from pipeline.outputs.records import decode, encode
from tests import tiny
from tests.test_evaluation import CPU
from tests.test_module import samples


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Qwen2VL:
    return tiny.qwen2_vl(tmp_path_factory.mktemp("tiny"))


def mark(*args: str) -> dict[str, object]:
    return Evaluation(cli.parse([*CPU, *args])).mark["data"]


def test_what_the_file_says_is_in_the_fingerprint_and_not_where_it_lies(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.yaml", "two.yaml", "three.yaml")]
    for path, text in zip(paths, ("kitty: cat", "# mine\n'kitty': 'cat'\n", "kitty: dog"), strict=True):
        path.write_text(text)
    one, two, three = (mark("--data.synonyms", str(path)) for path in paths)
    assert one == two
    assert one["synonyms"] == {"kitty": "cat"}
    assert three["synonyms"] == {"kitty": "dog"}
    assert "synonyms" not in mark()


def test_a_bad_file_ends_the_command_with_one_line_and_status_2(tmp_path: Path, capsys) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("kitty: zeppelin\n")
    with pytest.raises(SystemExit) as ended:
        mark("--data.synonyms", str(path))
    told = capsys.readouterr().err.strip()
    assert ended.value.code == 2
    assert "\n" not in told
    assert f"{path}: 'kitty' names 'zeppelin'" in told


def explained(vlm: Qwen2VL, folder: Path, given, synonyms=None):
    made = ExplainModule(
        vlm, {"cam": CAM()}, run_dir=folder, tagger=tagger("hanta"), given=given, synonyms=synonyms, figures=1, panels=1
    )
    return decode(encode(made.rows(samples()[:1])[0]))


def test_a_phrase_of_ones_own_is_an_object_in_corrected_and_for_the_nouns_named(vlm: Qwen2VL, tmp_path: Path) -> None:
    def given(_, vlm):
        return vlm.spell("A young puppy.")

    without = explained(vlm, tmp_path / "without", given)
    row = explained(vlm, tmp_path / "with", given, {"young puppy": "dog"})
    assert without.explainers["cam"]["corrected"].objects == ()
    assert without.captions["noun_recall"] == Sum(0.0, 1)
    (entry,) = row.explainers["cam"]["corrected"].objects
    assert row.captions["noun_recall"] == row.captions["noun_precision"] == Sum(1.0, 1)
    assert row.explainers["cam"]["reference"] == without.explainers["cam"]["reference"]
    assert row.phrases == ((entry.first, 2),)
    (shown, *_) = draw.shown(row)
    assert shown.word.text == "young puppy"
    assert shown.word.tokens == [token for word in row.spoken[entry.first : entry.first + 2] for token in word.tokens]


def test_a_special_token_belongs_to_no_word_of_a_row(vlm: Qwen2VL, tmp_path: Path) -> None:
    dog, mark = vlm.spell("dog").ids, vlm.processor.tokenizer.all_special_ids[0]
    assert len(dog) > 1

    def given(_, vlm):
        return vlm.read([mark, dog[0], mark, *dog[1:], mark], True)

    row = explained(vlm, tmp_path, given)
    (word,) = row.spoken
    assert (word.text, word.tokens) == ("dog", [1, *range(3, 2 + len(dog))])
    assert (word.first_token, word.n_tokens, word.skipped) == (1, len(dog), (2,))
    assert set(row.answer) == {"ids", "pieces", "text", "ended", "end"}


def test_halves_of_a_character_belong_to_its_word_in_a_row(vlm: Qwen2VL, tmp_path: Path) -> None:
    answer = vlm.spell(" dog狗")
    row = explained(vlm, tmp_path, lambda _, vlm: answer)
    assert [word.text for word in row.spoken] == ["dog", "狗"]
    character = row.spoken[1]
    assert "".join(answer.pieces[token] for token in character.tokens) == "狗"
    assert character.n_tokens == sum(own == "\ufffd" for own in answer.alone) > 1
    assert [token for word in row.spoken for token in word.tokens] == list(range(len(answer.ids)))
