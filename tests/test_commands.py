"""The commands: what is started by which words, at once where it is wrong, and never with a stranger's modules."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from datamodules import convert
from pipeline import cli, command_checks, commands, early, options, typed
from pipeline.arguments import ROOT
from pipeline.errors import UsageError
from pipeline.outputs.report import command
from tests.command import ENV

SCRIPT = "import sys\nfrom pipeline.commands import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
"""What pip installs as `seewhy`."""
STARTED = ["run_eval", *(module.removesuffix(".command") for module in commands.MODULES.values())]


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose modules have the names of real ones, and say so when they are imported."""
    folder = tmp_path_factory.mktemp("run")
    for name in ("wandb/__init__", "yaml", "numpy", "argparse", "json", "torch", "jsonargparse", "pathlib", "tarfile"):
        path = folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise SystemExit('a stranger is obeyed')\n")
    return folder


def said(folder: Path, *command: str) -> tuple[int, str]:
    """What a command says there, and its status."""
    env = {**ENV, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("module", STARTED)
def test_a_module_is_started_without_a_strangers_modules(module: str, strangers: Path) -> None:
    status, text = said(strangers, sys.executable, "-m", module, "--nope")
    assert status == 2, text
    assert "stranger" not in text
    assert "error: " in text


def test_the_script_and_what_it_prints_are_safe(
    strangers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "seewhy"
    script.write_text(SCRIPT)
    status, text = said(strangers, sys.executable, str(script), "--limt", "3")
    assert (status, text) == (2, "seewhy: error: --limt: no such option; did you mean --limit?\n")
    status, text = said(strangers, sys.executable, str(script), "publish", ".")
    assert (status, "no finished run lies there" in text) == (2, True)
    monkeypatch.chdir(strangers)  # where it is printed it is typed
    printed = typed.shown("verify", ROOT / "assets" / "demo" / "shards")
    status, text = said(strangers, "bash", "-c", f"{printed}")
    assert (status, "every byte as the manifest says" in text) == (0, True), text


def test_a_printed_command_is_quoted_for_the_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "bin" / "seewhy"
    script.parent.mkdir()
    script.touch(0o755)
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    monkeypatch.setenv("PATH", str(script.parent))
    assert typed.shown("report", Path("my runs/$HOME; x")) == "seewhy report 'my runs/$HOME; x'"
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    assert typed.shown("report", "a") == "bin/seewhy report a"
    script.unlink()
    assert shlex.split(typed.shown("report", "a")) == ["bin/python", str(ROOT / "run_eval.py"), "report", "a"]


def test_the_working_directory_is_left_only_where_python_put_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from datamodules.safe_path import leave_working_directory

    def after(*path: str) -> list[str]:
        monkeypatch.setattr(sys, "path", list(path))
        leave_working_directory()
        return sys.path

    monkeypatch.chdir(ROOT)
    assert after(str(ROOT), "lib") == [str(ROOT), "lib"], "the checkout's own modules are meant"
    monkeypatch.chdir(tmp_path)
    assert after(str(tmp_path), "lib") == ["lib"]
    assert after("", "lib") == ["lib"]
    assert after(str(tmp_path), str(tmp_path)) == [str(tmp_path)], "PYTHONPATH asks for it"
    assert after("bin", str(tmp_path)) == ["bin", str(tmp_path)]
    assert after() == []


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["sweep", "configs/sweep/msea_arc.yaml", "--trails", "3"], "--trails: no such option; did you mean --trials?"),
        (["sweep", "nowhere.yaml"], "seewhy sweep: error: nowhere.yaml: no such file"),
        (
            ["sweep", "configs/sweep/msea_arc.yaml", "--", "--limt", "3"],
            "--limt: no such option; did you mean --limit?",
        ),
        (["publish", "--onlin", "--nope"], "seewhy publish: error: --onlin: no such option; did you mean --online?"),
        (["convert_internvl", "a"], "the following arguments are required: target"),
    ],
)
def test_wrong_options_of_a_slow_command_are_told_without_its_module(
    args: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        command_checks.check(args[0], args[1:])
    assert left.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "sweep").glob("*.yaml")), ids=lambda path: path.stem)
def test_no_sweep_is_refused(path: Path) -> None:
    command_checks.check("sweep", [str(path), "--", "--limit", "2"])


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["reprot"], "seewhy: error: reprot: no such command; did you mean report? Commands are report, sweep, "),
        (["swep", "x.yaml"], "seewhy: error: swep: no such command; did you mean sweep?"),
        (["demo"], "seewhy: error: demo: no such command; Commands are"),
    ],
)
def test_a_word_that_is_no_command_is_told_with_those_that_are(
    args: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.main(args) == 2
    assert capsys.readouterr().err.startswith(told)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert {name.split()[0] for name in options.COMMANDS} == set(commands.MODULES)
    parser, _ = cli.build({})
    text = parser.format_help()
    assert text.startswith("usage: seewhy ")
    assert all(f"  seewhy {name}" in text for name in options.COMMANDS)


def test_a_bare_command_says_what_it_starts() -> None:
    assert early.started(early.read([])).startswith("model demo, data demo, explainers cam, tam, msea_arc; --help")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (
            ["cocco"],
            "seewhy convert: error: DATASET: expected one of coco_caption, grandf, openpsg, tam_layout, shards;",
        ),
        (["coco_captions"], "; did you mean coco_caption?"),
        (
            ["coco_caption", "--instnces", "x"],
            "coco_caption: error: --instnces: no such option; did you mean --instances?",
        ),
        (["shards", ".", "--out", "x", "--per_shard", "two"], "--per_shard: expected a whole number; got 'two'"),
        (["tam_layout", ".", "--out", "x", "--dataset", "coco"], "; did you mean coco_caption?"),
    ],
)
def test_near_misses_of_a_conversion(args: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        convert.parse(args)
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("kind", ["coco_caption", "grandf", "openpsg", "tam_layout", "shards"])
def test_help_of_a_conversion_shows_defaults(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        convert.parse([kind, "--help"])
    assert left.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "(default: shards)",
        "(default: 0)",
        "(default: 1000)",
        "without it the card says that none was given",
    ):
        assert part in said


def test_a_folder_that_is_no_run_is_told_with_what_was_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("demo", "other"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "env.json").write_text("{}")
    runs = tmp_path / "runs"
    for folder, told in (
        (runs / "dmo", f"there is no such folder; did you mean {runs / 'demo'}?"),
        (runs, f"it holds the runs demo, other: name one, as {runs / 'demo'}"),
        (tmp_path, "it has no env.json, which every run writes"),
    ):
        assert command.main([str(folder)]) == 2
        assert f"{folder} is not the folder of a run: {told}" in capsys.readouterr().err


def test_data_or_model_that_is_none_is_told_with_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "manifest.json").touch()
    for args, told in (
        (["--data", str(tmp_path)], f"for pictures of your own: --data images --data.paths {tmp_path}"),
        (
            ["--data", str(tmp_path / "shards")],
            f"--data shards --data.manifest {tmp_path / 'shards' / 'manifest.json'}",
        ),
        (["--vlm", str(tmp_path)], f"for a checkpoint: --vlm Auto --vlm.checkpoint {tmp_path}"),
        (["--vlm", "quen.yaml"], "--vlm: quen.yaml: no such file; did you mean qwen2_5_vl_3b.yaml?"),
        (["--config", "configs/experiment/tabel1.yaml"], "no such file; did you mean configs/experiment/table1.yaml?"),
    ):
        with pytest.raises(UsageError) as refused:
            early.read(args)
        assert told in str(refused.value)
