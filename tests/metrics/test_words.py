"""Grouping, labels, taggers."""

import string
import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import FileHash
from pathlib import Path

import pytest

from metrics import matching
from metrics.irregular import NOUNS
from metrics.taggers import packaged, plain
from metrics.words import FUNCTION, LONGEST, NOUN, PENN, Hanta, Plain, group, label, tagger, words_of


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((), []),
        (("A", " dog", "."), ["A", "dog", "."]),
        ((" skate", "board", "er"), ["skateboarder"]),
        (("▁a", "▁sk", "ate"), ["a", "skate"]),
        (("Ġa", "Ġsk", "ate"), ["a", "skate"]),
        ((" dogs", ",", " cats"), ["dogs", ",", "cats"]),
        (("a", " light", "-", "blue"), ["a", "light", "-blue"]),
        (("一", "只", "狗", "."), ["一", "只", "狗", "."]),
        ((" a", "...", " b"), ["a", "...", "b"]),
        (("a", "b", "c", "d", "e"), ["abcde"]),
        (("", " dog", ""), ["dog"]),
        ((" ", "dog"), ["dog"]),
        (("dog", ".", "\n", "The"), ["dog", ".", "The"]),
        ((" caf", "e", "\u0301s"), ["cafe\u0301s"]),
        ((" cafe", "\u0301.", " A"), ["cafe\u0301.", "A"]),
        ((" cafe", "\u200d\u0301", "\u0301!"), ["cafe\u200d\u0301\u0301!"]),
        ((".", "\u0301a"), [".", "\u0301a"]),
    ],
)
def test_grouping(pieces, words):
    assert [word.text for word in words_of(pieces, Plain())] == words


@pytest.mark.parametrize(
    ("pieces", "without"),
    [((), []), (("",), [0]), ((" ", "", "\n"), []), (("a", " b", "c", "", "!", "狗", " d", ""), [7])],
)
def test_every_token_belongs_to_one_word_but_those_that_complete_none(pieces, without):
    found = [token for tokens in group(pieces) for token in tokens]
    assert found == [token for token in range(len(pieces)) if token not in without]


def test_a_word_of_white_space_is_other_and_never_tagged():
    class Strict(Plain):
        def tag(self, word):
            assert word.strip()
            return super().tag(word)

    (blank, dog) = words_of((" ", " dog"), Strict())
    assert (blank.text, blank.label, blank.lemma, blank.tag) == ("", "other", "", "")
    assert dog.label == "noun"


@pytest.mark.parametrize("mark", [*string.punctuation, "...", "?!"])
def test_ascii_punctuation_alone_is_punctuation_whatever_its_tag(mark):
    assert label(mark, "NN") == "punctuation"


def test_labels_follow_the_penn_tag():
    assert {label("x", tag) for tag in FUNCTION} == {"function"}
    assert {label("x", tag) for tag in NOUN} == {"noun"}
    assert {label("x", tag) for tag in ("IN", "CD", "JJ", "VBZ", "")} == {"other"}
    assert label("'s", "POS") == "function"
    assert label("狗。", "NN") == "noun"


HANTA = {
    "noun": ["dog", "dogs", "man", "man's", "people", "bear", "Bears", "-bear", '"dog', "giraffes", "skis", "York"],
    "function": ["the", "A", "and", "there", "can", "it", "their", "who", "which", "that", "where", "it's", "'s"],
    "other": ["sitting", "on", "of", "two", "red", "is", "quickly", "with", "not", "isn't", "猫"],
    "punctuation": [".", ",", '"', "(", "-"],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in HANTA.items() for text in texts])
def test_hanta_reads_words_of_captions(kind, text):
    (word,) = words_of((text,), tagger("hanta"))
    assert word.label == kind


@pytest.mark.parametrize(
    ("text", "lemma"),
    [
        *[("dogs", "dog"), ("Dogs", "dog"), ("children", "child"), ("men", "man"), ("knives", "knife")],
        *[("skis", "ski"), ("sky", "sky"), ("giraffes", "giraffe"), ("bears", "bear"), ("-bear", "bear")],
        *[("buses", "bus"), ("T-shirt", "tshirt"), ("dog's", "dog"), ("York", "york")],
    ],
)
def test_hanta_lemmas_are_lower_case_without_hyphens(text, lemma):
    assert tagger("hanta").tag(text)[1] == lemma


