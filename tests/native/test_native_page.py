"""docs/native.md is true: its commands and its listings run against what `make demo-native` starts."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.sync_api import Page

import cara_pseud
from tests.browser.conftest import browser as browser
from tests.browser.conftest import window as window
from tests.integration.conftest import ROOT, Start
from tests.native.services import SCHEMAS, built

PAGE = (ROOT / "docs" / "native.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w[\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACE = "http://127.0.0.1:8080"
DEMO = "examples/native/demo.py"


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(PAGE) if kind == language]


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """Where the gateway of the demo listens."""
    built()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        process = Start(Path(folder), stack).process(DEMO, "--listen", "127.0.0.1:0")
        words, _, url = process.line().rpartition(" ")
        assert words == "listening on"
        assert process.line().startswith("console  ")
        _, _, command = process.line().partition("  ")
        divided = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        assert divided.stdout == answer_of("curl http")
        yield url
        assert process.stop() == 0


def answer_of(command: str) -> str:
    """What the page says that a command prints."""
    return next(text for text in blocks("shell-session") if command in text).splitlines()[-1]


def test_the_commands_print_what_the_page_says(demo: str, tmp_path: Path) -> None:
    (curl,) = re.findall(r"^\$ (curl http.*)$", PAGE, re.MULTILINE)
    first = subprocess.run(["sh", "-c", curl.replace(PLACE, demo)], capture_output=True, text=True, check=True)
    assert first.stdout == answer_of("curl http")
    (session,) = blocks("console")
    commands = "\n".join(line[2:] for line in session.splitlines() if line.startswith("$ "))
    done = subprocess.run(
        ["sh", "-c", commands.replace(PLACE, demo)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == session.splitlines()[-1]


def test_the_listings_of_pages_give_what_they_say(demo: str, window: Page) -> None:
    window.goto(f"{demo}/")
    for listing in blocks("js"):
        lines, expected = [], []
        for line in listing.splitlines():
            claim = re.fullmatch(r"(.*); // → (.*)", line)
            lines.append(f"shown.push({claim[1]});" if claim else line)
            expected += [json.loads(claim[2])] if claim else []
        script = "\n".join(lines)
        assert expected
        shown = window.evaluate(
            "async () => { const { connect } = await import('/client/index.js'); const gateway = await connect();"
            f"const shown = []; {script}\n gateway.close(); return shown; }}"
        )
        assert shown == expected


def test_the_commands_that_serve_are_those_of_the_command_line() -> None:
    (serving, bridging) = blocks("shell-session")
    for text, command in ((serving, "serve"), (bridging, "bridge")):
        (options,) = re.findall(rf"^\$ cara-gateway {command} (.*)$", text, re.MULTILINE)
        help_text = subprocess.run(
            [sys.executable, "-m", "gateway", command, "--help"],
            capture_output=True, text=True, check=True, cwd=ROOT,
        ).stdout  # fmt: skip
        assert [option for option in re.findall(r"--\w+", options) if option not in help_text] == []


def test_without_a_compiler_there_is_a_service_in_python_and_a_hint(tmp_path: Path) -> None:
    shutil.copytree(SCHEMAS, tmp_path / "examples" / "native")
    with ExitStack() as stack:
        process = Start(tmp_path, stack).process(str(tmp_path / DEMO), "--listen", "127.0.0.1:0")
        assert process.line().startswith("listening on ")
        process.line()
        _, _, command = process.line().partition("  ")
        divided = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        assert divided.stdout == answer_of("curl http")
        assert "apt-get install g++ capnproto libcapnp-dev" in process.log.read_text()
        assert process.stop() == 0


def test_the_listing_in_python_gives_what_it_says(abacus: object) -> None:
    endpoint = abacus.endpoint  # type: ignore[attr-defined]
    with TemporaryDirectory() as folder, ExitStack() as stack:
        place = f"ipc://{folder}/abacus"
        bridge = Start(Path(folder), stack).process(
            "-m", "gateway", "bridge", "--schema", str(SCHEMAS / "trials.capnp"), "--interface", "Trials",
            "--endpoint", endpoint, "--bind", place,
        )  # fmt: skip
        assert bridge.line() == f"listening on {place}"
        loaded = cara_pseud.load(SCHEMAS / "abacus.capnp")
        (listing,) = blocks("python")
        assign, shown = listing.replace("ipc:///run/abacus", place).splitlines()
        statement, _, claim = shown.partition("  # → ")
        names = {"cara_pseud": cara_pseud, "loaded": loaded}
        exec(assign, names)
        try:
            assert repr(eval(statement, names)) == claim
        finally:
            with contextlib.suppress(RuntimeError):
                cara_pseud.release(names["abacus"])
