"""Rows survive: every cut, every flipped byte, every duplicate."""

import json
import math
import os
import zlib
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from metrics.base import Sum
from metrics.entries import Absent, Entries, Object, Share
from pipeline.outputs import records
from pipeline.outputs.records import Row, RowWriter, Spoken, Torn, decode, encode, read_rows

ROW = Row(
    key='odd/"key"\n\u2028 é 🐈',
    index=3,
    answer={"ids": [5, 9], "pieces": ["A", " cat\r\n"], "text": "A cat\r\n", "ended": True},
    words=(Spoken("A", "function", "a", 0, 1), Spoken("cat", "noun", "cat", 1, 1)),
    captions={"rouge_l": Sum(0.5, 1)},
    explainers={
        "cam": {
            "corrected": Entries(
                (Object(1, "cat", 0.25, 0.5, 1.0, 1.0),), (Share(0, 1 / 3),), (), (Absent(0, "dog"),), 12.5, 4
            )
        }
    },
    seconds={"answer": 0.25},
    batch=8,
)


def test_a_row_comes_back_as_it_was():
    assert decode(encode(ROW)) == ROW
    failed = Row(key="k", index=0, error="ValueError: too wide")
    assert decode(encode(failed)) == failed
    partly = replace(ROW, failed={"attention": 'RuntimeError: own.py:3: no "heads"'})
    assert decode(encode(partly)) == partly


def test_the_line_is_one_sorted_json_object_whose_last_key_is_the_checksum_of_the_bytes_before_it():
    line = encode(ROW)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    fields = json.loads(line.decode("utf-8"))
    *keys, last = fields
    assert keys == sorted(keys)
    assert last == "crc32"
    before = line[: line.rindex(b'"crc32"')]
    assert fields["crc32"] == f"{zlib.crc32(before):08x}"


def test_what_is_not_a_number_is_null():
    entries = Entries((Object(1, "cat", 0.0, math.nan, math.inf, -math.inf),))
    line = encode(replace(ROW, explainers={"cam": {"reference": entries}}))
    assert json.loads(line)["explainers"]["cam"]["reference"]["objects"] == [[1, "cat", 0.0, None, None, None]]
    assert b"NaN" not in line
    assert b"Infinity" not in line


def test_a_lone_surrogate_comes_back():
    row = replace(ROW, key="file\udc80name")
    line = encode(row)
    line.decode("utf-8")
    assert decode(line) == row


def test_a_line_cut_at_any_byte_is_dropped_and_the_next_row_is_kept(tmp_path: Path):
    path = tmp_path / "rows.0.jsonl"
    first, second = replace(ROW, key="first"), replace(ROW, key="second")
    for size in range(len(encode(second))):
        path.write_bytes(encode(first) + encode(second)[:size])
        rows = read_rows(tmp_path)
        assert list(rows) == ["first"]
        assert rows.dropped == (size > 0)
        with RowWriter(path) as writer:
            writer.write(replace(ROW, key="third"))
        again = read_rows(tmp_path)
        assert list(again) == ["first", "third"]
        assert again.dropped == 0


def test_a_file_of_nothing_but_a_torn_line_is_used_again(tmp_path: Path):
    path = tmp_path / "rows.0.jsonl"
    path.write_bytes(encode(ROW)[:40])
    with RowWriter(path) as writer:
        writer.write(ROW)
    assert path.read_bytes() == encode(ROW)


def test_a_changed_byte_anywhere_drops_the_line_alone(tmp_path: Path):
    path = tmp_path / "rows.0.jsonl"
    line = encode(replace(ROW, key="first"))
    for at in range(len(line) - 1):
        changed = line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]
        path.write_bytes(changed + encode(replace(ROW, key="second")))
        rows = read_rows(tmp_path)
        assert list(rows) == ["second"]
        assert rows.dropped == 1 + (changed.count(b"\n") - 1)
        with pytest.raises(Torn):
            decode(changed)


def test_of_two_rows_with_one_key_the_first_counts(tmp_path: Path):
    with RowWriter(tmp_path / "rows.1.jsonl") as writer:
        writer.write(replace(ROW, index=20))
    with RowWriter(tmp_path / "rows.0.jsonl") as writer:
        writer.write(replace(ROW, index=10))
        writer.write(replace(ROW, index=11))
    assert [row.index for row in read_rows(tmp_path).values()] == [10]


def test_a_scored_row_supersedes_quarantined_ones_and_nothing_supersedes_a_scored_row(tmp_path: Path):
    failed = [Row(ROW.key, index, error=f"ValueError: {index}") for index in range(4)]
    scored = [replace(ROW, index=index) for index in (10, 11)]
    for order in permutations([failed[0], failed[1], scored[0], scored[1]]):
        with RowWriter(tmp_path / "rows.0.jsonl") as first, RowWriter(tmp_path / "rows.1.jsonl") as second:
            for row, writer in zip(order, (first, first, second, second), strict=True):
                writer.write(row)
        rows = read_rows(tmp_path)
        assert rows == {ROW.key: next(row for row in order if row.error is None)}
        assert rows.done(retry=True) == {ROW.key}
        for path in tmp_path.iterdir():
            path.unlink()
    with RowWriter(tmp_path / "rows.0.jsonl") as writer:
        for row in failed:
            writer.write(row)
    assert read_rows(tmp_path) == {ROW.key: failed[0]}
    assert read_rows(tmp_path).done() == {ROW.key}
    assert read_rows(tmp_path).done(retry=True) == frozenset()


