"""The gateway's page as a person uses it, in a real browser against the real gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.console_page import (
    answer,
    call,
    complaints_of,
    entry,
    field,
    forget,
    open_method,
    opened,
)
from tests.browser.network import Network


@pytest.fixture
def console(window: Page, gateway_url: str) -> Iterator[Page]:
    """The page as somebody sees it who has not been there; at the end of the test it must not have complained."""
    window.goto("about:blank")
    window.set_viewport_size({"width": 1280, "height": 900})
    window.emulate_media(color_scheme="light")
    forget(window, gateway_url)
    with complaints_of(window) as complaints:
        opened(window, gateway_url)
        yield window
    assert complaints == []


# Elements that stand out of the window, but for the link that only the keyboard brings in.
OUTSIDE = """
() => [...document.querySelectorAll('body *')]
  .filter((element) => !element.closest('.skip, .sr, pre, .preview, .title, dialog:not([open])'))
  .filter((element) => element.checkVisibility())
  .filter((element) => {
    const { left, right, width } = element.getBoundingClientRect();
    return width > 1 && (left < -1 || right > document.documentElement.clientWidth + 1);
  })
  .map((element) => element.outerHTML.slice(0, 120))
"""


def test_services_and_methods_are_listed_with_their_comments(console: Page) -> None:
    assert console.locator("nav h2").all_inner_texts() == ["calculator", "addressbook"]
    expect(console.get_by_role("main")).to_contain_text("Calculates with whole numbers.")
    main = open_method(console, "calculator", "divide")
    expect(main).to_contain_text("Divides with a remainder")
    expect(main.locator(".signature")).to_contain_text("dividend :Int32")
    expect(console.get_by_role("img", name="calculator is up")).to_be_visible()


def test_what_other_programs_need_is_a_link_away(console: Page) -> None:
    main = console.get_by_role("main")
    links = [
        main.get_by_role("link", name=name).first.get_attribute("href")
        for name in ("OpenAPI document", "OpenRPC document", "schema", "TypeScript types")
    ]
    assert links == ["/openapi.json", "/openrpc.json", "/schema/calculator", "/types/calculator.d.ts"]
    answers = [console.request.get(urljoin(console.url, link or "")) for link in links]
    assert [answer.status for answer in answers] == [200] * len(links)


def test_a_method_is_found_called_and_its_answer_shown(console: Page) -> None:
    console.keyboard.press("/")
    console.keyboard.type("divide")
    expect(console.get_by_role("listbox").get_by_role("option").first).to_contain_text("divide")
    console.keyboard.press("Enter")
    main = console.get_by_role("main")
    expect(main.get_by_role("heading", name="divide", exact=True)).to_be_visible()
    field(main, "dividend").fill("7")
    field(main, "divisor").fill("2")
    field(main, "divisor").press("Enter")
    expect(answer(main)).to_have_text('{\n  "quotient": 3,\n  "remainder": 1\n}')
    expect(entry(main)).to_contain_text("calculator.divide(7, 2)")
    expect(console.locator("#announcements")).to_contain_text("answered in")


def test_words_of_comments_and_types_are_found(console: Page) -> None:
    search = console.get_by_role("combobox", name="Search")
    search.fill("running total")
    found = console.get_by_role("listbox").get_by_role("option")
    expect(found.first).to_contain_text("Calculator.Accumulator")
    found.first.click()
    schema = console.get_by_role("complementary")
    expect(schema.get_by_role("heading", name="interface Calculator.Accumulator")).to_be_visible()
    search.fill("nothing is called so")
    expect(console.get_by_role("listbox")).to_contain_text("Nothing of that name")


def test_a_form_with_a_list_in_a_struct_is_filled_and_in_step_with_its_json(console: Page) -> None:
    main = open_method(console, "addressbook", "add")
    field(main, "name").fill("Nested <b>Bobby</b>")
    main.get_by_role("button", name="Add to tags").click()
    expect(field(main, "tags 1")).to_be_focused()
    field(main, "tags 1").fill("x")
    main.get_by_role("button", name="Add to tags").click()
    field(main, "tags 2").fill("y")
    main.get_by_role("button", name="Move up tags 2").click()
    expect(main.get_by_role("button", name="Move down tags 1")).to_be_focused()
    main.get_by_label("JSON", exact=True).check()
    text = field(main, "Parameters")
    assert json.loads(text.input_value()) == {"person": {"name": "Nested <b>Bobby</b>", "tags": ["y", "x"]}}
    text.fill('{"person": {"name": "Nested", "tags": ["z"], "phonenumber": "5"}}')
    expect(main).to_contain_text('$.person.phonenumber: unknown member; did you mean "phoneNumber"?')
    text.fill('{"person": {"name": "Nested",}}')
    expect(main).to_contain_text("line 1, column")
    text.fill('{"person": {"name": "Nested", "tags": ["z", "w"]}}')
    main.get_by_label("Form", exact=True).check()
    expect(field(main, "tags 2")).to_have_value("w")
    main.get_by_role("button", name="Remove tags 1").click()
    # An input makes a blank of a line's end.
    field(main, "email").fill("one")
    console.keyboard.press("Shift+Enter")
    console.keyboard.type("two")
    expect(field(main, "email")).to_have_value("one\ntwo")
    console.keyboard.press("Control+Enter")
    expect(answer(main)).to_contain_text(r'"email": "one\ntwo"')
    expect(answer(main)).to_contain_text('"tags": ["w"]')
    delete_person(console, main, 'add({…}).person.updater')


def delete_person(console: Page, main: Locator, label: str) -> None:
    """Press the chip in the newest answer, and call what deletes."""
    answer(main).get_by_role("button").click()
    console.locator("nav .object", has_text="updater").first.get_by_role("link", name="delete").click()
    expect(main.get_by_role("heading", name="delete", exact=True)).to_be_visible()
    expect(main.locator(".eyebrow")).to_contain_text("updater")
    call(main)
    expect(entry(main)).to_contain_text("answered")


def test_an_error_is_shown_at_its_field_and_stays_beside_no_new_answer(console: Page) -> None:
    main = open_method(console, "addressbook", "find")
    field(main, "name").fill("Nobody")
    call(main)
    expect(entry(main)).to_contain_text("not_found")
    expect(entry(main).locator(".error")).to_contain_text("Nobody")
    main = open_method(console, "calculator", "add")
    field(main, "second").fill("3000000000")
    expect(field(main, "second")).to_have_attribute("aria-invalid", "true")
    expect(main.locator(".complaint", has_text="out of range for Int32")).to_be_visible()
    field(main, "second").fill("1x")
    main.get_by_role("button", name="Call", exact=True).click()
    expect(field(main, "second")).to_be_focused()
    expect(main.locator(".complaint", has_text="expected Int32")).to_be_visible()
    field(main, "second").fill("2")
    call(main)
    expect(answer(main)).to_have_text("2")
    expect(field(main, "second")).not_to_have_attribute("aria-invalid", "true")


def test_what_the_gateway_refuses_is_said_at_the_very_field(console: Page) -> None:
    # What the page knows is checked before; a handle that is none is the gateway's to refuse.
    params = {"values": [1], "transform": {"$handle": "nothing"}}
    console.goto(f"{console.url.split('#')[0]}#calculator.map?{quote(json.dumps(params))}")
    main = console.get_by_role("main")
    expect(main.get_by_role("heading", name="map", exact=True)).to_be_visible()
    expect(field(main, "values 1")).to_have_value("1")
    call(main)
    expect(entry(main).locator("dd").first).to_have_text("$.transform")
    expect(field(main, "transform")).to_have_attribute("aria-invalid", "true")


def test_a_returned_object_is_named_by_where_it_came_from_and_released(console: Page) -> None:
    main = open_method(console, "calculator", "accumulator")
    field(main, "start").fill("10")
    call(main)
    answer(main).get_by_role("button", name='accumulator("10")').click()
    item = console.locator("nav .object")
    item.get_by_role("link", name="add").click()
    field(main, "value").fill("5")
    call(main)
    expect(answer(main)).to_have_text('"15"')
    item.get_by_role("button", name="Release accumulator").click()
    expect(console.locator("nav .object")).to_have_count(0)
    expect(main.locator(".entry").first).to_contain_text('released accumulator("10")')


def test_many_objects_are_given_back_at_once(console: Page) -> None:
    main = open_method(console, "addressbook", "list")
    call(main)
    expect(answer(main).get_by_role("button", name="list()[0].updater", exact=True)).to_be_visible()
    console.get_by_role("button", name="Release all").click()
    expect(console.locator("nav .object")).to_have_count(0)
    # What is no more looks so to whoever reaches for it.
    chip = answer(main).get_by_role("button", name="list()[0].updater", exact=True)
    chip.click()
    expect(chip).to_be_disabled()


def test_a_callback_asks_and_is_answered_in_a_form(console: Page) -> None:
    main = open_method(console, "calculator", "map")
    main.get_by_role("button", name="Add to values").click()
    field(main, "values 1").fill("4")
    call(main)
    ask = main.locator(".ask")
    expect(ask).to_contain_text("map.transform.apply asks")
    expect(ask).to_contain_text('"value": 4')
    expect(ask).to_contain_text("s left")
    ask.get_by_label("result").fill("16")
    ask.get_by_role("button", name="Answer").click()
    expect(answer(main)).to_have_text("[16]")
    expect(ask).to_have_count(0)
    expect(main.locator(".entry.callback").first).to_contain_text("map.transform.apply(4)")


def test_a_callback_answers_by_a_rule_and_fails_by_one(console: Page) -> None:
    main = open_method(console, "calculator", "map")
    main.get_by_role("button", name="Add to values").click()
    field(main, "values 1").fill("1")
    main.get_by_label("apply", exact=True).select_option("always answer this")
    main.get_by_label("apply answers").fill('{"result": 5}')
    call(main)
    expect(answer(main)).to_have_text("[5]")
    main.get_by_label("apply", exact=True).select_option("fail with these words")
    main.get_by_label("Words of apply").fill("not today")
    call(main)
    expect(entry(main).locator(".error")).to_contain_text("not today")


def test_a_change_from_another_session_arrives(console: Page, gateway_url: str) -> None:
    main = open_method(console, "addressbook", "watch")
    call(main)
    expect(answer(main).get_by_role("button", name="watch(callback)")).to_be_visible()
    person = {"person": {"name": "<i>Elsewhere</i>"}}
    added = console.request.post(f"{gateway_url}/api/addressbook/add", data=person)
    assert added.status == 200
    told = main.locator(".entry.callback").first
    expect(told).to_contain_text("watch.listener.changed({…}, \"added\")")
    told.locator("summary").first.click()
    expect(told.locator("pre").first).to_contain_text('"name": "<i>Elsewhere</i>"')
    assert console.locator(".entries i").count() == 0
    # The person in the entry is as live as one in an answer.
    told.get_by_role("button", name="updater").click()
    console.locator("nav .object[data-object]").first.get_by_role("link", name="delete").click()
    call(main)
    expect(main.locator(".entry.callback").first).to_contain_text('"deleted"')
    expect(console.locator("nav .callbacks")).to_contain_text("watch.listener called 2 times")


def test_a_cut_loses_nothing(console: Page) -> None:
    main = open_method(console, "calculator", "accumulator")
    call(main)
    answer(main).get_by_role("button").click()
    console.locator("nav .object").get_by_role("link", name="add").click()
    field(main, "value").fill("5")
    console.get_by_role("button", name="Cut").click()
    expect(console.locator("#state")).to_have_text("reconnecting")
    call(main)
    expect(entry(main)).to_contain_text("under way")
    expect(answer(main)).to_have_text('"5"')
    expect(main.locator(".entries")).to_contain_text("the stream goes on, nothing was lost")
    expect(console.locator("#state")).to_have_text("open")


def test_objects_stay_while_the_network_is_away(window: Page, gateway_url: str) -> None:
    network = Network(urlsplit(gateway_url).port or 0)
    try:
        forget(window, f"http://127.0.0.1:{network.port}")
        opened(window, f"http://127.0.0.1:{network.port}")
        state = window.locator("#state")
        main = open_method(window, "calculator", "accumulator")
        call(main)
        answer(main).get_by_role("button").click()
        network.switch(False)
        expect(state).to_have_text("reconnecting")
        network.switch(True)
        expect(state).to_have_text("open")
        window.locator("nav .object").get_by_role("link", name="add").click()
        field(main, "value").fill("5")
        call(main)
        expect(answer(main)).to_have_text('"5"')
    finally:
        network.stop()


def test_a_reload_brings_everything_back(console: Page) -> None:
    main = open_method(console, "addressbook", "watch")
    call(main)
    expect(answer(main)).to_be_visible()
    open_method(console, "calculator", "accumulator")
    field(main, "start").fill("9007199254740993")
    call(main)
    expect(answer(main)).to_be_visible()
    field(main, "start").fill("12")
    console.reload()
    expect(console.locator("#state")).to_have_text("open")
    expect(main.get_by_role("heading", name="accumulator", exact=True)).to_be_visible()
    expect(field(main, "start")).to_have_value("12")
    expect(main.locator(".entries")).to_contain_text('calculator.accumulator("9007199254740993")')
    expect(main.locator(".entries")).to_contain_text("the stream goes on, nothing was lost")
    # The object lives on, and so does the callback.
    item = console.locator("nav .object", has_text="accumulator")
    item.locator("summary").click()
    item.get_by_role("link", name="value").click()
    call(main)
    expect(answer(main)).to_have_text('"9007199254740993"')
    added = console.request.post(f"{console.url.split('#')[0]}api/addressbook/add", data={"person": {"name": "Back"}})
    assert added.status == 200
    expect(main.locator(".entry.callback").first).to_contain_text("watch.listener.changed")
    assert console.request.delete(f"{console.url.split('#')[0]}api/session").status in (204, 404)


def test_the_timeline_is_filtered_and_shows_what_was_sent(console: Page) -> None:
    main = open_method(console, "calculator", "add")
    for number in ("1", "2"):
        field(main, "first").fill(number)
        call(main)
        expect(answer(main)).to_have_text(number)
    main.get_by_role("button", name="Latencies").click()
    expect(main.get_by_role("img", name="calculator.add: 2 calls")).to_be_visible()
    sent = entry(main).locator("details.raw").first
    sent.locator("summary").click()
    message = json.loads(sent.locator("pre").inner_text())
    assert message["method"] == "calculator.add"
    assert message["params"] == {"first": 2}
    main.get_by_role("searchbox", name="Filter the timeline").fill("add(1")
    expect(main.locator(".entry")).to_have_count(1)
    main.get_by_role("searchbox", name="Filter the timeline").fill("")
    main.get_by_label("What the timeline shows").select_option("failures")
    expect(main.locator(".entry")).to_have_count(0)
    main.get_by_label("What the timeline shows").select_option("calls")
    main.locator(".entry").last.locator("summary").first.click()
    main.locator(".entry").last.get_by_role("button", name="Edit").click()
    expect(field(main, "first")).to_have_value("1")
    main.locator(".entry").last.get_by_role("button", name="Again").click()
    expect(main.locator(".entry")).to_have_count(3)
    main.get_by_role("button", name="Clear").click()
    expect(main.locator(".entry")).to_have_count(0)


def test_the_address_leads_to_a_method_with_its_values_and_back(console: Page) -> None:
    main = open_method(console, "calculator", "add")
    field(main, "first").fill("41")
    main.get_by_role("button", name="Copy link").click()
    expect(console).to_have_url(console.url.split("#")[0] + "#calculator.add?%7B%22first%22%3A41%7D")
    open_method(console, "calculator", "divide")
    console.go_back()
    expect(main.get_by_role("heading", name="add", exact=True)).to_be_visible()
    expect(field(main, "first")).to_have_value("41")
    expect(console.locator("nav a[aria-current=page]")).to_have_text("add")
    console.goto(console.url.split("#")[0] + "#nowhere.at.all")
    expect(main.get_by_role("heading", name="Nothing is here")).to_be_visible()


def test_an_unsigned_number_takes_its_default_and_says_its_range(console: Page) -> None:
    main = open_method(console, "addressbook", "list")
    expect(field(main, "limit")).to_have_attribute("placeholder", "50")
    field(main, "limit").fill("65536")
    expect(main.locator(".complaint", has_text="65536 is out of range for UInt16 (0 … 65535)")).to_be_visible()
    field(main, "limit").fill("1")
    call(main)
    expect(answer(main).get_by_role("button", name="updater")).to_have_count(1)


def test_a_deadline_and_headers_go_with_a_call(console: Page) -> None:
    main = open_method(console, "calculator", "map")
    main.get_by_role("button", name="Add to values").click()
    main.get_by_text("Deadline and headers").click()
    field(main, "Deadline in seconds").fill("0.3")
    field(main, "Request id").fill("mine-1")
    call(main)
    expect(entry(main).locator(".error")).to_contain_text("deadline_exceeded")
    sent = entry(main).locator("details.raw").first
    sent.locator("summary").click()
    assert json.loads(sent.locator("pre").inner_text())["meta"] == {"request_id": "mine-1", "timeout": 0.3}


def test_a_slow_call_is_cancelled(console: Page) -> None:
    main = open_method(console, "calculator", "map")
    main.get_by_role("button", name="Add to values").click()
    call(main)
    expect(main.locator(".ask")).to_be_visible()
    main.locator(".entry.call[open]").first.get_by_role("button", name="Cancel").click()
    expect(main.locator(".entry.call").first).to_contain_text("cancelled")
    expect(main.locator(".ask")).to_have_count(0)


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (800, "light"), (1280, "light")])
def test_the_page_fits_its_window(console: Page, width: int, scheme: str) -> None:
    console.set_viewport_size({"width": width, "height": 900})
    console.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    base = console.url.split("#")[0]
    main = console.get_by_role("main")
    for place in ("addressbook.add", "calculator.map", "addressbook.list"):
        console.goto(f"{base}#{place}")
        expect(main.get_by_role("heading", name=place.split(".")[1], exact=True)).to_be_visible()
        assert console.evaluate(OUTSIDE) == []
    call(main)
    expect(answer(main)).to_be_visible()
    for menu in ("Services", "Schema"):
        if console.get_by_role("button", name=menu, exact=True).is_visible():
            console.get_by_role("button", name=menu, exact=True).click()
    assert console.evaluate(OUTSIDE) == []


def test_the_pages_files_are_small_and_come_under_a_strict_policy(console: Page) -> None:
    answered = console.request.get(console.url.split("#")[0])
    policy = answered.headers["content-security-policy"]
    assert "unsafe" not in policy
    static = Path(__file__).resolve().parents[2] / "static"
    modules = [static / "console.js", *(static / "console").rglob("*.js")]
    assert [str(module) for module in modules if len(module.read_text("utf-8").splitlines()) > 400] == []
