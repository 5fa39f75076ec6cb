"""docs/tutorial.md, played as a reader types it; and two people look at its page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, CHROMIUM_FLAGS
from tests.integration.reader import ROOT, Reader

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")


def test_the_tutorial_works_as_it_stands(tmp_path: Path) -> None:
    with Reader(tmp_path, "poll") as reader, sync_playwright() as playwright:
        reader.play(TUTORIAL)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        ann, bob = (_at(browser.new_page(), f"http://127.0.0.1:{reader.ports['8083']}/") for _ in range(2))
        ann.get_by_role("button", name="tea: 0").click()
        expect(bob.get_by_role("button", name="tea: 1")).to_be_visible()
        ann.get_by_role("button", name="Withdraw").click()
        for page in (ann, bob):
            expect(page.get_by_role("button", name="tea: 0")).to_be_visible()
        browser.close()


def _at(page: Page, url: str) -> Page:
    page.goto(url)
    expect(page.get_by_role("button", name="tea: 0")).to_be_visible()
    return page
