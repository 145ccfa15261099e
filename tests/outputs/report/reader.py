"""A page in headless Chromium, from disk, with the network off: what it says, and whom it asks."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

MISSING = "no chromium, chromium-browser or google-chrome on PATH: apt-get install chromium"


def need() -> None:
    """Skip the test where there is no browser; fail it if SEEWHY_REQUIRE_BROWSER is set."""
    if CHROMIUM is None:
        required = os.environ.get("SEEWHY_REQUIRE_BROWSER", "0") not in ("", "0")
        (pytest.fail if required else pytest.skip)(MISSING)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser of the system, driven by playwright."""
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        short = {**os.environ, "TMPDIR": "/tmp"}  # it opens a socket there, whose path must not be long
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=root, env=short)
        yield opened
        opened.close()


class Watched:
    """A page that is being read, and what it did meanwhile."""

    def __init__(self, browser: Any, index: Path, **options: Any) -> None:
        self.folder = index.parent
        self.context = browser.new_context(**options)
        self.context.set_offline(True)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(index.as_uri())

    def ready(self) -> Any:
        """Once the first sample is drawn."""
        self.page.wait_for_selector("#tiles canvas")
        return self.page

    def close(self) -> None:
        """Nothing was said, and nothing was asked of anybody but the folder."""
        entries = self.page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
        self.context.close()
        assert self.said == []
        inside = self.folder.as_uri() + "/"
        assert [url for url in {*self.asked, *entries} if not url.startswith(inside)] == []
