"""NLTK's data count by what their files hold, in a folder or in an archive."""

import shutil
from pathlib import Path

import nltk
import pytest

from metrics import nltk_data, taggers, text


@pytest.fixture
def wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for WordNet, the only one that NLTK finds."""
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    folder = tmp_path / "corpora" / "wordnet"
    (folder / "deep").mkdir(parents=True)
    (folder / "data.noun").write_text("cat")
    (folder / "deep" / "data.verb").write_text("see")
    return folder


def test_contents_and_names_count(wordnet: Path) -> None:
    before = nltk_data.digest("wordnet")
    assert nltk_data.digests(["wordnet"]) == {"wordnet": before}
    (wordnet / "data.noun").write_text("dog")
    changed = nltk_data.digest("wordnet")
    (wordnet / "data.noun").rename(wordnet / "data.adj")
    assert len({before, changed, nltk_data.digest("wordnet")}) == 3


def test_an_archive_of_a_folder_is_the_same(wordnet: Path) -> None:
    before = nltk_data.digest("wordnet")
    shutil.make_archive(str(wordnet), "zip", wordnet.parent, "wordnet")
    shutil.rmtree(wordnet)
    assert nltk_data.digest("wordnet") == before


def test_what_is_not_installed_is_told(wordnet: Path) -> None:
    with pytest.raises(LookupError, match="averaged_perceptron_tagger_eng"):
        nltk_data.digests(nltk_data.PLACES)


def test_all_data_that_are_read_have_a_place() -> None:
    assert {*taggers.Nltk.DATA, *text.METEOR} == nltk_data.PLACES.keys()
