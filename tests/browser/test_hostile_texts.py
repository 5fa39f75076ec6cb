"""Texts that are meant to be taken for something else: markup, marks of direction, control characters, megabytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console_page import answer, call, complaints_of, entry, field, forget, open_method, opened
from tests.integration.conftest import Start

HERE: Final = Path(__file__).resolve().parent
MARKUP: Final = "<img src=x onerror=hacked=1><script>hacked=1</script></pre></details>&lt;b&gt;"
RTL: Final = "\u202e\u2066\u200fdlrow\u2067 \u05d0\u05d1\u05d2"
CONTROLS: Final = "a\x01\x07\x1b[31m\x7f\u0085\u2028\ufffe\ud7ff"
TEXTS: Final = {"markup": MARKUP, "direction": RTL, "controls": CONTROLS}
SHOWN: Final = {
    "markup": MARKUP, "direction": r'"\u202e\u2066\u200fdlrow\u2067 ', "controls": r"[31m\u007f\u0085\u2028",
}  # fmt: skip
"""Of values: what nobody sees, and what turns the order of others, stands as JSON escapes it."""

SCHEMA: Final = f"""@0xd3a7c1b5e9f24680;
using Json = import "/capnp/compat/json.capnp";
interface Hostile {{
  # {MARKUP} {RTL} [link](javascript:hacked=1) https://example.org/"onmouseover=hacked=1
  # {"long " * 200_000}

  echo @0 Text1 -> Text2;
  # {MARKUP}
  #
  #     {MARKUP}
  #
  # - {RTL}

  fail @1 (what :Text, kind :Kind) -> () $Json.name("constructor");
  # {RTL}
}}
struct Text1 {{
  # {MARKUP}

  what @0 :Text $Json.name("{MARKUP}");
  # {RTL}
}}
struct Text2 {{ what @0 :Text $Json.name("__proto__"); }}
enum Kind {{ one @0 $Json.name("{RTL}"); }}
"""
CONFIG: Final = """
[gateway]
expose_errors = true
[services.hostile]
schema = "hostile.capnp"
interface = "Hostile"
endpoint = "{endpoint}"
"""
MADE: Final = """
() => [
  globalThis.hacked,
  document.querySelectorAll('img, script:not([src]), b, [onerror], [onmouseover], a[href^=javascript]').length,
]
"""


@pytest.fixture(scope="module")
def page(window: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "hostile.capnp").write_text(SCHEMA, "utf-8")
    with ExitStack() as stack:
        start = Start(folder, stack)
        endpoint = start.process(str(HERE / "hostile_service.py"), str(folder / "hostile.capnp")).line()
        _, web = start.gateway(CONFIG.format(endpoint=endpoint))
        forget(window, web.url)
        with complaints_of(window) as complaints:
            opened(window, web.url)
            yield window
            assert window.evaluate(MADE) == [None, 0]
        assert complaints == []


def test_comments_and_names_are_text(page: Page) -> None:
    main = page.get_by_role("main")
    expect(main.locator(".doc").first).to_contain_text(MARKUP)
    expect(main.locator(".doc a")).to_have_attribute("href", "https://example.org/")
    main = open_method(page, "hostile", "echo")
    expect(main.locator(".doc pre")).to_have_text(MARKUP)
    expect(main.locator(".doc li")).to_have_text(RTL)
    expect(main.locator("label bdi").first).to_have_text(MARKUP)
    expect(page.get_by_role("complementary")).to_contain_text(RTL)
    page.locator("#search").fill("img src=x")
    expect(page.get_by_role("option").first).to_contain_text(MARKUP)
    page.keyboard.press("Escape")
    assert page.evaluate(MADE) == [None, 0]


@pytest.mark.parametrize("name", list(TEXTS))
def test_values_are_text(page: Page, name: str) -> None:
    main = open_method(page, "hostile", "echo")
    main.locator("#call .fields input").fill(TEXTS[name])
    call(main)
    shown = json.dumps({"__proto__": TEXTS[name]}, ensure_ascii=False)
    expect(answer(main)).to_contain_text('"__proto__"')
    expect(answer(main)).to_contain_text(SHOWN[name])
    expect(entry(main).locator("summary .preview")).to_contain_text(SHOWN[name][:12])
    assert json.loads(answer(main).text_content() or "") == json.loads(shown)
    assert page.evaluate(MADE) == [None, 0]


@pytest.mark.parametrize("name", list(TEXTS))
def test_words_of_errors_are_text(page: Page, name: str) -> None:
    main = open_method(page, "hostile", "constructor")
    field(main, "what").fill(TEXTS[name])
    field(main, "kind").select_option(index=1)
    call(main)
    expect(entry(main).locator(".error")).to_be_visible()
    assert TEXTS[name] in (entry(main).locator(".error p").text_content() or "")
    # What it says turns nothing that stands beside it.
    assert entry(main).locator("bdi").first.evaluate("(element) => getComputedStyle(element).unicodeBidi") == "isolate"
    assert page.evaluate(MADE) == [None, 0]


def test_a_megabyte_is_shown_piece_by_piece(page: Page) -> None:
    main = open_method(page, "hostile", "echo")
    long = "<b>" * 300_000
    main.locator("#call .fields input").evaluate(
        "(input, text) => { input.value = text; input.dispatchEvent(new Event('input')); }", long
    )
    call(main)
    more = answer(main).get_by_role("button", name="characters more")
    expect(more).to_be_visible()
    more.click()
    assert 20_000 < len(answer(main).text_content() or "") < 60_000
    main = open_method(page, "hostile", "constructor")
    field(main, "what").evaluate(
        "(input, text) => { input.value = text; input.dispatchEvent(new Event('input')); }", long
    )
    call(main)
    expect(entry(main).locator(".error")).to_be_visible()
    assert len(main.text_content() or "") < 100_000
    assert page.evaluate(MADE) == [None, 0]
