"""The console for those who do not see it or have no mouse: axe-core finds nothing on any state, keys do everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console_page import answer, call, complaints_of, entry, field, forget, open_method, opened
from tests.guarded import guarded_gateway
from tests.integration.conftest import Start

AXE: Final = Path(__file__).resolve().parents[1] / "js" / "node_modules" / "axe-core" / "axe.min.js"
RUN: Final = """
async () => {
  const { violations } = await axe.run(document, { resultTypes: ['violations'] });
  const shown = (nodes) => nodes.slice(0, 3).map(({ html }) => html.slice(0, 200));
  return violations.map(({ id, help, nodes }) => [id, help, ...shown(nodes)]);
}
"""


def violations(page: Page) -> list[Any]:
    """What axe-core finds in both colour schemes, on a desk and on a phone."""
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE.read_text("utf-8"))
    found = []
    for width, scheme in ((1280, "light"), (375, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        found += page.evaluate(RUN)
    page.set_viewport_size({"width": 1280, "height": 900})
    return found


@pytest.fixture(scope="module")
def console(window: Page, gateway_url: str) -> Iterator[Page]:
    window.set_viewport_size({"width": 1280, "height": 900})
    forget(window, gateway_url)
    with complaints_of(window) as complaints:
        yield opened(window, gateway_url)
    assert complaints == []


def show_nothing(page: Page) -> None:
    expect(page.get_by_role("main")).to_contain_text("Calculates")


def show_form(page: Page) -> None:
    main = open_method(page, "addressbook", "add")
    main.get_by_role("button", name="Add to tags").click()
    field(main, "updater").select_option("callback")
    main.get_by_text("Deadline and headers").click()


def show_json_with_a_fault(page: Page) -> None:
    main = page.get_by_role("main")
    main.get_by_label("JSON", exact=True).check()
    field(main, "Parameters").fill('{"person": {"nam": 1}}')


def show_answer_with_objects(page: Page) -> None:
    main = open_method(page, "addressbook", "list")
    call(main)
    answer(main).get_by_role("button", name="updater").first.click()
    expect(page.locator("nav .object").get_by_role("link", name="update")).to_be_visible()
    entry(main).get_by_role("button", name="Python", exact=True).click()
    main.get_by_role("button", name="Latencies").click()


def show_error(page: Page) -> None:
    main = open_method(page, "addressbook", "find")
    call(main)
    expect(entry(main).locator(".error")).to_be_visible()


def show_ask(page: Page) -> None:
    main = open_method(page, "calculator", "map")
    main.get_by_role("button", name="Add to values").click()
    call(main)
    expect(main.locator(".ask")).to_be_visible()


def show_search(page: Page) -> None:
    page.locator("#search").fill("person")
    expect(page.get_by_role("option").first).to_be_visible()


def show_keys(page: Page) -> None:
    page.locator("#search").fill("")
    page.locator("#search").blur()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def show_nowhere(page: Page) -> None:
    page.keyboard.press("Escape")
    page.goto(page.url.split("#")[0] + "#nowhere")
    expect(page.get_by_role("heading", name="Nothing is here")).to_be_visible()


def show_cut(page: Page) -> None:
    page.locator("#cut").click()
    expect(page.locator("#state")).to_have_text("reconnecting")


@pytest.mark.parametrize("show", [
    show_nothing, show_form, show_json_with_a_fault, show_answer_with_objects, show_error, show_ask, show_search,
    show_keys, show_nowhere, show_cut,
])
def test_axe_finds_nothing(console: Page, show: Callable[[Page], None]) -> None:
    show(console)
    assert violations(console) == []


def test_axe_finds_nothing_in_the_menus_of_a_phone_nor_in_the_login(
    window: Page, gateway_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    forget(window, gateway_url)
    opened(window, gateway_url)
    window.set_viewport_size({"width": 375, "height": 900})
    window.get_by_role("button", name="Services", exact=True).click()
    window.locator('nav a[href="#calculator.add"]').click()
    window.get_by_role("button", name="Schema", exact=True).click()
    expect(window.get_by_role("complementary")).to_contain_text("It takes and gives built-in types only")
    # Not pushed below everything else by the other menu or by the method.
    expect(window.get_by_role("heading", name="Schema", exact=True)).to_be_in_viewport()
    assert violations(window) == []
    with ExitStack() as stack:
        guarded = guarded_gateway(Start(tmp_path_factory.mktemp("guarded"), stack))
        window.goto(guarded.web.url)
        expect(window.get_by_role("heading", name="Log in")).to_be_visible()
        assert violations(window) == []


def tab_to(page: Page, name: str, backwards: bool = False) -> None:
    """Press Tab until what has this name has the focus."""
    named = """
    (name) => {
      const { activeElement: element } = document;
      const label = element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent;
      return element.localName !== 'pre' && label.trim().startsWith(name);
    }
    """
    for _ in range(150):
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        if page.evaluate(named, name):
            return
    pytest.fail(f"no key leads to {name}")


def test_everything_is_done_by_keys_alone(window: Page, gateway_url: str) -> None:
    page = window
    page.set_viewport_size({"width": 1280, "height": 900})
    forget(page, gateway_url)
    opened(page, gateway_url)
    main = page.get_by_role("main")
    keys = page.keyboard
    keys.press("/")
    expect(page.locator("#search")).to_be_focused()
    keys.type("transform")
    keys.press("ArrowDown")
    keys.press("ArrowUp")
    page.locator("#search").fill("map")
    expect(page.get_by_role("option").first).to_contain_text("map")
    keys.press("Enter")
    expect(main.get_by_role("heading", name="map", exact=True)).to_be_visible()
    # A list, filled and put in another order.
    keys.press("f")
    tab_to(page, "Add to values")
    keys.press("Enter")
    keys.type("3")
    tab_to(page, "Add to values")
    keys.press("Enter")
    keys.type("4")
    tab_to(page, "Move up values 2")
    keys.press("Enter")
    expect(field(main, "values 1")).to_have_value("4")
    tab_to(page, "Remove values 1")
    keys.press("Enter")
    expect(field(main, "values 1")).to_have_value("3")
    keys.press("Control+Enter")
    # The service asks, and is answered.
    expect(main.locator(".ask")).to_be_visible()
    tab_to(page, "result", backwards=True)
    keys.type("9")
    keys.press("Enter")
    expect(answer(main)).to_have_text("[9]")
    # Form and JSON.
    keys.press("Escape")
    page.locator("#main").focus()
    tab_to(page, "Form")
    keys.press("ArrowRight")
    expect(field(main, "Parameters")).to_be_visible()
    tab_to(page, "Parameters")
    # An object: its chip, its method, its release.
    page.goto(f"{gateway_url}/#calculator.accumulator")
    expect(main.get_by_role("heading", name="accumulator", exact=True)).to_be_visible()
    keys.press("Control+Enter")
    expect(answer(main)).to_be_visible()
    keys.press("t")
    tab_to(page, "accumulator()")
    keys.press("Enter")
    tab_to(page, "value")
    keys.press("Enter")
    expect(main.get_by_role("heading", name="value", exact=True)).to_be_visible()
    keys.press("Control+Enter")
    expect(answer(main)).to_have_text('"0"')
    keys.press("t")
    tab_to(page, "curl")
    keys.press("Enter")
    expect(main.locator(".snippet pre")).to_contain_text("curl")
    keys.press("g")
    tab_to(page, "Release accumulator()")
    keys.press("Enter")
    expect(page.locator("nav .object")).to_have_count(0)
    # A type, and back.
    page.goto(f"{gateway_url}/#addressbook.find")
    expect(main.get_by_role("heading", name="find", exact=True)).to_be_visible()
    keys.press("f")
    tab_to(page, "Person", backwards=True)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="struct Person")).to_be_focused()
    tab_to(page, "Person.Updater")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="interface Person.Updater")).to_be_focused()
    tab_to(page, "← Back", backwards=True)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="struct Person")).to_be_visible()
    # The connection is cut, and comes back.
    page.locator("#main").focus()
    tab_to(page, "Cut", backwards=True)
    keys.press("Enter")
    expect(page.locator("#state")).to_have_text("reconnecting")
    expect(page.locator("#state")).to_have_text("open")
