"""Signatures are checked while tests run: shapes by jaxtyping, types by beartype."""

import os

from jaxtyping import install_import_hook

install_import_hook(["pipeline", "metrics", "datamodules"], "beartype.beartype")


def pytest_sessionstart() -> None:
    """Before any test, or process that one starts, is told to colour what goes to no terminal; pytest itself knows."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        os.environ.pop(name, None)
