"""The programs that made the embedded models, importable as they import one another."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo"


@pytest.fixture(scope="session")
def demo() -> Iterator[Any]:
    """Imports a module of assets/demo by its name."""
    sys.path.insert(0, str(DEMO))
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    sys.path.remove(str(DEMO))
    for name in set(sys.modules) - before:
        if str(DEMO) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture(scope="session")
def artist(demo) -> Any:
    """The artist, where the font is the one that the shipped scenes were drawn with."""
    scenes = demo("scenes")
    try:
        made = scenes.Artist()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    if made.sha256 != scenes.FONT_SHA256:
        pytest.skip("another version of the font")
    return made
