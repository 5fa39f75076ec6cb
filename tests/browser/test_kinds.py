"""Every kind of type at every place where it can stand: filled into the console's form, sent, and given back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.console_page import answer, call, entry, forget, open_method, opened
from tests.integration.conftest import Start

HERE: Final = Path(__file__).resolve().parent
VECTOR: Final = json.loads((HERE.parent / "vectors" / "kinds.json").read_text("utf-8"))
KINDS: Final[dict[str, Any]] = {kind["field"]: kind for kind in VECTOR["kinds"]}
TYPES: Final[dict[str, str]] = dict(
    re.findall(r"^  (\w+) @\d+ :([\w.()]+)[^;]*;", "\n".join(VECTOR["schema"]), re.MULTILINE)
)
POINTERS: Final = ("aText", "aData", "aList", "aStruct", "aJson", "aInterface", "aAnyPointer")
UNLISTED: Final = ("aGroup", "aAnyPointer", "aAnyStruct", "aAnyList", "aDataInBase64", "aDataInHex")
"""What no list can hold: the language has no lists of them, or the annotation belongs to a field."""

NO_PARAMETERS: Final = ("aDataInBase64", "aDataInHex")
"""Their annotations belong to fields."""

CONFIG: Final = """
[services.echo]
schema = "echo.capnp"
interface = "Echo"
endpoint = "{endpoint}"
"""


def schema() -> str:
    """The schema of the vector with a method for each place: parameter, member, element, union, type parameter."""
    declared = [line for line in VECTOR["schema"] if not line.startswith("interface Kinds")]
    start = next(place for place, line in enumerate(declared) if line.startswith("struct Every"))
    members = declared[start + 1 : declared.index("}", start)]
    slots = ", ".join(f"{name} :{TYPES[name]}" for name in parameters())
    lists = [f"  {name} @{place} :List({TYPES[name]});" for place, name in enumerate(listed())]
    boxes = [f"  {name} @{place} :Box({TYPES[name]});" for place, name in enumerate(POINTERS)]
    return "\n".join([
        *declared,
        "interface Echo {",
        f"  params @0 ({slots}) -> ({slots});",
        "  every @1 (every :Every) -> (every :Every);",
        "  lists @2 (lists :Lists) -> (lists :Lists);",
        "  one @3 (one :One) -> (one :One);",
        "  boxes @4 (boxes :Boxes) -> (boxes :Boxes);",
        "  object @5 () -> (object :Listener);",
        "}",
        *["struct Lists {", *lists, "}"],
        *["struct One { union {", *members, "} }"],
        *["struct Box(T) { value @0 :T; }", "struct Boxes {", *boxes, "}"],
    ])


def parameters() -> list[str]:
    return [name for name in TYPES if name not in NO_PARAMETERS]


def listed() -> list[str]:
    return [name for name in TYPES if name not in UNLISTED]


@pytest.fixture(scope="module")
def page(window: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The console with an object of the service among its live objects."""
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "echo.capnp").write_text(schema(), "utf-8")
    with ExitStack() as stack:
        start = Start(folder, stack)
        endpoint = start.process(str(HERE / "echo_service.py"), str(folder / "echo.capnp")).line()
        _, web = start.gateway(CONFIG.format(endpoint=endpoint))
        forget(window, web.url)
        opened(window, web.url)
        main = open_method(window, "echo", "object")
        call(main)
        expect(answer(main).get_by_role("button", name="object()")).to_be_visible()
        yield window


def fill(main: Locator, path: str, draft: dict[str, Any]) -> None:
    """Do in the form what makes this draft."""
    place = main.locator(f'#call [data-path="{path}"]').first
    match draft["kind"]:
        case "list":
            for index, item in enumerate(draft["items"]):
                place.get_by_role("button", name="Add to").last.click()
                fill(main, f"{path}[{index}]", item)
        case "members":
            button = place.get_by_role("button", name="Fill in").first
            if button.is_visible():
                button.click()
            for name, member in draft["members"].items():
                fill(main, f"{path}.{name}", member)
        case "object":
            place.locator("select").first.select_option(label="object()")
        case "data":
            place.locator("select").select_option(draft["how"])
            place.locator("input").first.fill(draft["text"])
        case _:
            fill_single(place.locator("input, select, textarea, output").first, draft["text"])


def fill_single(control: Locator, text: str) -> None:
    match control.evaluate("({ localName, type }) => localName === 'input' ? type : localName"):
        case "output":
            assert text == ""
        case "checkbox":
            control.set_checked(text == "true")
        case "select":
            control.select_option(text)
        case _:
            control.fill(text)


def answered(main: Locator) -> Any:
    """The result as it came, from what the timeline says was received."""
    call(main)
    expect(entry(main)).to_contain_text("answered")
    received = entry(main).locator("details.raw", has_text="Received")
    received.locator("summary").click()
    return without_token(json.loads(received.locator("pre").inner_text())["result"])


def without_token(value: Any) -> Any:
    if isinstance(value, list):
        return [without_token(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: "the object" if name == "$handle" else without_token(item) for name, item in value.items()}


def expected(names: list[str] | tuple[str, ...]) -> dict[str, Any]:
    return {name: KINDS[name]["answered"] for name in names}


def test_every_kind_as_a_parameter(page: Page) -> None:
    main = open_method(page, "echo", "params")
    for name in parameters():
        fill(main, f"$.{name}", KINDS[name]["draft"])
    assert answered(main) == expected(parameters())


def test_every_kind_as_a_member(page: Page) -> None:
    main = open_method(page, "echo", "every")
    for name in KINDS:
        fill(main, f"$.every.{name}", KINDS[name]["draft"])
    assert answered(main) == expected(list(KINDS))


def test_every_kind_as_an_element(page: Page) -> None:
    main = open_method(page, "echo", "lists")
    for name in listed():
        fill(main, f"$.lists.{name}", {"kind": "list", "items": [KINDS[name]["draft"]] * 2})
    assert answered(main) == {name: [KINDS[name]["answered"]] * 2 for name in listed()}


@pytest.mark.parametrize("name", list(KINDS))
def test_every_kind_as_the_member_of_a_union(page: Page, name: str) -> None:
    main = open_method(page, "echo", "one")
    main.get_by_label("one is one of").select_option(name)
    fill(main, f"$.one.{name}", KINDS[name]["draft"])
    assert answered(main) == {name: KINDS[name]["answered"]}


def test_every_kind_in_the_place_of_a_type_parameter(page: Page) -> None:
    main = open_method(page, "echo", "boxes")
    for name in POINTERS:
        draft = {"kind": "members", "members": {"value": KINDS[name]["draft"]}}
        fill(main, f"$.boxes.{name}", draft)
    assert answered(main) == {name: {"value": KINDS[name]["answered"]} for name in POINTERS}


def test_an_object_is_taken_for_another_interface(page: Page) -> None:
    item = page.locator("nav .object", has_text="object()").last
    item.locator("summary").click()
    item.get_by_label("Use object() as").select_option("Echo")
    cast = page.locator("nav .object", has_text="object() as Echo")
    cast.get_by_role("link", name="one", exact=True).click()
    main = page.get_by_role("main")
    expect(main.locator(".eyebrow")).to_contain_text("object() as Echo")
    # Nobody checks before it is called what the object is.
    call(main)
    expect(entry(main).locator(".error")).to_contain_text("unimplemented")
