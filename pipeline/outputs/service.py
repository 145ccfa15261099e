"""W&B's own process, kept within bounds: how long it is waited for, where it keeps files, what its errors may show."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from datamodules.printable import printable

ANSWER, UPLOAD = 30.0, 120.0
"""Seconds that W&B may take to begin a run, and to receive the last of it; a run that is done does not wait longer."""


def settings(**more: Any) -> Any:
    """Settings of a W&B run that waits no longer than it may."""
    import wandb

    return wandb.Settings(
        login_timeout=ANSWER,
        init_timeout=ANSWER,
        finish_timeout=UPLOAD,
        finish_timeout_raises=True,
        console="off",
        disable_git=True,
        save_code=False,
        **more,
    )


@contextmanager
def environment(run_dir: Path) -> Iterator[None]:
    """W&B keeps the files that it has yet to send next to the run, not in the home directory. Unless the user's own
    environment says otherwise it leaves the terminal alone, and does not report to its makers, as it does offline too.
    """
    data = str((run_dir / "wandb" / "data").resolve())
    defaults = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    changed = {"WANDB_DATA_DIR": data, "WANDB_CACHE_DIR": data}
    changed |= {name: os.environ.get(name, value) for name, value in defaults.items()}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    except Exception:
        _let_go()
        raise
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _let_go() -> None:
    """End W&B's own process: it would hold on to the run that failed, and refuse to begin it again."""
    with suppress(Exception):
        import wandb

        wandb.teardown()


def reason(error: Exception) -> str:
    """An error in one printable line without the key; what a server answered may stand in it."""
    text = printable(f"{type(error).__name__}: {error}").strip()
    for key in keys():
        text = text.replace(key, "***")
    return text


def keys() -> set[str]:
    """Every key that W&B may log in with: that of the environment, of its settings or the login, of a netrc file."""
    found = {os.environ.get("WANDB_API_KEY")}
    with suppress(Exception):  # what cannot be read is not sent to anyone
        from wandb.sdk import wandb_setup
        from wandb.sdk.lib import wbauth

        known = wandb_setup.singleton().settings
        found |= {known.api_key, wbauth.read_netrc_auth(host=known.base_url)}
    return {key for key in found if key}
