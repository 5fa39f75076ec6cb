"""The gateway's page as a person uses it, in a real browser against the real gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Error, Locator, Page, expect

from tests.browser.network import Network


@pytest.fixture
def console(window: Page, gateway_url: str) -> Iterator[Page]:
    """The page, connected; at the end of the test it must not have complained."""
    complaints: list[str] = []

    def on_message(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def on_error(error: Error) -> None:
        complaints.append(str(error))

    window.goto("about:blank")
    window.set_viewport_size({"width": 1280, "height": 900})
    window.on("console", on_message)
    window.on("pageerror", on_error)
    window.goto(gateway_url)
    expect(window.locator("#state")).to_have_text("open")
    yield window
    window.remove_listener("console", on_message)
    window.remove_listener("pageerror", on_error)
    assert complaints == []


# Elements that stand out of the window, but for the link that only the keyboard brings in.
OUTSIDE = """
() => [...document.querySelectorAll('body *:not(.skip)')]
  .filter((element) => element.getBoundingClientRect().left < 0
    || element.getBoundingClientRect().right > document.documentElement.clientWidth)
  .map((element) => element.outerHTML)
"""


def open_method(page: Page, service: str, method: str) -> Locator:
    """Go to a method by its link; the main part of the page."""
    page.locator(f'nav a[href="#{service}.{method}"]').click()
    main = page.locator("main")
    expect(main.get_by_role("heading", name=method, exact=True)).to_be_visible()
    return main


def call(main: Locator) -> Locator:
    """Press the button; where the answer will be."""
    main.get_by_role("button", name="Call", exact=True).click()
    return main.locator(".answer").first


def field(place: Locator, name: str) -> Locator:
    return place.locator(f'.field:has(> label:text-matches("^{name} ")) > :is(input, select, textarea)')


def test_the_services_are_listed_with_their_comments(console: Page) -> None:
    expect(console.locator("nav")).to_contain_text("accumulator")
    expect(console.locator("main")).to_contain_text("Calculates with whole numbers.")
    main = open_method(console, "calculator", "divide")
    expect(main).to_contain_text("Divides with a remainder")
    expect(main.locator(".signature")).to_contain_text("dividend :Int32")


def test_what_other_programs_need_is_a_link_away(console: Page) -> None:
    main = console.locator("main")
    # The page may be connected before it knows what there is.
    expect(main.get_by_role("link").first).to_be_visible()
    links = [link.get_attribute("href") for link in main.get_by_role("link").all()]
    assert links[:3] == ["/openapi.json", "/schema/calculator", "/types/calculator.d.ts"]
    answers = [console.request.get(urljoin(console.url, link or "")) for link in links]
    assert [answer.status for answer in answers] == [200] * len(links)
    assert "interface Calculator" in answers[1].text()
    assert "export interface" in answers[2].text()


def test_a_method_is_called_and_its_answer_shown(console: Page) -> None:
    main = open_method(console, "calculator", "add")
    field(main, "first").fill("2")
    field(main, "second").fill("5")
    expect(call(main).locator("pre")).to_have_text("7")


def test_enter_in_a_field_calls(console: Page) -> None:
    main = open_method(console, "calculator", "divide")
    field(main, "dividend").fill("7")
    field(main, "divisor").fill("2")
    field(main, "divisor").press("Enter")
    expect(main.locator(".answer pre")).to_have_text('{\n  "quotient": 3,\n  "remainder": 1\n}')


def test_an_error_is_shown_with_its_path_and_at_its_field(console: Page) -> None:
    main = open_method(console, "calculator", "add")
    field(main, "second").fill("3000000000")
    answer = call(main)
    expect(answer.locator(".failed")).to_be_visible()
    expect(answer.locator("dd").first).to_have_text("$.second")
    expect(field(main, "second")).to_have_attribute("aria-invalid", "true")
    expect(main.locator(".complaint").nth(1)).to_contain_text("3000000000")


def test_a_value_that_is_no_json_is_not_sent(console: Page) -> None:
    main = open_method(console, "addressbook", "add")
    field(main, "person").fill("{name")
    main.get_by_role("button", name="Call", exact=True).click()
    expect(main.locator(".complaint").first).to_contain_text("JSON")
    expect(field(main, "person")).to_be_focused()
    expect(main.locator(".answer")).to_be_empty()


def test_a_returned_object_can_be_called_and_released(console: Page) -> None:
    main = open_method(console, "calculator", "accumulator")
    field(main, "start").fill("10")
    call(main).get_by_role("button", name="Calculator.Accumulator 1").click()
    card = console.locator("#objects > li")
    method = card.locator(".method", has=console.get_by_role("heading", name="add"))
    field(method, "value").fill("5")
    expect(call(method).locator("pre")).to_have_text('"15"')
    card.get_by_role("button", name="Release Calculator.Accumulator 1").click()
    expect(console.locator("#objects > li")).to_have_count(0)


def test_objects_stay_while_the_network_is_away(window: Page, gateway_url: str) -> None:
    network = Network(urlsplit(gateway_url).port or 0)
    try:
        window.goto(f"http://127.0.0.1:{network.port}/")
        state = window.locator("#state")
        expect(state).to_have_text("open")
        call(open_method(window, "calculator", "accumulator")).get_by_role("button", name="Accumulator").click()
        network.switch(False)
        expect(state).to_have_text("reconnecting")
        network.switch(True)
        expect(state).to_have_text("open")
        method = window.locator("#objects .method", has=window.get_by_role("heading", name="add"))
        field(method, "value").fill("5")
        expect(call(method).locator("pre")).to_have_text('"5"')
    finally:
        network.stop()


def test_the_page_is_a_callback_whose_calls_are_logged(console: Page) -> None:
    call(open_method(console, "addressbook", "watch")).get_by_role("button", name="Subscription").wait_for()
    main = open_method(console, "addressbook", "add")
    field(main, "person").fill('{"name": "<b>Bobby</b>", "tags": ["x"]}')
    expect(call(main).locator("pre")).to_contain_text('"name": "<b>Bobby</b>"')
    entry = console.locator("#log li").first
    expect(entry).to_contain_text("listener.changed")
    expect(entry).to_contain_text('"name": "<b>Bobby</b>"')
    expect(entry).to_contain_text('"added"')
    assert console.locator("#log b").count() == 0
    # The person in the log is as live as the one in the answer.
    entry.get_by_role("button", name="Updater").click()
    method = console.locator("#objects .method", has=console.get_by_role("heading", name="delete"))
    expect(call(method).locator(".outcome")).to_contain_text("after")
    expect(console.locator("#log li").first).to_contain_text('"deleted"')
    console.get_by_role("button", name="Clear").click()
    expect(console.locator("#log li")).to_have_count(0)


def test_a_callback_answers_what_the_form_says(console: Page) -> None:
    main = open_method(console, "calculator", "map")
    field(main, "values").fill("[1, 2]")
    main.get_by_label("apply answers (JSON)").fill("5")
    expect(call(main).locator("pre")).to_have_text("[\n  5,\n  5\n]")
    expect(console.locator("#log li")).to_have_count(2)


def test_the_address_leads_to_a_method_and_back(console: Page, gateway_url: str) -> None:
    open_method(console, "calculator", "add")
    open_method(console, "calculator", "divide")
    console.go_back()
    expect(console.locator("main").get_by_role("heading", name="add", exact=True)).to_be_visible()
    expect(console.locator("nav a[aria-current=page]")).to_have_text("add")


def test_every_field_has_a_label_and_everything_can_be_reached_by_keyboard(console: Page) -> None:
    main = open_method(console, "calculator", "map")
    for control in main.locator("input, select, textarea").all():
        assert control.evaluate("(control) => control.labels.length") == 1
    console.locator("body").press("Tab")
    reached = set()
    for _ in range(60):
        reached.add(console.evaluate("document.activeElement.textContent || document.activeElement.id"))
        console.keyboard.press("Tab")
    assert {"Skip to the method", "add", "Call"} <= reached


@pytest.mark.parametrize(
    ("name", "width", "scheme"), [("phone", 360, "dark"), ("tablet", 800, "light"), ("desk", 1280, "light")]
)
def test_the_page_fits_its_window(console: Page, tmp_path: Path, name: str, width: int, scheme: str) -> None:
    console.set_viewport_size({"width": width, "height": 900})
    console.emulate_media(color_scheme=scheme)
    call(open_method(console, "addressbook", "list")).locator("pre").wait_for()
    call(open_method(console, "calculator", "accumulator")).get_by_role("button").click()
    expect(console.locator("#objects .method").first).to_be_visible()
    assert console.evaluate(OUTSIDE) == []
    picture = console.screenshot(path=tmp_path / f"{name}.png", full_page=True)
    assert picture.startswith(b"\x89PNG")


def test_an_unsigned_number_is_a_number_in_the_form_and_for_curl(console: Page) -> None:
    main = open_method(console, "addressbook", "list")
    expect(field(main, "limit")).to_have_attribute("max", "65535")
    expect(main.locator(".curl pre")).to_contain_text('{"prefix":"","limit":50}')
    field(main, "limit").fill("1")
    expect(call(main).get_by_role("button", name="Person.Updater")).to_have_count(1)
