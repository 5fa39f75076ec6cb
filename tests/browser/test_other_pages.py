"""What pages of somebody else can do to a gateway that its user's browser can reach: nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

# Sends a request and tells what the page could learn of the answer.
FETCH = """
async ([url, options]) => {
  try {
    const response = await fetch(url, options);
    return [response.type, await response.text()];
  } catch {
    return ['failed', ''];
  }
}
"""
OPEN_SOCKET = """
(url) => new Promise((resolve) => {
  const socket = new WebSocket(url);
  socket.onopen = () => resolve('open');
  socket.onerror = () => resolve('refused');
})
"""
LOAD_IN_FRAME = """
(url) => {
  const frame = document.createElement('iframe');
  frame.src = url;
  document.body.append(frame);
}
"""


@pytest.fixture(params=["another site", "another port of this machine"])
def other_page(request: pytest.FixtureRequest, window: Page, other_port: int, foreign_host: str) -> Page:
    """A page of another origin; the second is even "same-site" in a browser's eyes."""
    host = foreign_host if request.param == "another site" else "127.0.0.1"
    window.goto(f"http://{host}:{other_port}/")
    return window


def fetch(page: Page, url: str, **options: Any) -> tuple[str, str, int]:
    """Fetch from within a page: the answer's type and text as the page sees it, and the status that it does not see."""
    with page.expect_response(url) as response:
        type, text = page.evaluate(FETCH, [url, options])
    return type, text, response.value.status


def test_a_call_without_a_body_is_refused(other_page: Page, gateway_url: str) -> None:
    url = f"{gateway_url}/api/session"
    assert fetch(other_page, url, method="POST", mode="no-cors", credentials="include") == ("opaque", "", 403)


def test_a_call_in_a_form_s_media_type_is_refused(other_page: Page, gateway_url: str) -> None:
    url = f"{gateway_url}/api/addressbook/add"
    body = '{"person": {"name": "Mallory"}}'
    headers = {"Content-Type": "text/plain"}
    answer = fetch(other_page, url, method="POST", mode="no-cors", credentials="include", headers=headers, body=body)
    assert answer == ("opaque", "", 403)
    found = other_page.request.get(f"{gateway_url}/api/addressbook/find?name=Mallory")
    assert found.status == 404


def test_a_json_call_is_stopped_before_it_is_sent(other_page: Page, gateway_url: str) -> None:
    url = f"{gateway_url}/api/addressbook/add"
    options = {
        "method": "POST",
        "credentials": "include",
        "headers": {"Content-Type": "application/json"},
        "body": '{"person": {"name": "Mallory"}}',
    }
    assert other_page.evaluate(FETCH, [url, options]) == ["failed", ""]
    assert other_page.request.get(f"{gateway_url}/api/addressbook/find?name=Mallory").status == 404


@pytest.mark.parametrize("path", ["/api", "/api/session", "/api/addressbook/list"])
def test_answers_cannot_be_read(other_page: Page, gateway_url: str, path: str) -> None:
    url = gateway_url + path
    assert other_page.evaluate(FETCH, [url, {"credentials": "include"}]) == ["failed", ""]
    type, text, _ = fetch(other_page, url, mode="no-cors", credentials="include")
    assert (type, text) == ("opaque", "")


def test_no_socket_opens(other_page: Page, gateway_url: str) -> None:
    with other_page.expect_console_message(lambda message: "WebSocket" in message.text) as told:
        assert other_page.evaluate(OPEN_SOCKET, gateway_url.replace("http", "ws") + "/ws") == "refused"
    assert "403" in told.value.text


def test_the_page_is_shown_in_no_frame(other_page: Page, gateway_url: str) -> None:
    with other_page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        other_page.evaluate(LOAD_IN_FRAME, f"{gateway_url}/")


def test_a_name_of_somebody_else_leads_nowhere(window: Page, gateway_url: str, foreign_host: str) -> None:
    # With DNS rebinding such a page would be of one origin with the gateway, and could read everything.
    rebound = f"http://{foreign_host}:{urlsplit(gateway_url).port}"
    for path in ("/", "/api", "/client/index.js"):
        response = window.goto(rebound + path)
        assert response is not None
        assert response.status == 421
        assert response.json()["code"] == "misdirected"
    socket = window.evaluate(OPEN_SOCKET, rebound.replace("http", "ws") + "/ws")
    assert socket == "refused"


def test_the_gateway_s_own_page_can_do_all_of_it(window: Page, gateway_url: str) -> None:
    window.goto(gateway_url)
    body = '{"first": 2, "second": 5}'
    options = {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": body}
    assert window.evaluate(FETCH, [f"{gateway_url}/api/calculator/add", options]) == ["basic", '{"result":7}']
    assert window.evaluate(OPEN_SOCKET, gateway_url.replace("http", "ws") + "/ws") == "open"
