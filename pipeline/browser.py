"""Chromium without a window: it prints the book and looks at its pages."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Page, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


class NoBrowser(RuntimeError):
    """No Chromium on this machine; the message says what to install."""


def launch(playwright: Playwright) -> Browser:
    """Return the Chromium that is installed here, started; raises NoBrowser where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise NoBrowser("no Chromium found: install Debian's package `chromium`, or Chrome")
    return playwright.chromium.launch(executable_path=found, args=list(OPTIONS))


def wait_for_mathematics(page: Page) -> None:
    """Return when MathJax has drawn every formula of the page."""
    if page.locator(".math").count():
        page.wait_for_function("window.MathJax?.startup?.promise")
        page.evaluate("() => MathJax.startup.promise")
