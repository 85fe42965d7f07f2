"""One browser for the tests of the page; they are skipped where there is none."""

from __future__ import annotations

import os

import pytest
from page.served_page import PHONE, Microphone
from playwright.sync_api import expect, sync_playwright

from spkid.printing import find_browser

PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def microphone(tmp_path_factory):
    return Microphone(tmp_path_factory.mktemp("microphone") / "microphone.wav")


@pytest.fixture(scope="module")
def browser(microphone):
    """Chromium; it ends with the module, since its event loop lets no other one run."""
    found = find_browser()
    if found is None:
        if os.environ.get("SPKID_NEEDS_BROWSER"):
            pytest.fail("no Chromium, and SPKID_NEEDS_BROWSER is set")
        pytest.skip("no Chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as running, microphone.launch(running, found) as launched:
        yield launched


@pytest.fixture
def page(browser):
    """An empty tab of a phone."""
    with browser.new_context(viewport=PHONE, locale="en-GB") as context:
        context.set_default_timeout(PATIENCE_MS)
        yield context.new_page()
