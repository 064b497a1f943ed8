"""A real browser, where this machine has one: Debian's `chromium`, or the one that playwright fetches."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Skips with the reason where there is no browser."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        found = _browser(playwright)
        yield found
        found.close()


def _browser(playwright: Playwright) -> Browser:
    from playwright.sync_api import Error

    own = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if own is None and not Path(playwright.chromium.executable_path).exists():
        pytest.skip("no browser here: `apt install chromium` or `playwright install chromium`")
    # Chromium's own sandbox refuses root; what is opened here are our own files.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    try:
        return playwright.chromium.launch(executable_path=own, args=arguments)
    except Error as error:
        pytest.skip(f"the browser does not start: {error.message.splitlines()[0]}")
