"""README's way to a service of one's own, from the empty folder to the call, played as a reader types it."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import CHROMIUM, CHROMIUM_FLAGS
from tests.integration.reader import BLOCK, NAMED, ROOT, Reader

README = (ROOT / "README.md").read_text("utf-8")
SECTIONS = ("Your own service in five minutes", "Programs of other forms", "A gateway of your own")


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_a_service_of_one_s_own_works_as_readme_says_it(tmp_path: Path) -> None:
    with Reader(tmp_path, "calculator") as reader:
        for title in SECTIONS:
            reader.play(section(title))
        assert len(reader.running) == 3, "what dev runs, the service and the gateway stay up"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            window = browser.new_page()
            for port in ("8081", "8082"):
                window.goto(f"http://127.0.0.1:{reader.ports[port]}/")
                expect(window.locator("p")).to_have_text("2 + 5 = 7")
            browser.close()


def test_every_listing_of_readme_s_sections_is_saved_or_typed() -> None:
    for title in SECTIONS:
        for language, block in BLOCK.findall(section(title)):
            assert language == "shell-session" or NAMED.match(block), block


def test_the_first_service_is_as_short_as_readme_says() -> None:
    files = {NAMED.match(block)[1]: block for _, block in BLOCK.findall(section(SECTIONS[0])) if NAMED.match(block)}  # type: ignore[index]
    assert files["calculator.capnp"].count("\n") == 6
    assert files["service.py"].count("\n") == 10


def test_every_variable_that_readme_s_configuration_needs_is_set_in_readme() -> None:
    for name in re.findall(r'^password_env = "(\w+)"', README, re.MULTILINE):
        assert f"$ export {name}=" in README


def test_readme_s_own_gateway_leaves_the_demo_its_port() -> None:
    listens = re.findall(r'(?:^listen = "|--listen )([\d.:]+)', README, re.MULTILINE)
    assert listens
    assert "127.0.0.1:8080" not in listens
