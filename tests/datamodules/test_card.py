"""The card says what was read or given, and nothing else, in text that no page acts upon."""

import json
from pathlib import Path
from typing import Any

import pytest

from datamodules import convert
from datamodules.sources.statements import LONGEST, statements
from tests.datamodules import published
from tests.datamodules.test_convert import OTHERS, options

INVENTED = ["Consortium", "Flickr", "MBZUAI", "SA-1B", "MIT", "CC BY"]


def cards(folder: Path) -> tuple[dict[str, Any], str]:
    """The card for programs and that for people."""
    return json.loads((folder / "card.json").read_text()), (folder / "README.md").read_text()


@pytest.mark.parametrize("source", [*OTHERS, "coco_caption", "shards"])
def test_nothing_is_invented(source: str, tmp_path: Path) -> None:
    if source == "shards":
        args = ["grandf", *OTHERS["grandf"](tmp_path / "from"), "--out", str(tmp_path / "shards")]
        assert convert.main(args) == 0
        args = ["shards", str(tmp_path / "shards")]
    elif source == "coco_caption":
        args = [source, *options(published.coco_files(tmp_path / "from"))]
    else:
        args = [source, *OTHERS[source](tmp_path / "from")]
    assert convert.main([*args, "--out", str(tmp_path / "out")]) == 0
    card, text = cards(tmp_path / "out")
    assert not [word for word in INVENTED if word in text or word in json.dumps(card)]
    assert card["licence"] == ""
    assert "No licence was given with the conversion." in text


def test_what_the_files_say_stands_in_the_card(tmp_path: Path) -> None:
    files = published.coco_files(tmp_path / "from")
    content = json.loads(files["instances"].read_text())
    content["info"] = {"description": "My <b>dogs</b>\x1b[31m", "year": 2031, "contributor": "x" * 999, "url": None}
    content["licenses"] = [{"id": 4, "name": "Mine", "url": "http://localhost/mine"}]
    files["instances"].write_text(json.dumps(content))
    args = ["coco_caption", *options(files), "--licence", "as my aunt *allows*", "--out", str(tmp_path / "out")]
    assert convert.main(args) == 0
    card, text = cards(tmp_path / "out")
    assert card["licence"] == "as my aunt *allows*"
    assert "Licence, as given with the conversion: as my aunt  allows " in text
    said = card["said by the files"]
    assert said["instances_val2014.json: info: description"] == "My <b>dogs</b> [31m"
    assert said["instances_val2014.json: info: year"] == "2031"
    assert said["instances_val2014.json: info: contributor"] == "x" * (LONGEST - 1) + "…"
    assert said["instances_val2014.json: licence 4"] == "Mine, http://localhost/mine"
    assert said["captions_val2014.json: licence 1"] == "CC"
    assert "<b>" not in text
    assert "\x1b" not in text
    args = ["shards", str(tmp_path / "out"), "--out", str(tmp_path / "again")]
    assert convert.main(args) == 0
    again, _ = cards(tmp_path / "again")
    assert again["licence"] == ""
    earlier = {"licence, as given with an earlier conversion": "as my aunt *allows*"}
    assert again["said by the files"] == said | earlier


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"info": None, "licenses": None},
        {"info": [1], "licenses": {"id": 1}},
        {"info": {"description": ["x"], "year": 10**400, "url": True}, "licenses": [None, 5, {}, {"name": None}]},
    ],
)
def test_statements_of_other_types_say_nothing(content: Any) -> None:
    assert statements(content, "a.json") == {}


def test_statements_are_few_and_short() -> None:
    content = {"licenses": [{"id": at, "name": "y" * 10**6} for at in range(5000)]}
    said = statements(content, "a.json")
    assert len(said) == 21
    assert said["a.json: licences"] == "4980 more"
    assert max(map(len, said.values())) <= LONGEST


def test_the_help_says_which_folders_psg_needs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        convert.main(["openpsg", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "for psg.json the folder that holds train2017 and val2017" in said
    assert "the folder that holds panoptic_train2017 and panoptic_val2017" in said


@pytest.mark.parametrize("option", ["images", "panoptic"])
def test_a_folder_too_deep_is_told_with_the_one_above(option: str, tmp_path: Path) -> None:
    files, _ = published.psg_files(tmp_path / "from")
    files[option] /= {"images": "val2017", "panoptic": "panoptic_val2017"}[option]
    args = [str(part) for name, path in files.items() for part in (f"--{name}", path)]
    assert convert.main(["openpsg", *args, "--out", str(tmp_path / "out")]) == 4
    (line, _) = map(json.loads, (tmp_path / "out" / "left_out.jsonl").read_text().splitlines())
    assert line["reason"].endswith(f"; give the folder that holds '{files[option].name}'")
