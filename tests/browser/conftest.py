"""A gateway with its example services, and a browser, for all tests here."""

from __future__ import annotations

import http.server
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT_S = 30
# A name of somebody else that leads to this machine: what DNS rebinding makes of an attacker's name.
FOREIGN_HOST = "evil.test"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--js-flags=--expose-gc",
    # A page that a test makes up would count as one of the internet, which must not reach this machine.
    "--disable-features=LocalNetworkAccessChecks",
    f"--host-resolver-rules=MAP {FOREIGN_HOST} 127.0.0.1",
]


@pytest.fixture(scope="session")
def gateway_url() -> Iterator[str]:
    """The address of `cara-gateway demo`, which runs for the whole test run."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", "--listen", "127.0.0.1:0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first_line: queue.Queue[str] = queue.Queue()
    errors: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    readers = [
        threading.Thread(target=_read_out, args=(process.stdout, first_line)),
        threading.Thread(target=errors.extend, args=(process.stderr,)),
    ]
    for reader in readers:
        reader.start()
    try:
        line = first_line.get(timeout=START_TIMEOUT_S)
        assert line.startswith("listening on http://"), f"{line!r}\n{''.join(errors)}"
        yield line.removeprefix("listening on ").strip()
    finally:
        process.terminate()
        process.wait(timeout=START_TIMEOUT_S)
        for reader in readers:
            reader.join()
        process.stdout.close()
        process.stderr.close()


def _read_out(stream: Iterator[str], first_line: queue.Queue[str]) -> None:
    first_line.put(next(stream, ""))
    for _ in stream:
        pass


class _Pages(http.server.BaseHTTPRequestHandler):
    """An empty page at every path."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>somebody else's page</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def foreign_host() -> str:
    return FOREIGN_HOST


@pytest.fixture(scope="session")
def other_port() -> Iterator[int]:
    """The port of a web server that is not the gateway."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


# Not for the whole run: while Playwright's synchronous interface is in use a loop runs in this thread, and tests that
# come after these have loops of their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Other tests may have the machine; what never comes is found a little later.
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    """One page for all tests, since opening one takes as long as a test; each test loads anew what it needs."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()
