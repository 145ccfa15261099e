"""What strangers write is shown as text on every surface: no terminal, page or picture obeys it."""

import json
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import wandb
from PIL import Image

import run_eval
from datamodules import convert, program, verify
from datamodules.images import ImagesDataModule
from datamodules.printable import printable
from datamodules.sample import Sample
from metrics.entries import Entries, Object
from pipeline import arguments, argv, cli, evaluation
from pipeline.notice import Notice
from pipeline.outputs import dashboard, draw, kept, service, table, tracker, typeset
from pipeline.outputs.fingerprint import write_json
from pipeline.outputs.records import Row, RowWriter, read_rows
from pipeline.outputs.report import command as page
from pipeline.outputs.summary import summarise
from pipeline.sweep import command as sweep
from pipeline.types import WHOLE
from tests.datamodules import published
from tests.datamodules.builder import build
from tests.datamodules.damage import rewrite
from tests.outputs.made import EXPLAINERS, answer, rows

HARM = {
    "colour": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://127.0.0.1:9\x1b\\click\x1b]8;;\x1b\\",
    "clear": "\x1b[2J\x1b[H",
    "C1": "\x9b31m\x9d0;owned\x9c",
    "return": "all is well\rowned\x08\x08\x7f",
    "lines": "one\ntwo\x0b\x0c\x85three\u2028four\u2029",
    "direction": "\u202etxt.exe\u202c \u2066gpj\u2069\u200f",
    "hidden": "a\u200bb\ufeff\u00ad",
    "nul": "a\x00b",
    "half": "\udc9b31m",
    "page": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "rich": "[red]markup[/red] [link=http://127.0.0.1:9]x[/link]",
}
ALL = " ".join(HARM.values())
FILE = "".join(character for character in ALL if character not in "\0/").encode("utf-8", "surrogateescape")[:200]
"""As much of it as can be the name of a file."""


def is_text(shown: str, *, lines: bool = True) -> bool:
    """Whether nothing in it is a command."""
    assert shown.strip(), "nothing was shown"
    return all(character.isprintable() or (lines and character == "\n") for character in shown)


@pytest.mark.parametrize("text", HARM.values(), ids=HARM)
def test_the_helper_leaves_one_line_of_text(text: str) -> None:
    shown = printable(text)
    assert is_text(shown, lines=False)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")]
    assert printable(shown) == shown
    assert printable("Zwölf Boxkämpfer 犬 и кот 🐕, “naïve”") == "Zwölf Boxkämpfer 犬 и кот 🐕, “naïve”"


def leave(act: Callable[[], object]) -> None:
    with pytest.raises(SystemExit):
        act()


def unread(folder: Path) -> None:
    """A damaged shard, its findings; a folder that is none."""
    build(folder / "data", 4)
    rewrite(folder / "data" / "toy-00000.tar", lambda members: members.append((ALL.replace("\0", "")[:90], b"")))
    verify.main([str(folder / "data")])
    verify.main([str(folder / ALL.replace("\0", ""))])


def converted(folder: Path) -> None:
    """Names, phrases and captions of annotations; a command that is wrong."""
    entry = {"file_name": ALL, "caption": ALL, "groundings": {ALL: {"rle_masks": [], "token_positives": []}}}
    path = published.write_json(folder / "a.json", [entry])
    args = ["grandf", "--annotations", str(path), "--images", str(folder), "--out", str(folder / "out")]
    convert.main(args)
    leave(lambda: convert.main([*args[:2], str(folder / ALL.replace("\0", "")), *args[3:]]))


def summarised(folder: Path) -> None:
    """Rows whose text is hostile throughout."""
    made = {key: row for key, row in rows(3).items() if row.error is None}
    bad = Row("bad", 9, error=f"ValueError: {ALL}")
    spoken = {key: Row(row.key, row.index, answer((ALL,))) for key, row in made.items()}
    with RowWriter(folder / "rows.0.jsonl") as writer:
        for row in [*spoken.values(), bad]:
            writer.write(row)
    table.captions(read_rows(folder), "demo", "images")
    with RowWriter(folder / "scored" / "rows.0.jsonl") as writer:
        for row in [*made.values(), bad]:
            writer.write(row)
    kept = read_rows(folder / "scored")
    table.show(summarise(kept, list(kept), EXPLAINERS, "hanta"), "demo", "demo")


TERMINAL: dict[str, Callable[[Path], object]] = {
    "a refused command": lambda folder: leave(lambda: cli.fail(ALL)),
    "a run": lambda folder: evaluation.tell(f"quarantined key: {ALL}"),
    "keys": lambda folder: evaluation.tell(evaluation.named([ALL])),
    "a notice": lambda folder: run_eval.one_line(warnings.showwarning)(Notice(ALL), Notice, "store.py", 1),
    "an option": lambda folder: leave(lambda: cli.parse([f"--names.vlm={ALL}"])),
    "a value": lambda folder: leave(lambda: cli.parse([f"--limit={ALL}"])),
    "a missing file": lambda folder: leave(lambda: cli.parse(["--vlm", f"{ALL}.yaml"])),
    "a sweep": lambda folder: sweep.main([str(folder / ALL.replace("\0", ""))]),
    "W&B's words": lambda folder: program.tell(service.reason(RuntimeError(ALL))),
    "a dashboard": lambda folder: dashboard.main(["--project", ALL]),
    "a page": lambda folder: page.main([str(folder / ALL.replace("\0", ""))]),
    "publishing": lambda folder: tracker.main([str(folder / ALL.replace("\0", ""))]),
    "verify": unread,
    "convert": converted,
    "tables": summarised,
}


