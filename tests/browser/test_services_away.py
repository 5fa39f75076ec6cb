"""The console while a service is away: it says so, calls fail at once, and it says when the service is back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console_page import answer, call, complaints_of, entry, forget, open_method, opened
from tests.integration.conftest import ROOT, Start

# The page looks every five seconds.
LOOK_MS: Final = 15_000

CONFIG: Final = """
[services.counting]
schema = "{schema}"
interface = "Counting"
endpoint = "{endpoint}"
peer = "counting"
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield Start(tmp_path, stack)


def test_a_service_goes_and_comes_back(window: Page, start: Start) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    service, _ = start.counting(endpoint)
    schema = ROOT / "tests" / "integration" / "counting.capnp"
    _, web = start.gateway(CONFIG.format(schema=schema, endpoint=endpoint))
    forget(window, web.url)
    with complaints_of(window) as complaints:
        opened(window, web.url)
        main = open_method(window, "counting", "count")
        call(main)
        expect(answer(main)).to_be_visible()
        service.end()
        expect(window.get_by_role("img", name="counting is down")).to_be_visible(timeout=LOOK_MS)
        expect(main.locator(".entries")).to_contain_text("counting is down")
        call(main)
        expect(entry(main)).to_contain_text("unavailable")
        start.counting(endpoint)
        expect(window.get_by_role("img", name="counting is up")).to_be_visible(timeout=LOOK_MS)
        call(main)
        expect(answer(main)).to_be_visible()
    assert complaints == []
