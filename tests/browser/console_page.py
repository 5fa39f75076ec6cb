"""What a person does on the gateway's page, for tests: open it, go to a method, fill, call, read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, expect

FORGET = """
async () => {
  sessionStorage.clear();
  for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name);
}
"""


def forget(page: Page, url: str) -> None:
    """Make the browser one that has not been there."""
    page.goto(f"{url}/healthz")
    page.evaluate(FORGET)


def opened(page: Page, url: str) -> Page:
    """Open the page, and wait until it is connected and shows what there is."""
    page.goto(url)
    expect(page.locator("#state")).to_have_text("open")
    expect(page.locator("nav h2").first).to_be_visible()
    return page


@contextmanager
def complaints_of(page: Page) -> Iterator[list[str]]:
    """What the browser's console complains of meanwhile."""
    complaints: list[str] = []

    def on_message(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def on_error(error: Error) -> None:
        complaints.append(str(error))

    page.on("console", on_message)
    page.on("pageerror", on_error)
    try:
        yield complaints
    finally:
        page.remove_listener("console", on_message)
        page.remove_listener("pageerror", on_error)


def open_method(page: Page, service: str, method: str) -> Locator:
    """Follow the link to a method; gives the main part of the page."""
    page.locator(f'nav a[href="#{service}.{method}"]').click()
    main = page.get_by_role("main")
    expect(main.get_by_role("heading", name=method, exact=True)).to_be_visible()
    return main


def field(main: Locator, name: str) -> Locator:
    """The control with this label in the form that is shown."""
    return main.locator("#call").get_by_label(name, exact=True)


def call(main: Locator) -> None:
    main.get_by_role("button", name="Call", exact=True).click()


def entry(main: Locator) -> Locator:
    """The newest call of the timeline."""
    return main.locator(".entry.call").first


def answer(main: Locator) -> Locator:
    """The answer of the newest call."""
    return entry(main).locator(".answer pre")
