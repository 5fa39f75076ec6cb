"""A newcomer's way: README's, from the empty folder to a gateway of one's own, the tutorial's, and each example's.

All of it is played as a reader types it, with the answers as they are printed, and a browser looks at the pages.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, CHROMIUM_FLAGS
from tests.integration.reader import BLOCK, NAMED, ROOT, Reader, free_port

README = (ROOT / "README.md").read_text("utf-8")
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
TOLD = (ROOT / "examples" / "README.md").read_text("utf-8")
SECTIONS = ("Your own service in five minutes", "Programs of other forms", "A gateway of your own")
EXAMPLES = ROOT / "examples"
MODULES = ROOT / "tests" / "js" / "node_modules"


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def example(name: str) -> str:
    return TOLD.partition(f"\n## {name}: ")[2].partition("\n## ")[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield running
        running.close()


def test_a_service_of_one_s_own_works_as_readme_says_it(tmp_path: Path, browser: Browser) -> None:
    with Reader(tmp_path, "calculator") as reader:
        for title in SECTIONS:
            reader.play(section(title))
        assert len(reader.running) == 3, "what dev runs, the service and the gateway stay up"
        window = browser.new_page()
        for port in ("8081", "8082"):
            window.goto(f"http://127.0.0.1:{reader.ports[port]}/")
            expect(window.locator("p")).to_have_text("2 + 5 = 7")
        window.close()


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


def test_the_tutorial_works_as_it_stands(tmp_path: Path, browser: Browser) -> None:
    with Reader(tmp_path, "poll") as reader:
        reader.play(TUTORIAL)
        ann, bob = (_voting_at(browser.new_page(), f"http://127.0.0.1:{reader.ports['8083']}/") for _ in range(2))
        ann.get_by_role("button", name="tea: 0").click()
        expect(bob.get_by_role("button", name="tea: 1")).to_be_visible()
        ann.get_by_role("button", name="Withdraw").click()
        for page in (ann, bob):
            expect(page.get_by_role("button", name="tea: 0")).to_be_visible()
        ann.close()
        bob.close()


def _voting_at(page: Page, url: str) -> Page:
    page.goto(url)
    expect(page.get_by_role("button", name="tea: 0")).to_be_visible()
    return page


def test_every_example_has_its_section() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()} - {"deploy", "native"}
    assert set(re.findall(r"^## (\w+): ", TOLD, re.MULTILINE)) == folders


def test_jobs(tmp_path: Path) -> None:
    with Reader(tmp_path, "jobs", {"CARA_ENDPOINT": "tcp://127.0.0.1:5555"}) as reader:
        reader.play(example("jobs"))


def test_chat(tmp_path: Path, browser: Browser) -> None:
    with Reader(tmp_path, "chat") as reader:
        reader.play(example("chat"))
        url = f"http://127.0.0.1:{reader.ports['8085']}/"
        ann, bob = _entered(browser, url, "Ann"), _entered(browser, url, "Bob")
        ann.get_by_label("Say").fill("hello, <b>all</b>")
        ann.keyboard.press("Enter")
        for page in (ann, bob):
            expect(page.get_by_role("listitem")).to_have_text("Annhello, <b>all</b>")
        another = browser.new_page()
        another.goto(url)
        another.get_by_label("Your name").fill("Bob")
        another.keyboard.press("Enter")
        expect(another.get_by_role("status")).to_contain_text("there is somebody with the name")
        bob.close()
        another.get_by_label("Your name").fill("Cy")
        another.keyboard.press("Enter")
        expect(another.get_by_role("listitem")).to_have_text("Annhello, <b>all</b>")
        another.close()
        ann.close()


def _entered(browser: Browser, url: str, name: str) -> Page:
    page = browser.new_page()
    page.goto(url)
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Say")).to_be_visible()
    return page


def test_events(tmp_path: Path) -> None:
    with Reader(tmp_path, "events") as reader:
        reader.play(example("events"))
        url = f"http://127.0.0.1:{reader.ports['8086']}"
        with subprocess.Popen(
            [str(EXAMPLES / "events" / "watch.sh"), url, "2"], stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as watching:
            try:
                assert watching.stdout is not None
                assert watching.stdout.readline() == "watching\n"
                for name in ("Zoe", "Yves"):
                    data = json.dumps({"name": name}).encode()
                    asked = urllib.request.Request(f"{url}/people", data, {"Content-Type": "application/json"})
                    urllib.request.urlopen(asked, timeout=20).close()
                    assert watching.stdout.readline() == f"{name} was added\n"
                assert watching.wait(20) == 0
            finally:
                with_all_of_it(watching)


def with_all_of_it(process: subprocess.Popen[str]) -> None:
    """End a process and those that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def served(folder: Path, gateway: str) -> Iterator[str]:
    """What `npm run dev` serves in a folder, in front of a gateway."""
    port = free_port()
    with subprocess.Popen(
        ["node", str(MODULES / "vite" / "bin" / "vite.js"), "--port", port, "--strictPort", "--host", "127.0.0.1"],
        cwd=folder, env={**os.environ, "GATEWAY": gateway}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as vite:  # fmt: skip
        try:
            assert vite.stdout is not None
            said = []
            for line in vite.stdout:
                said.append(line)
                if "127.0.0.1" in line:
                    break
            else:
                raise AssertionError("".join(said))
            yield f"http://127.0.0.1:{port}/"
        finally:
            with_all_of_it(vite)


DEV = """```shell-session
$ source .venv/bin/activate
$ cara-gateway dev {folder}/counter.capnp {folder}/service.py --pages {folder}/dist --listen 127.0.0.1:8087
listening on http://127.0.0.1:8087
the console: http://127.0.0.1:8087/console/
^C
```
"""


def test_vite(tmp_path: Path, browser: Browser) -> None:
    folder = tmp_path / "vite"
    shutil.copytree(EXAMPLES / "vite", folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder / "node_modules").mkdir()
    for module in MODULES.iterdir():
        (folder / "node_modules" / module.name).symlink_to(module)
    # As `npm install` does for the `file:` that package.json says.
    (folder / "node_modules" / "cara-gateway-client").symlink_to(ROOT / "static" / "client")
    program = re.search(r'"types": "(.+?) >', (folder / "package.json").read_text())
    assert program is not None
    types = subprocess.run(
        program[1], shell=True, cwd=folder, capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"},
    )  # fmt: skip
    assert types.stdout == (folder / "src" / "services.d.ts").read_text()
    for command in ("typescript/bin/tsc", "vite/bin/vite.js build"):
        script, *arguments = command.split()
        subprocess.run(
            ["node", str(MODULES / script), *arguments], cwd=folder, check=True, capture_output=True, timeout=120
        )
    with Reader(tmp_path, "vite") as reader:
        reader.play(DEV.format(folder=folder))
        gateway = f"http://127.0.0.1:{reader.ports['8087']}"
        built = browser.new_page()
        built.goto(gateway)
        expect(built.get_by_role("button")).to_have_text("0")
        with served(folder, gateway) as url:
            written = browser.new_page()
            written.goto(url)
            written.get_by_role("button", name="0").click()
            expect(written.get_by_role("button")).to_have_text("1")
            expect(built.get_by_role("button")).to_have_text("1")
            written.close()
        built.close()
