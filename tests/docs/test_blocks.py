"""Every block of code in README, CONTRIBUTING and the guide: commands parse, Python runs, yaml has a reader."""

import argparse
import importlib
import importlib.util
import json
import re
import runpy
import shlex
import shutil
from itertools import groupby
from pathlib import Path

import pytest
import yaml

from datamodules import convert
from datamodules.synonyms import read_synonyms
from pipeline import cli, commands
from pipeline.outputs.summary import summarise
from pipeline.sweep import search
from tests.docs import markdown
from tests.docs.markdown import Block
from tests.outputs import made

BLOCKS = [block for page in markdown.PAGES for block in markdown.blocks(page)]
OTHERS = {"hf", "source", "wandb", "sbatch", "tail"}
"""Programs whose own options are not checked."""
READERS = {"sh", "python", "yaml"}


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


class Parsed(Exception):
    """Raised where a command would begin to work: its line was understood."""


def prepare(page: Path, folder: Path) -> None:
    """A clone as far as commands read it, with what the page says is there: its yaml files, a run of the demo."""
    shutil.copytree(markdown.ROOT / "configs", folder / "configs")
    for block in markdown.blocks(page):
        if block.language == "yaml" and (named := re.match(r"# (\S+\.yaml)\n", block.text)):
            (folder / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / named[1]).write_text(block.text, encoding="utf-8")
    rows = made.rows(8)
    (folder / "runs" / "demo").mkdir(parents=True)
    summary = summarise(rows, list(rows), made.EXPLAINERS, "hanta")
    (folder / "runs" / "demo" / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.id)
def test_it_says_what_it_is(block: Block) -> None:
    assert block.language in READERS | {"tree", "text"}


@pytest.mark.parametrize("block", of("sh"), ids=lambda block: block.id)
def test_commands_parse(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(block.page, tmp_path)
    monkeypatch.chdir(tmp_path)

    def refuse(self: argparse.ArgumentParser, *given: object) -> None:
        original(self, *given)
        raise Parsed

    original = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(convert, "folder", Path)
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for chained, command in groupby(words, lambda word: word in ("&&", ";")):
            if not chained:
                with monkeypatch.context() as patched:
                    understood([word for word in command if not re.match(r"[A-Z_]+=", word)], patched, refuse)


def understood(words: list[str], patched: pytest.MonkeyPatch, refuse: object) -> None:
    """Fails unless the program that `words` call would take them."""
    program, *rest = words
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (markdown.ROOT / "Makefile").read_text(), re.M)
        assert set(rest) <= set(targets)
    elif program == "torchrun":
        from torch.distributed import run

        given = run.parse_args(rest)
        assert Path(given.training_script).name == "run_eval.py"
        evaluation(given.training_script_args)
    elif scripts := [word for word in words if word.startswith("configs/cluster/")]:
        assert (markdown.ROOT / scripts[0]).is_file()
        evaluation(words[words.index(scripts[0]) + 1 :])
    elif program.endswith("python") and rest[0] == "run_eval.py":
        evaluation(rest[1:])
    elif program.endswith("seewhy"):
        module(commands.MODULES[rest[0]], rest[1:], patched, refuse)
    elif program.endswith("python") and rest[0] == "-m":
        module(rest[1], rest[2:], patched, refuse)
    else:
        assert program in OTHERS, f"{program}: not known here"
        for name in rest:
            assert not name.startswith("configs/") or (markdown.ROOT / name).exists(), f"{name} does not exist"


def evaluation(args: list[str]) -> None:
    """What `run_eval.py` does first; `--help` ends there, with status 0."""
    status = 0
    try:
        cli.parse(args)
    except SystemExit as left:
        status = int(left.code or 0)
    assert status == 0, f"run_eval.py refuses {args}"


def module(name: str, args: list[str], patched: pytest.MonkeyPatch, refuse: object) -> None:
    """A program of the project parses its line, and `run_eval.py` what follows `--`; another one exists."""
    if name.split(".")[0] not in ("pipeline", "datamodules", "docs"):
        assert importlib.util.find_spec(name), f"python -m {name}: no such module"
        return
    if "--" in args:
        evaluation(args[args.index("--") + 1 :])
    patched.setattr("sys.argv", [name, *args])
    patched.setattr(argparse.ArgumentParser, "parse_args", refuse)
    found = importlib.import_module(name)
    with pytest.raises((Parsed, SystemExit)) as left:
        runpy.run_module(name, run_name="__main__") if hasattr(found, "__path__") else found.main()
    assert isinstance(left.value, Parsed) or left.value.code == 0, f"python -m {name} refuses {args}"


@pytest.mark.parametrize("page", dict.fromkeys(block.page for block in of("python")), ids=lambda page: page.name)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in of("python"):
        if block.page == page:
            exec(compile("\n" * block.line + block.text, str(page), "exec"), names)


@pytest.mark.parametrize("block", of("yaml"), ids=lambda block: block.id)
def test_yaml_has_a_reader(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("block.yaml").write_text(block.text, encoding="utf-8")
    content = yaml.safe_load(block.text)
    if "parameters" in content:
        assert search.load(Path("block.yaml")).parameters
        return
    if all(isinstance(value, str) for value in content.values()) and "class_path" not in content:
        assert read_synonyms("block.yaml", ["person", "traffic light"]).keys() == content.keys()
        return
    package, _, rest = str(content.get("class_path", "")).partition(".")
    kinds = {"datamodules": "data", "pipeline": "vlm" if rest.startswith("models.") else "explainers"}
    assert cli.parse([f"--{kinds.get(package, 'config')}", "block.yaml"]).config