IRREGULAR = """
people:people oxen:ox cacti:cactus leaves:leaf knives:knife geese:goose mice:mouse children:child men:man women:woman
feet:foot teeth:tooth sheep:sheep loaves:loaf wolves:wolf calves:calf shelves:shelf scarves:scarf halves:half
wives:wife snowmen:snowman policewomen:policewoman grandchildren:grandchild bookshelves:bookshelf octopi:octopus
bunnies:bunny kitties:kitty canopies:canopy raspberries:raspberry dwarves:dwarf passersby:passerby quizzes:quiz
skateboarder:skateboarder skateboarders:skateboarder surfer:surfer surfers:surfer
"""


@pytest.mark.parametrize("pair", IRREGULAR.split())
@pytest.mark.parametrize("case", [str.lower, str.capitalize, str.upper])
def test_irregular_forms_have_their_lemma_in_any_case(pair, case):
    form, lemma = pair.split(":")
    tag, found = tagger("hanta").tag(case(form))
    assert tag in NOUN
    assert found == lemma


def test_the_table_of_irregular_nouns_is_needed_and_reads_as_it_says():
    hanta = tagger("hanta")
    for form, lemma in NOUNS.items():
        assert hanta.tag(form.capitalize()) == (("NN" if form == lemma else "NNS"), lemma)
        assert form == plain(form)


def plural(name):
    return {
        "person": "people",
        "mouse": "mice",
        "knife": "knives",
        "shelf": "shelves",
        "leaf": "leaves",
        "sheep": "sheep",
        "skis": "skis",
        "broccoli": "broccoli",
    }.get(name, name if name == "scissors" else name + ("es" if name.endswith(("s", "ch", "sh")) else "s"))


@pytest.mark.parametrize("case", [str.lower, str.capitalize, str.upper, str.title])
def test_plurals_of_coco_names_name_them_in_any_case(case):
    hanta = tagger("hanta")
    for name in (*COCO.split(), *PANOPTIC.split()):
        words = words_of(("two", f" {case(plural(name))}"), hanta)
        matches = matching.corrected(words, matching.vocabulary((name,), hanta))
        assert [(match.first, match.category) for match in matches] == [(1, name)]


def test_what_is_written_tvs_names_tv():
    for text in ("TVs", "Tvs", "TVS", "tvs", "TV's", "TV’s", "T.V."):
        words = words_of((f" {text}",), tagger("hanta"))
        names = matching.vocabulary(("tv",), tagger("hanta"))
        assert [one.category for one in matching.corrected(words, names)] == (["tv"] if "." not in text else [])


PANOPTIC = """
banner blanket bridge cardboard counter curtain door floor flower fruit house light mirror net pillow platform
railroad river road roof shelf tent towel wall window tree fence ceiling cabinet table mountain building rock rug
stone brick tile leaf branch bush
"""
COCO = """person bicycle car motorcycle airplane bus train truck boat light hydrant sign meter bench bird cat dog
horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase frisbee skis snowboard ball kite bat
glove skateboard surfboard racket bottle glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot
pizza donut cake chair couch plant bed table toilet tv laptop mouse remote keyboard phone microwave oven toaster sink
refrigerator book clock vase scissors drier toothbrush"""


@pytest.mark.parametrize("name", COCO.split())
def test_hanta_takes_every_coco_name_for_a_noun(name):
    tag, lemma = tagger("hanta").tag(name)
    assert tag in NOUN
    assert lemma == ("ski" if name == "skis" else name)


def test_penn_table_covers_the_tags_of_the_model():
    from HanTa.HanoverTagger import HanoverTagger

    tags = {str(tag) for tag in HanoverTagger(str(packaged("HanTa", "morphmodel_en.pgz"))).int2tag.values()}
    finals = {tag.removeprefix("END_") for tag in tags if tag.startswith("END_")}
    assert len(finals) > 50
    assert finals - set(PENN) == {"!!!", "IN", "NN", "UNKNOWN"}  # states of the model, not tags of words


def test_taggers_are_named_pure_and_loaded_once():
    assert tagger("hanta").name == "hanta"
    assert tagger("hanta") is tagger("hanta")
    assert tagger("hanta").tag("dogs") == tagger("hanta").tag("dogs") == ("NNS", "dog")