@pytest.mark.parametrize("show", TERMINAL.values(), ids=TERMINAL)
def test_the_terminal_obeys_nothing(
    show: Callable[[Path], object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(tmp_path)
    shown = "".join(capsys.readouterr())
    assert is_text(shown), [ascii(line) for line in shown.splitlines() if not line.isprintable()]


def test_a_yaml_shows_nothing_but_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Escapes that yaml itself resolves, and what its errors quote."""
    for content in ('{"\\e[31m\\u202e": 1}', "a: \u202e: \u2066:", '"\\x9b31m\\e]0;x\\a"', "[\x85\u2028, : }"):
        path = tmp_path / "evil.yaml"
        path.write_text(content, encoding="utf-8")
        for option in ("--config", "--vlm", "--data", "--explainers"):
            with pytest.raises(SystemExit):
                cli.parse([option, str(path)]).build()
            assert is_text(shown := capsys.readouterr().err), ascii(shown)
    with pytest.raises(arguments.UsageError, match=r"--names\.vlm: 'evil\\x1b\[31m'"):
        arguments.called(argv.options(["--names.vlm", "evil\x1b[31m"]), "vlm")


@pytest.mark.parametrize("text", HARM.values(), ids=HARM)
def test_a_row_is_text_and_means_the_same(text: str, tmp_path: Path) -> None:
    """Who looks at rows on a terminal sees JSON's escapes."""
    rows = {"k": Row("k", 0, answer((text,))), "bad": Row("bad", 1, error=text)}
    with RowWriter(tmp_path / "rows.0.jsonl") as writer:
        for row in rows.values():
            writer.write(row)
    write_json(tmp_path / "summary.json", {text: text})
    for name in ("rows.0.jsonl", "summary.json"):
        assert is_text((tmp_path / name).read_text(encoding="utf-8"))
    assert dict(read_rows(tmp_path)) == rows
    assert json.loads((tmp_path / "summary.json").read_text()) == {text: text}


def test_the_name_of_a_file_is_text_in_its_error(tmp_path: Path) -> None:
    path = tmp_path / FILE.decode("utf-8", "surrogateescape")
    path.write_bytes(b"no picture")
    ((sample,),) = ImagesDataModule(str(tmp_path / "*")).predict_dataloader()
    assert sample.key.replace("-", "").replace("_", "").isalnum()
    assert sample.error
    assert is_text(sample.error, lines=False)


def test_pictures_are_drawn_of_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    write = typeset.drawable

    def watched(text: str, limit: int | None = None) -> str:
        drawn.append(write(text, limit))
        return drawn[-1]

    for module in ("panel", "typeset"):
        monkeypatch.setattr(f"pipeline.outputs.{module}.drawable", watched)
    scored = {"cam": {"corrected": Entries((Object(0, ALL, 0.5, 0.5, 0.5, 1.0),))}}
    row = Row("k", 0, answer((ALL,)), ((ALL, "noun", ALL, 0, 1),), explainers=scored)
    masks = {ALL: published.rle(np.ones((60, 80), bool))}
    sample = Sample("k", 0, Image.new("RGB", (80, 60)), "?", masks=masks)
    draw.sample(tmp_path, sample, row, {"cam": np.zeros((1, 6, 8), np.uint8)})
    assert len(drawn) >= 5, "caption, title, legend, name and figure"
    assert all(is_text(text, lines=False) for text in drawn if text)


def test_wandb_is_told_text(tmp_path: Path) -> None:
    row, sample = (
        Row("k", 0, answer((ALL,)), ((ALL, "noun", ALL, 0, 1),)),
        Sample("k", 0, Image.new("RGB", (8, 6)), "?"),
    )
    maps = {"cam": np.zeros((1, 6, 8), np.uint8)}
    kept.keep(tmp_path, sample, maps, WHOLE)
    draw.sample(tmp_path, sample, row, maps)
    logged: dict[str, Any] = {}
    run = SimpleNamespace(log=logged.update, summary={})
    tracker._log(run, tmp_path, "cam", {"explainers": {"cam": {}}, "samples": {}}, [(row, tmp_path)])
    ((_, key, caption, *images),) = logged["samples_table"].data
    assert key == "k"
    assert is_text(caption, lines=False)
    shown = [image for image in images if image is not None]
    assert len(shown) == 2, "the picture and the panel; there are no masks"
    for image in shown:
        assert isinstance(image, wandb.Image)
        assert image._caption is None or is_text(image._caption, lines=False)


def test_a_card_is_no_page(tmp_path: Path) -> None:
    """What stands in the Markdown of a dataset's card, beside what stands in its JSON."""
    from datamodules.manifest import Manifest
    from datamodules.record import Record
    from datamodules.shards import write_shards

    harm = ALL.replace("\udc9b", "")
    record = Record("k", Image.new("RGB", (4, 3)), provenance={"notes": [harm]})
    write_shards(tmp_path / "in", "toy", [record], prompt=harm)
    assert convert.main(["shards", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--to", "tam_layout"]) == 0
    page = (tmp_path / "out" / "README.md").read_text()
    assert is_text(page)
    assert not set("<>[]`*_") & set(page.partition("Question: *")[2].partition("* Categories")[0])
    assert json.loads((tmp_path / "out" / "card.json").read_text())["prompt"] == harm, "kept as it is"
    assert Manifest.load(tmp_path / "in" / "manifest.json").prompt == harm
