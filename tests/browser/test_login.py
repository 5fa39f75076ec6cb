"""The console of a gateway that asks who calls, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.guarded import PASSWORD, Guarded, guarded_gateway
from tests.integration.conftest import Start


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with ExitStack() as stack:
        yield guarded_gateway(Start(tmp_path_factory.mktemp("guarded"), stack))


@pytest.fixture
def console(window: Page, guarded: Guarded) -> Page:
    """The page as somebody sees it who has not been there."""
    window.context.clear_cookies()
    window.goto(guarded.web.url)
    window.evaluate("localStorage.clear()")
    window.set_viewport_size({"width": 1280, "height": 900})
    window.goto("about:blank")
    window.goto(guarded.web.url)
    expect(window.get_by_role("heading", name="Log in")).to_be_visible()
    return window


def by_key(page: Page, key: str) -> None:
    page.get_by_label("Key or token").fill(key)
    page.get_by_role("button", name="Log in").first.click()


def by_password(page: Page, user: str, password: str) -> None:
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").last.click()


def services(page: Page) -> list[str]:
    return page.locator("nav h2").all_inner_texts()


def test_the_page_asks_who_one_is_before_it_shows_anything(console: Page) -> None:
    expect(console.locator("#state")).to_have_text("logged out")
    assert services(console) == []
    assert not console.locator("#logout").is_visible()
    assert not console.locator("#reconnect").is_visible()


def test_a_key_logs_in_and_out(console: Page, guarded: Guarded) -> None:
    by_key(console, guarded.bob)
    expect(console.locator("#state")).to_have_text("open")
    assert services(console) == ["calculator"]
    console.locator('nav a[href="#calculator.add"]').click()
    main = console.locator("main")
    main.get_by_role("button", name="Call", exact=True).click()
    expect(main.locator(".answer").first).to_contain_text("0")
    console.reload()
    expect(console.locator("#state")).to_have_text("open")
    console.get_by_role("button", name="Log out").click()
    expect(console.get_by_role("heading", name="Log in")).to_be_visible()
    expect(console.locator("#state")).to_have_text("logged out")
    console.reload()
    expect(console.get_by_role("heading", name="Log in")).to_be_visible()
    assert services(console) == []


def test_a_password_logs_in(console: Page, tmp_path: Path) -> None:
    by_password(console, "carol", PASSWORD)
    expect(console.locator("#state")).to_have_text("open")
    assert services(console) == ["calculator", "addressbook"]


def test_what_was_wrong_is_said(console: Page, guarded: Guarded) -> None:
    alert = console.get_by_role("alert")
    by_key(console, "forged")
    expect(alert).not_to_be_empty()
    by_password(console, "carol", "wrong")
    expect(alert).not_to_be_empty()
    by_key(console, guarded.alice)
    expect(console.locator("#state")).to_have_text("open")
    assert services(console) == ["calculator", "addressbook"]


def test_a_login_that_ends_elsewhere_brings_the_form_back(console: Page, guarded: Guarded) -> None:
    by_key(console, guarded.alice)
    expect(console.locator("#state")).to_have_text("open")
    (cookie,) = console.context.cookies()
    headers = {"Cookie": f"{cookie['name']}={cookie['value']}", "Origin": guarded.web.url}
    assert guarded.web.request("DELETE", "/api/session", None, headers).status == 204
    expect(console.get_by_role("heading", name="Log in")).to_be_visible()
    expect(console.get_by_role("alert")).to_contain_text("The login has ended")
    assert services(console) == []


def test_the_page_of_another_site_gets_nothing_with_the_login(
    console: Page, guarded: Guarded, other_port: int
) -> None:
    by_key(console, guarded.alice)
    expect(console.locator("#state")).to_have_text("open")
    # The same site to a browser, which sends the cookie along: ports do not count.
    console.goto(f"http://127.0.0.1:{other_port}/")
    script = """async (url) => {
      const fetched = (how) => fetch(url, { credentials: 'include', mode: 'no-cors', ...how }).then(
        ({ type, status }) => `${type} ${status}`, () => 'failed');
      const image = await new Promise((resolve) => {
        const element = new Image();
        element.onload = () => resolve('loaded');
        element.onerror = () => resolve('failed');
        element.src = url;
      });
      const socket = await new Promise((resolve) => {
        const opened = new WebSocket(url.replace('http', 'ws').replace('/api', '/ws'));
        opened.onopen = () => resolve('open');
        opened.onerror = () => resolve('failed');
      });
      return [await fetched({ mode: 'cors' }), image, socket];
    }"""
    assert console.evaluate(script, f"{guarded.web.url}/api") == ["failed", "failed", "failed"]