@pytest.mark.parametrize("pieces", [("ba",) * 512, (" o", *("x" * 10 for _ in range(600))), (" é" + "é" * 4000,)])
def test_what_no_word_is_as_long_as_is_other_and_never_tagged(pieces, monkeypatch):
    hanta = Hanta()
    monkeypatch.setattr(hanta, "_analyze", lambda word: pytest.fail("it would take minutes"))
    (word,) = words_of(pieces, hanta)
    assert (word.label, word.tag, word.lemma, len(word.tokens)) == ("other", "FW", word.text, len(pieces))


def test_the_longest_words_are_tagged(monkeypatch):
    hanta, asked = Hanta(), []
    monkeypatch.setattr(hanta, "_analyze", lambda word: (asked.append(word), (word, "NN1"))[1])
    longest = "pneumonoultramicroscopicsilicovolcanoconiosis"
    words = [longest, longest, "x" * LONGEST, "x" * (LONGEST + 1)]
    assert [hanta.tag(word)[0] for word in words] == ["NN", "NN", "NN", "FW"]
    assert asked == [longest, "x" * LONGEST], "each once"


def test_unknown_backend_is_refused():
    with pytest.raises(ValueError, match=r"spacy.*choose one of hanta, nltk"):
        tagger("spacy")


def test_nltk_without_data_says_what_is_missing_and_how_to_get_it(monkeypatch, tmp_path):
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    message = "averaged_perceptron_tagger_eng and wordnet.*nltk.downloader averaged_perceptron_tagger_eng wordnet"
    with pytest.raises(LookupError, match=message):
        tagger("nltk")


def test_nltk_gets_one_word_at_a_time_and_the_lemmatiser_the_plain_form(monkeypatch):
    import nltk
    from nltk.stem import WordNetLemmatizer

    from metrics.words import Nltk

    monkeypatch.setattr(nltk, "pos_tag", lambda words: [(word, "NNS") for word in words])
    monkeypatch.setattr(WordNetLemmatizer, "lemmatize", lambda self, word: word.removesuffix("s"))
    assert Nltk().tag("T-Shirts") == ("NNS", "tshirt")


def test_importing_loads_neither_backend():
    program = "import sys, metrics.words; print({'HanTa', 'nltk'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_importing_opens_no_model_of_the_working_directory(tmp_path, monkeypatch):
    from HanTa import HanoverTagger

    (tmp_path / "morphmodel_en.pgz").write_bytes(b"whoever opens this runs what a stranger wrote")
    opened = []
    unpacked = HanoverTagger.gzip.GzipFile
    monkeypatch.setattr(HanoverTagger.gzip, "GzipFile", lambda name, mode: opened.append(name) or unpacked(name, mode))
    monkeypatch.chdir(tmp_path)
    assert Hanta().tag("dogs") == ("NNS", "dog")
    assert opened == [str(packaged("HanTa", "morphmodel_en.pgz"))]
    assert Path(opened[0]).is_absolute()
    assert Path(opened[0]).parent == Path(HanoverTagger.__file__).resolve().parent


@pytest.mark.parametrize("fault", ["changed", "unknown", "missing"])
def test_a_model_that_nobody_vouches_for_is_not_opened(fault, tmp_path, monkeypatch):
    from HanTa import HanoverTagger

    from metrics import taggers

    path = tmp_path / "HanTa" / "morphmodel_en.pgz"
    path.parent.mkdir()
    path.write_bytes(b"changed")
    if fault == "missing":
        path.unlink()

    class Recorded(type(path)):
        hash = FileHash("sha256=" + "A" * 43)

        def locate(self):
            return path

    monkeypatch.setattr(taggers, "find_spec", lambda name: ModuleSpec(name, None, origin=str(path.with_name("x.py"))))
    monkeypatch.setattr(
        taggers, "files", lambda name: [] if fault == "unknown" else [Recorded("HanTa/morphmodel_en.pgz")]
    )
    monkeypatch.setattr(HanoverTagger, "pickle", None)
    with pytest.raises(
        ValueError, match=r"morphmodel_en\.pgz.*pip install --force-reinstall --no-deps HanTa"
    ) as caught:
        Hanta()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mark", [",", "\uff0c", "/", "\u2014", " (", " \u201c", "\u00ab"])
def test_a_mark_is_no_part_of_the_word_that_follows_without_a_space(mark: str) -> None:
    assert group(["cat", mark, "dog"]) == [(0,), (1,), (2,)]
