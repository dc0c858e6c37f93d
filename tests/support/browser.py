"""Debian's Chromium on the console, driven by Playwright: nothing goes wrong in it unseen."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

DEADLINE_MS = 30_000.0  # for anything a test waits for; a shared machine may be slow
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = (1280, 860), (390, 844)
# What the browser itself prints of an answer that is no success; the page shows those.
STATUS = "Failed to load resource: the server responded with a status of "

CONTRAST = Path(__file__).with_name("contrast.js").read_text()

expect.set_options(timeout=DEADLINE_MS)


@cache
def require_chromium() -> str:
    """Return where it is; skip the test where it is missing, and fail it where CI is set."""
    found = shutil.which("chromium")
    if found is None:
        missing = "chromium is missing; install it with: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return str(found)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser during the block."""
    path = require_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def too_faint(page: Page) -> list[str]:
    """Texts that stand out too little from what is behind them."""
    found: list[str] = page.evaluate(CONTRAST)
    return found


@contextmanager
def open_page(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: Literal["light", "dark"] = "light",
    refused: tuple[int, ...] = (),
    calls: tuple[str, ...] = (),
) -> Iterator[Page]:
    """A tab of nobody's, at this address.

    At its end it fails if the page made an error, broke its policy, got an answer with a status
    that is not of `refused`, or called a server that is neither its own nor one of `calls`.
    """
    complaints: list[str] = []
    servers = {urlsplit(url).netloc, *calls}

    def on_message(message: ConsoleMessage) -> None:
        told = message.text
        known = told.startswith(STATUS) and int(told.removeprefix(STATUS)[:3]) in refused
        away = "net::ERR" in told and 0 in refused
        if message.type in {"error", "warning"} and not known and not away:
            complaints.append(f"{message.type}: {told} ({message.location.get('url')})")

    def on_request(request: Request) -> None:
        where = urlsplit(request.url)
        if where.scheme != "data" and where.netloc not in servers:
            complaints.append(f"called {request.url}")

    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.set_default_timeout(DEADLINE_MS)
    page = context.new_page()
    page.on("console", on_message)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", on_request)
    try:
        page.goto(url)
        yield page
    finally:
        context.close()
    assert complaints == []