def written(row: Row, *without: str, **other: object) -> bytes:
    """The line of `row` as another version wrote it: without some fields, or with other values."""
    fields = {name: value for name, value in json.loads(encode(row)).items() if name not in (*without, "crc32")}
    body = json.dumps(fields | other, ensure_ascii=False, separators=(",", ":"))[:-1].encode() + b","
    return body + b'"crc32":"%08x"}\n' % zlib.crc32(body)


def test_rows_of_before_batches_were_redone_are_read():
    assert decode(written(ROW, "redone")) == ROW


def test_rows_of_schema_1_are_read_as_rows_on_which_no_explainer_failed(tmp_path: Path):
    bad = Row("bad", 4, error="ValueError: none")
    (tmp_path / "rows.0.jsonl").write_bytes(written(ROW, "failed", schema=1) + written(bad, "failed", schema=1))
    rows = read_rows(tmp_path)
    assert rows == {ROW.key: ROW, "bad": bad}
    assert {row.schema for row in rows.values()} == {2}
    assert rows.done(retry=True) == {ROW.key}


def test_the_row_that_lacks_the_fewest_explainers_counts_and_a_retry_does_those_that_lack_some(tmp_path: Path):
    two = replace(ROW, index=2, failed={"tam": "ValueError: 2", "msea": "ValueError: 2"})
    one, again = (replace(ROW, index=index, failed={"tam": "ValueError: 1"}) for index in (3, 4))
    bad, whole = Row(ROW.key, 5, error="ValueError: none"), replace(ROW, index=6)
    ranked = [whole, one, two, bad]
    for order in permutations([bad, two, one, whole]):
        for count in range(1, 5):
            with RowWriter(tmp_path / "rows.0.jsonl") as writer:
                for row in order[:count]:
                    writer.write(row)
            rows = read_rows(tmp_path)
            assert rows == {ROW.key: min(order[:count], key=ranked.index)}
            assert rows.done() == {ROW.key}
            assert rows.done(retry=True) == ({ROW.key} if whole in order[:count] else frozenset())
            (tmp_path / "rows.0.jsonl").unlink()
    with RowWriter(tmp_path / "rows.0.jsonl") as writer:
        for row in (one, again):
            writer.write(row)
    assert read_rows(tmp_path) == {ROW.key: one}, "the first of two that lack as many"
    assert read_rows(tmp_path).heads[ROW.key].failed == ("tam",)


def test_rows_stay_on_disk_until_they_are_asked_for_and_files_are_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for at in range(2):
        with RowWriter(tmp_path / f"rows.{at}.jsonl") as writer:
            writer.write(replace(ROW, key=f"a{at}"))
            writer.write(Row(f"b{at}", 7, error="ValueError: \u2028"))
    decoded: list[bytes] = []
    monkeypatch.setattr(records, "decode", lambda line: decoded.append(line) or decode(line))
    rows = read_rows(tmp_path)
    decoded.clear()  # the check of types looks at one
    assert rows.done(retry=True) == {"a0", "a1"}
    assert [(head.index, head.error) for head in rows.heads.values()] == [(3, None), (7, "ValueError: \u2028")] * 2
    assert decoded == []
    assert rows["a1"] == replace(ROW, key="a1")
    assert decoded == [encode(replace(ROW, key="a1"))]
    files = {head.file for head in rows.heads.values()}
    assert len(files) == 2
    del rows
    for file in files:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(file)


def test_an_unknown_schema_is_an_error_that_names_the_file(tmp_path: Path):
    (tmp_path / "rows.0.jsonl").write_bytes(encode(replace(ROW, schema=99)))
    with pytest.raises(ValueError, match=r"rows\.0\.jsonl:1: row of schema 99; this version reads schemas 1 and 2"):
        read_rows(tmp_path)


def test_a_written_row_is_on_disk_before_the_writer_is_closed(tmp_path: Path):
    with RowWriter(tmp_path / "new" / "rows.0.jsonl") as writer:
        writer.write(ROW)
        assert list(read_rows(tmp_path / "new")) == [ROW.key]


def test_an_empty_folder_has_no_rows(tmp_path: Path):
    assert read_rows(tmp_path) == {}


def test_words_of_scattered_tokens_and_phrases_come_back_and_others_have_five_fields():
    words = (Spoken.of("a", "function", "a", (0,)), Spoken.of("dogs", "noun", "dog", (1, 3)))
    row = Row("0", 0, words=words, phrases=((0, 2),))
    line = encode(row)
    assert b'"words":[["a","function","a",0,1],["dogs","noun","dog",1,2,[2]]]' in line
    assert (decode(line).spoken, decode(line).phrases) == (words, ((0, 2),))


@pytest.mark.parametrize("schema", ["true", "1.0", '"2"', "null", "3"])
def test_a_schema_is_a_whole_number(tmp_path: Path, schema: str):
    body = encode(ROW).decode().replace('"schema":2', f'"schema":{schema}').rpartition('"crc32"')[0].encode()
    (tmp_path / "rows.0.jsonl").write_bytes(body + b'"crc32":"%08x"}\n' % zlib.crc32(body))
    with pytest.raises(ValueError, match=r"rows\.0\.jsonl:1: row of schema .*reads schemas 1 and 2"):
        read_rows(tmp_path)


def test_a_row_in_which_a_name_stands_twice_is_refused(tmp_path: Path):
    body = b'{"error":"a",' + encode(ROW)[1:].rpartition(b'"crc32"')[0]
    (tmp_path / "rows.0.jsonl").write_bytes(body + b'"crc32":"%08x"}\n' % zlib.crc32(body))
    with pytest.raises(ValueError, match="'error' stands twice"):
        read_rows(tmp_path)
