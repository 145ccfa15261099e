"""The user's own words for categories: what is read, and what is refused in one line."""

from pathlib import Path

import pytest

from datamodules.demo import DemoDataModule
from datamodules.synonyms import MAX_BYTES, read_synonyms

NAMES = ("person", "dog", "traffic light", "t shirt", "café")


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "words.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("woman: person\nyoung lady: person\n", {"woman": "person", "young lady": "person"}),
        ("'puppy': dog # a small one\n---\n", {"puppy": "dog"}),
        ("Stoplight: Traffic-Light\ntee: T-shirt", {"Stoplight": "traffic light", "tee": "t shirt"}),
        ("bistro: cafe\u0301", {"bistro": "café"}),
        ("hound: puppy\npuppy: dog", {"hound": "dog", "puppy": "dog"}),
        ("{man: person, woman: person}", {"man": "person", "woman": "person"}),
    ],
)
def test_words_and_phrases_name_a_category(text, found, tmp_path):
    assert read_synonyms(written(tmp_path, text.replace("---\n", "")), NAMES) == found


def test_where_every_image_has_its_own_categories_none_is_checked(tmp_path):
    assert read_synonyms(written(tmp_path, "lady: woman\nwoman in red: lady"), ()) == {
        "lady": "woman",
        "woman in red": "woman",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("puppy: dgo", "'puppy' names 'dgo', which is no category of the data: did you mean 'dog'"),
        ("puppy: zeppelin", "'puppy' names 'zeppelin', which is no category of the data: the manifest"),
        ("no: person", "the key 'no' is no text: put it in quotes"),
        ("3: person", "the key '3' is no text"),
        ("woman: yes", "'woman': the category 'yes' is no text"),
        ("woman: 3.5", "'woman': the category '3.5' is no text"),
        ("woman:", "'woman': the category '' is no text"),
        ("woman: [person, dog]", "'woman': the category 'a list or mapping' is no text"),
        ("woman: !!python/object/apply:os.system [x]", "is no text"),
        ("a: b\nb: c\nc: a", "'a' leads to no category but in a circle: a -> b -> c -> a"),
        ("a: a", "'a' leads to no category but in a circle: a -> a"),
        ("x: a\na: b\nb: a", "'x' leads to no category but in a circle: x -> a -> b -> a"),
        ("woman: person\nWoman: dog", "'Woman' stands twice, also as 'woman'"),
        ("woman: person\nwoman: person", "'woman' stands twice"),
        ("Dog: person", "'Dog' is a category itself"),
        ("'…': person", "'…' has no letter"),
        ("- woman", "expected lines such as `woman: person`"),
        ("", "expected lines"),
        ("woman: person\n  x: [", "words.yaml"),
        (b"\xff\xfe\x00", "words.yaml"),
        (b"#" * (MAX_BYTES + 1), "more than"),
        ("a: " + "[" * 5000, "words.yaml"),
    ],
)
def test_what_is_refused_is_told_in_one_line_that_names_file_and_key(text, told, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=r"synonyms: ") as caught:
        read_synonyms(path, NAMES)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["none.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(name, tmp_path):
    with pytest.raises(ValueError, match=r"synonyms: .*(No such file|Is a directory)"):
        read_synonyms(tmp_path / name, NAMES)


def test_the_data_module_has_them(tmp_path):
    category = DemoDataModule().manifest.categories[0]
    path = written(tmp_path, f"thingy: {category}")
    assert dict(DemoDataModule().synonyms) == {}
    assert DemoDataModule(synonyms=str(path)).synonyms == {"thingy": category}
