"""What W&B says is passed on without the key, wherever W&B found it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import wandb

from pipeline.outputs import service
from tests.outputs.made import CANARY

HOST = "http://127.0.0.1:9"
Give = Callable[[pytest.MonkeyPatch, Path], None]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home without any login, which W&B is made to look at."""
    for name in ("WANDB_API_KEY", "NETRC", "WANDB_MODE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("WANDB_BASE_URL", HOST)
    monkeypatch.chdir(tmp_path)
    wandb.teardown()
    yield tmp_path
    wandb.teardown()


def machine() -> str:
    return f"machine 127.0.0.1:9\n  login user\n  password {CANARY}\n"


def variable(patch: pytest.MonkeyPatch, home: Path) -> None:
    patch.setenv("WANDB_API_KEY", CANARY)


def netrc(patch: pytest.MonkeyPatch, home: Path) -> None:
    (home / ".netrc").write_text(machine())


def other_netrc(patch: pytest.MonkeyPatch, home: Path) -> None:
    (home / "elsewhere").write_text(machine())
    patch.setenv("NETRC", str(home / "elsewhere"))


def settings(patch: pytest.MonkeyPatch, home: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "settings").write_text(f"[default]\napi_key = {CANARY}\n")


@pytest.mark.parametrize("give", [variable, netrc, other_netrc, settings], ids=lambda give: give.__name__)
def test_the_key_is_masked_wherever_it_was_found(give: Give, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = RuntimeError(f"no such key: {CANARY} ({CANARY})")
    assert CANARY in service.reason(refusal), "as long as it is no key"
    wandb.teardown()
    give(monkeypatch, home)
    assert service.reason(refusal) == "RuntimeError: no such key: *** (***)"


def test_a_key_that_is_none_hides_no_error_and_no_other_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".netrc").write_text(machine().replace(CANARY, "short"))
    monkeypatch.setenv("WANDB_API_KEY", CANARY)
    assert service.reason(RuntimeError(f"no such key: {CANARY}")) == "RuntimeError: no such key: ***"
