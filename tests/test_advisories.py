"""What is known to be harmful is not installed, and `make lint` asks about the rest."""

import json
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests import advisories

ROOT = Path(__file__).resolve().parents[1]
CLEAN = {"name": "rich", "version": "15.0.0", "vulns": []}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}
HARMFUL = {"name": "lightning", "version": "2.6.2", "vulns": [{"id": "GHSA-w37p-236h-pfx3", "fix_versions": ["2.6.4"]}]}
OPEN = {"name": "wandb", "version": "1", "vulns": [{"id": "B", "fix_versions": []}, {"id": "A", "fix_versions": []}]}
BARE = {"name": "pip", "version": "1", "vulns": [{"id": "P", "fix_versions": ["2"]}]}


@pytest.mark.parametrize("version", ["2.6.2", "2.6.3"])
def test_the_withdrawn_releases_of_lightning_are_refused(version: str) -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (lightning,) = (one for one in map(Requirement, listed) if one.name == "lightning")
    assert not lightning.specifier.contains(version)
    assert lightning.specifier.contains("2.6.1")
    assert lightning.specifier.contains("2.6.6")


@pytest.mark.parametrize(
    ("out", "err", "status", "said"),
    [
        ([CLEAN, SKIPPED], "", 0, "advisories: none for 1 packages; 1 are unknown to PyPI"),
        ([CLEAN, HARMFUL], "", 1, "advisories: lightning 2.6.2: GHSA-w37p-236h-pfx3; mended in 2.6.4"),
        ([OPEN], "", 1, "advisories: wandb 1: A, B; no version mends it"),
        ([BARE, CLEAN], "", 0, "advisories: none for 2 packages"),
        ([SKIPPED], "", 0, "advisories: skipped, PyPI says nothing of any package here"),
        (None, "Traceback\nrequests.exceptions.ProxyError: no", 0, "advisories: skipped, no network (requests."),
        (None, "x\nConnectTimeout: pypi.org", 0, "advisories: skipped, no network (ConnectTimeout"),
        (None, "/bin/python: No module named pip_audit", 1, "advisories: pip-audit failed: /bin/python: No module"),
        (None, "", 1, "advisories: pip-audit failed: it said nothing"),
    ],
)
def test_what_pip_audit_finds_fails_and_a_missing_network_is_told(
    out: list[dict[str, object]] | None, err: str, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = json.dumps({"dependencies": out}) if out else ""
    stand_in = f"import sys; sys.stdout.write({printed!r}); sys.stderr.write({err!r})"
    assert advisories.main([sys.executable, "-c", stand_in]) == status
    assert capsys.readouterr().out.startswith(said)


def test_lint_asks() -> None:
    assert "-m tests.advisories" in (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
