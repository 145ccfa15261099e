"""Signatures are checked while tests run: shapes by jaxtyping, types by beartype. Every process has one thread."""

import os

from jaxtyping import install_import_hook

# before torch is imported: on tensors as small as those of tests, threads only wait for each other
for name, value in {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}.items():
    os.environ.setdefault(name, value)

install_import_hook(["pipeline", "metrics", "datamodules"], "beartype.beartype")


def pytest_sessionstart() -> None:
    """Before any test, or process that one starts, is told to colour what goes to no terminal; pytest itself knows."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        os.environ.pop(name, None)
