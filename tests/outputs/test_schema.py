"""Every field of a run's files is checked by type, range and length; one line names file, field and remedy."""

import json
import zlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from metrics.entries import Entries
from pipeline.outputs import documents
from pipeline.outputs.inside import Damaged
from pipeline.outputs.records import Row, RowWriter, Spoken, encode, read_rows
from pipeline.outputs.schema import files, row, summary
from pipeline.outputs.schema.summary import FiguresFields
from pipeline.outputs.schema.values import check, json_document, yaml_document
from pipeline.outputs.summary import summarise
from tests.outputs.test_records import ROW

SAMPLE = {"size": [6, 8], "box": [0.0, 0.0, 1.0, 1.0], "prompt": "?", "captions": [], "masks": [], "name": ""}


def line(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A row with a change, whose checksum is right."""
    found = json.loads(encode(ROW))
    del found["crc32"]
    change(found)
    body = json.dumps(found)[:-1].encode() + b","
    return body + b'"crc32":"%08x"}\n' % zlib.crc32(body)


def test_every_field_of_a_row_has_its_line_in_the_schema() -> None:
    for made, listed in ((Row, row.RowFields), (Entries, row.EntriesFields)):
        assert {one.name for one in fields(made)} == set(listed.__annotations__), f"{made.__name__}: schema/row.py"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it.update(index="../../../x"), "index: .*integer"),
        (lambda it: it.update(index="/etc/cron.d/x"), "index: .*integer"),
        (lambda it: it.update(index=-1), "index: .*greater than or equal to 0"),
        (lambda it: it.update(index=10**9), "index: .*less than 1000000000"),
        (lambda it: it.update(index=True), "index: .*integer"),
        (lambda it: it.update(index=0.5), "index: .*integer"),
        (lambda it: it.update(key=""), "key: expected a text of 1 to 4,096"),
        (lambda it: it.update(key="x" * 5000), "key: expected a text of 1 to 4,096"),
        (lambda it: it.update(more=1), "more: .*not permitted"),
        (lambda it: it.pop("batch"), "batch: .*required"),
        (lambda it: it["answer"]["ids"].pop(), "ids and pieces are not equally many"),
        (lambda it: it["answer"].update(ids=[5, 1 << 31]), r"answer\.ids\.1: "),
        (lambda it: it["words"].__setitem__(1, ["cat", "noun", "cat", 1, 2]), "beyond the end of the answer"),
        (lambda it: it["words"].__setitem__(1, ["cat", "noun", "cat", 0, 1]), "two share a token"),
        (lambda it: it["words"].__setitem__(1, ["cat", "verb", "cat", 1, 1]), r"words\.1\."),
        (lambda it: it.update(phrases=[[1, 2]]), "phrases: one goes beyond"),
        (lambda it: it["captions"].update(rouge_l=[2.0, 1]), "captions: a total above its count"),
        (lambda it: it["captions"].update(rouge_l=[1e400, 1]), r"captions\.rouge_l\.0: .*finite"),
        (lambda it: it["explainers"].update({"../x": {}}), r"explainers\.\.\./x.*letters, digits and _"),
        (lambda it: it["explainers"]["cam"]["corrected"]["objects"][0].__setitem__(2, 7), r"objects\.0\.2: "),
        (lambda it: it["explainers"]["cam"]["corrected"]["objects"][0].__setitem__(0, 2), "an entry of a word that"),
        (lambda it: it["explainers"]["cam"]["corrected"].update(threshold="high"), r"corrected\.threshold"),
        (lambda it: it.update(seconds={"answer": -1}), r"seconds\.answer: "),
        (lambda it: it.update(failed={"tam": ""}), r"failed\.tam: "),
        (lambda it: it.update(failed={"cam": "ValueError: no"}), "failed: cam has entries too"),
        (lambda it: it.update(words=[None] * 40_000), "words: .*at most 32768"),
        (lambda it: it.update(error="ValueError: no"), "answer: a quarantined sample has none"),
        (lambda it: it.update(error="no", answer=None, words=[]), "captions: a quarantined sample has none"),
        (lambda it: it.update(answer=None), "answer: none, and no error says why"),
        (lambda it: it["answer"].update(text="A dog."), "answer: its text is not that of its pieces"),
    ],
)
def test_a_row_with_a_wrong_field_is_refused_by_file_line_and_field(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    (tmp_path / "rows.0.jsonl").write_bytes(encode(ROW) + line(change))
    with pytest.raises(Damaged, match=rf"rows\.0\.jsonl:2: .*{said}.*delete the line") as caught:
        read_rows(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, "[1]", '"x"', "1", "{}", "9" * 5000, "\udc80"])
def test_a_line_that_is_no_row_is_refused_though_its_checksum_is_right(tmp_path: Path, text: str) -> None:
    body = text[:-1].encode("utf-8", "surrogatepass") + b","
    (tmp_path / "rows.0.jsonl").write_bytes(body + b'"crc32":"%08x"}\n' % zlib.crc32(body))
    with pytest.raises(Damaged, match=r"rows\.0\.jsonl:1: "):
        read_rows(tmp_path)


def test_a_line_without_end_is_refused_and_not_read_on(tmp_path: Path) -> None:
    with (tmp_path / "rows.0.jsonl").open("wb") as file:
        file.truncate(1 << 43)
    with pytest.raises(Damaged, match=r"rows\.0\.jsonl:1: a line of more than"):
        read_rows(tmp_path)


def test_more_files_of_rows_than_a_run_can_have_are_refused(tmp_path: Path) -> None:
    for rank in range(901):
        (tmp_path / f"rows.{rank}.jsonl").touch()
    with pytest.raises(Damaged, match="more than 900 files of rows"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": [6]}, "size"),
        ({"size": [6, 1 << 20]}, r"size\.1"),
        ({"size": [1 << 16, 1 << 16]}, "more than 1,073,741,824 pixels"),
        ({"box": [0, 0, 1, 7]}, r"box\.3"),
        ({"box": [1, 0, 0, 1]}, "box: expected top, left"),
        ({"masks": [["dog", {"size": [6, 8], "counts": "oooooooo1"}]]}, "'dog'"),
        ({"masks": [["dog"]]}, r"masks\.0"),
        ({"masks": [["dog", {}]] * 5000}, "masks: .*at most 4096"),
        ({"masks": {"dog": {}}}, "masks"),
        ({"captions": "a dog"}, "captions"),
        ({"prompt": None}, "prompt"),
    ],
)
def test_a_wrong_field_of_a_sample_is_named(change: dict[str, Any], said: str) -> None:
    check(files.Sample, SAMPLE, "x", "y")
    with pytest.raises(Damaged, match=said):
        check(files.Sample, SAMPLE | change, "x", "y")


@pytest.mark.parametrize(
    "id", ["/../../../../thesis", "..", "*", "", "a" * 9, "[0-9]abcdef", 12345678, None, "0123456\n", "ABCDEFGH"]
)
def test_an_id_of_wandb_json_that_is_none_is_refused(tmp_path: Path, id: Any) -> None:
    (tmp_path / "wandb.json").write_text(json.dumps({"runs": {"cam": {"id": id}}}))
    with pytest.raises(Damaged, match=r"wandb\.json: runs\.cam\.id: .*delete it"):
        documents.board(tmp_path)


@pytest.mark.parametrize(
    "text", ["[" * 5000, '{"a": NaN}', '{"a": 1e999}', "{", "\udc80", '{"a": ' * 40 + "1" + "}" * 40, "9" * 5000]
)
def test_json_that_has_no_plain_values_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(Damaged, match=r"file cannot be read \(.*\); mend it") as caught:
        json_document(text.encode("utf-8", "surrogatepass"), "file", "mend it")
    assert "\n" not in str(caught.value)


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 60))


@pytest.mark.parametrize(
    "text",
    [
        *(LAUGHS, MERGES, "a: &a [*a]", "!!timestamp x", "!!int ''", "!!python/name:os.system x", "[" * 9999),
        *("? [a]\n: b", "a: 2020-01-01", "a: !!set {b}", "a: .inf", "a: !!binary eA==", "1: b", "a\x00b", "- a\nb"),
    ],
)
def test_yaml_that_has_no_plain_values_or_unfolds_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(Damaged, match=r"file cannot be read \(.*\); mend it") as caught:
        yaml_document(text.encode(), "file", "mend it")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a: 1\na: 2", "a: {b: 1, c: 2, b: 1}", "[{x: 1, 'x': 2}]"])
def test_a_name_that_stands_twice_in_yaml_is_refused(text: str) -> None:
    with pytest.raises(Damaged, match=r"the name '[abx]' stands twice in one mapping"):
        yaml_document(text.encode(), "config.yaml", "leave it")


def test_a_word_may_be_parted_by_as_many_tokens_as_an_answer_has(tmp_path: Path) -> None:
    pieces = ("a", *[""] * 200, "b")
    answer = {"ids": [1] * 202, "pieces": pieces, "text": "ab", "ended": True}
    with RowWriter(tmp_path / "rows.0.jsonl") as writer:
        writer.write(Row("long", 0, answer, [Spoken.of("ab", "noun", "ab", (0, 201))]))
    (read,) = read_rows(tmp_path).values()
    assert read.spoken[0].tokens == [0, 201]


@pytest.mark.parametrize("failed", [5, ["cam"], {"cam": 1}, {"cam": {"ValueError": -1}}, {"../x": {"ValueError": 1}}])
def test_what_a_summary_says_of_explainers_that_failed_is_checked(failed: Any) -> None:
    found = {"explainers": {"cam": {}}, "samples": {"scored": 1}}
    check(FiguresFields, found | {"failed": {"cam": {"ValueError": 1}}}, "summary.json", "mend it")
    with pytest.raises(Damaged, match=r"summary\.json: failed"):
        check(FiguresFields, found | {"failed": failed}, "summary.json", "mend it")


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(Damaged, match="'index' stands twice"):
        json_document(b'{"index": 1, "index": 2}', "here", "mend it")


def test_every_part_of_a_summary_is_checked() -> None:
    made = summarise({"a": ROW}, ["a"], ["cam"], "hanta")
    assert set(made) <= set(summary.SummaryFields.__annotations__)
    made["failed"] = {"cam": ["KeyError"]}
    with pytest.raises(Damaged, match=r"failed\.cam"):
        check(summary.SummaryFields, made, "summary.json", "delete it")
