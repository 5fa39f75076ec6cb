"""Take the pictures of README.md and docs/console.md anew: `make pictures`. Look at them before they are committed.

Needs a gateway's example services, which it starts, and the tests' browser.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, CHROMIUM_FLAGS, ROOT
from tests.browser.console_page import answer, call, entry, field, open_method, opened

FOLDER = ROOT / "docs"
WIDTH = 1280


def main() -> None:
    with _demo() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": 820})
        opened(page, url)
        _answer(page)
        _callback(page)
        _timeline(page)
        browser.close()


def _answer(page: Page) -> None:
    """A method, its answer, and the object in it."""
    main = open_method(page, "calculator", "accumulator")
    call(main)
    expect(answer(main)).to_be_visible()
    main = open_method(page, "addressbook", "find")
    field(main, "name").fill("Ann")
    call(main)
    answer(main).get_by_role("button").click()
    expect(page.locator("nav .object", has_text="Ann").get_by_role("link", name="update")).to_be_visible()
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.screenshot(path=FOLDER / "console-answer.png")


def _callback(page: Page) -> None:
    """A service asks, and somebody answers."""
    page.set_viewport_size({"width": WIDTH, "height": 760})
    main = open_method(page, "calculator", "map")
    for place, value in enumerate(("3", "4"), 1):
        main.get_by_role("button", name="Add to values").click()
        field(main, f"values {place}").fill(value)
    call(main)
    asks = page.locator("#asks")
    asks.get_by_label("result", exact=True).fill("9")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.screenshot(path=FOLDER / "console-callback.png")
    for value in ("9", "16"):
        asks.get_by_label("result", exact=True).fill(value)
        asks.get_by_role("button", name="Answer").click()
    expect(answer(main)).to_have_text("[9, 16]")


def _timeline(page: Page) -> None:
    """Many calls, one of them over a cut, and how long they took."""
    page.set_viewport_size({"width": WIDTH, "height": 820})
    main = open_method(page, "calculator", "divide")
    for dividend in range(14):
        field(main, "dividend").fill(str(91 - dividend))
        field(main, "divisor").fill("0" if dividend % 5 == 0 else "3")
        call(main)
        expect(entry(main).locator(".status")).not_to_have_text("under way")
    page.locator("#cut").click()
    expect(page.locator("#state")).to_have_text("reconnecting")
    field(main, "divisor").fill("3")
    call(main)
    expect(page.locator("#state")).to_have_text("open")
    expect(answer(main)).to_contain_text("quotient")
    main.get_by_role("button", name="Latencies").click()
    main.locator(".timeline .bar").evaluate("(bar) => scrollTo(0, bar.getBoundingClientRect().top + scrollY - 70)")
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=FOLDER / "console-timeline.png")


@contextmanager
def _demo() -> Iterator[str]:
    command = [sys.executable, "-m", "gateway", "demo", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
