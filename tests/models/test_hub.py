"""Without a network a hub checkpoint comes from the cache or is refused, within seconds and in one line."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from pipeline.models import hub
from pipeline.models.checkpoint import CheckpointError
from pipeline.models.qwen2_vl import Qwen2VL
from pipeline.notice import Notice
from tests import tiny

COMMIT = "a" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and a hub that is not offline by a setting."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "QUICK", 0.5)
    return tmp_path


@pytest.fixture(params=["closed", "silent", "nameless", "no resolver"])
def unreachable(request, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub whose port is closed, that never answers, whose name nobody knows, or whose name is looked up for ever."""
    over = threading.Event()
    if request.param in ("nameless", "no resolver"):

        def resolve(*_: object) -> NoReturn:
            if request.param == "no resolver":
                over.wait()
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if request.param == "closed":
            server.close()
        place = f"http://127.0.0.1:{port}" if request.param in ("closed", "silent") else "http://hub.invalid"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", place)
        yield
    over.set()


def fill(cache: Path, commit: str = COMMIT) -> Path:
    """Put a checkpoint into the cache; its folder."""
    branch = cache / "models--owner--tiny" / "refs" / "main"
    branch.parent.mkdir(parents=True)
    branch.write_text(commit)
    return tiny.qwen2_vl_folder(cache / "models--owner--tiny" / "snapshots" / commit)


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_checkpoint_that_is_not_in_the_cache_is_refused_in_seconds(
    cache: Path, unreachable: None, revision: str | None
) -> None:
    start = time.monotonic()
    with pytest.raises(CheckpointError, match=r"^checkpoint 'owner/tiny'.*; connect, or copy the cache of a machine"):
        Qwen2VL("owner/tiny", revision=revision).identity()
    assert time.monotonic() - start < 20


def test_what_the_cache_holds_is_used_and_said(cache: Path, unreachable: None) -> None:
    fill(cache)
    vlm = Qwen2VL("owner/tiny")
    with pytest.warns(Notice, match=r"'main': .* cannot be reached \(\w+\); the cache's commit aaaaaaaa is used"):
        assert vlm.identity() | {"template": ""} == vlm.identity() | {"template": "", "checkpoint_commit": COMMIT}
    vlm.load("cpu")
    assert vlm.extent.vocabulary == 400


def test_weights_that_the_cache_lacks_are_told(cache: Path, unreachable: None) -> None:
    (fill(cache) / "model.safetensors").unlink()
    vlm = Qwen2VL("owner/tiny", revision=COMMIT)
    vlm.identity()
    with pytest.raises(CheckpointError, match=r"it holds no \.safetensors|not all its files are in the cache"):
        vlm.load("cpu")


def test_offline_by_the_setting_nothing_is_asked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match=r"HF_HUB_OFFLINE is set, and its cache has no such checkpoint; connect"):
        Qwen2VL("owner/tiny").identity()
    fill(cache)
    assert Qwen2VL("owner/tiny").identity()["checkpoint_commit"] == COMMIT


@pytest.mark.parametrize("name", ["a/b c", "a/..", "a/" + "b" * 200])
def test_names_that_the_hub_does_not_have_are_refused(cache: Path, unreachable: None, name: str) -> None:
    with pytest.raises(CheckpointError, match=r"^checkpoint '"):
        Qwen2VL(name).identity()
