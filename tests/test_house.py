"""The rules of the house that a machine can keep."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def tracked(pattern: str) -> list[Path]:
    """Files that git knows or would know (not ignored)."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def test_no_source_file_is_over_300_lines() -> None:
    long = {str(p.relative_to(ROOT)): n for p in tracked("*.py") if (n := len(p.read_text().splitlines())) > 300}
    assert not long


def test_packages_hold_only_a_docstring_in_their_init() -> None:
    for path in tracked("*__init__.py"):
        if "tests" not in path.parts:
            lines = [line for line in path.read_text().splitlines() if line.strip()]
            assert lines, path
            assert lines[0].startswith('"""'), path
            assert len(lines) <= 2, path


def test_the_readme_prints_the_tree_as_it_is() -> None:
    text = (ROOT / "README.md").read_text()
    block = re.search(r"```tree\n(.*?)```", text, re.S)
    assert block, "the README holds no ```tree block"
    named, folder = set(), ""
    for line in block[1].splitlines():
        name = line.split()[0]
        folder = folder if line.startswith(" ") else name
        named.add(folder + name if line.startswith(" ") else name)
    for name in named:
        assert (ROOT / name).exists(), f"README's tree names {name}, which does not exist"
    modules = {str(p.relative_to(ROOT)) for p in tracked("*.py") if p.name != "__init__.py"}
    code = {m for m in modules if m.split("/")[0] in ("pipeline", "datamodules", "metrics")}
    assert code <= named, f"missing in the README's tree: {sorted(code - named)}"


def test_what_lies_beside_the_code_is_in_a_wheel() -> None:
    given = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    packed = {path for package, patterns in given.items() for p in patterns for path in beside(package).glob(p)}
    lying = [path for package in ("pipeline", "datamodules", "metrics") for path in tracked(f"{package}/*")]
    assert {path for path in lying if path.suffix != ".py"} == packed


def beside(package: str) -> Path:
    """Where a package lies."""
    return ROOT.joinpath(*package.split("."))


@pytest.mark.parametrize("pattern", ["*.py", "*.md", "*.yaml", "*.toml", "Makefile", "*.txt"])
def test_the_project_speaks_of_itself_alone(pattern: str) -> None:
    foreign = re.compile(r"(?<![\w.])/(work|farm|opt)/|/root/|pypi-more")
    for path in tracked(pattern):
        if path != Path(__file__):
            assert not foreign.search(path.read_text()), path


def test_nothing_runs_foreign_code() -> None:
    risky = re.compile(
        r"trust_remote_code[\"']?\s*[=:]\s*(?!False)|pickle\.load|allow_pickle\W+True|yaml\.(unsafe_|full_)?load\(|shell\s*=\s*True"
        r"|os\.(system|popen)|(?<![.\w])(eval|exec)\(|(?<!safetensors\.)torch\.load\((?!.*weights_only=True)"
    )
    for path in tracked("*.py"):
        if "tests" not in path.parts:
            assert not risky.search(path.read_text()), path
