"""What the console copies for other programs: each is run, and gives what the page shows. And what it never stores."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from gateway.config.key_file import KeyEntry, digest_of, key_of
from tests.browser.console_page import answer, call, entry, field, forget, open_method
from tests.integration.conftest import ROOT, Start, Web

# Everything that a shell, JSON and a program would trip over.
PIN: Final = 'a "pin" with $HOME, \\ and \'quotes\''
KEY: Final = key_of(b"alice".ljust(32, b"-"))
CONFIG: Final = """
[gateway.auth]
keys = "keys.txt"
[services.vault]
schema = "{schema}"
interface = "Vault"
endpoint = "{endpoint}"
security = "plain"
user_id = "gateway"
password = "between services"
[services.counting]
schema = "{counting_schema}"
interface = "Counting"
endpoint = "{counting}"
peer = "counting"
"""
IN_BROWSER: Final = """
async ([text, variables]) => {
  const logged = [];
  globalThis.process = { env: variables };
  const AsyncFunction = (async () => {}).constructor;
  await new AsyncFunction('console', text)({ log: (value) => logged.push(value) });
  return logged;
}
"""
STORED: Final = """
async () => {
  const kept = [{ ...localStorage }, { ...sessionStorage }];
  for (const { name } of await indexedDB.databases()) {
    const database = await new Promise((resolve) => {
      indexedDB.open(name).onsuccess = ({ target }) => resolve(target.result);
    });
    for (const store of database.objectStoreNames) {
      kept.push(await new Promise((resolve) => {
        database.transaction(store).objectStore(store).getAll().onsuccess = ({ target }) => resolve(target.result);
      }));
    }
    database.close();
  }
  return JSON.stringify(kept);
}
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("snippets")
    (folder / "keys.txt").write_text(KeyEntry("alice", frozenset({"admin"}), digest_of(KEY)).line() + "\n")
    (folder / "keys.txt").chmod(0o600)
    integration = ROOT / "tests" / "integration"
    with ExitStack() as stack:
        start = Start(folder, stack)
        endpoint = start.process(str(integration / "vault_service.py"), "between services", PIN).line()
        _, counting = start.counting()
        config = CONFIG.format(
            schema=integration / "vault.capnp",
            endpoint=endpoint,
            counting=counting,
            counting_schema=integration / "counting.capnp",
        )
        yield start.gateway(config)[1]


@pytest.fixture(scope="module")
def console(window: Page, web: Web) -> Page:
    """The console, by somebody who has logged in."""
    forget(window, web.url)
    window.goto(web.url)
    window.get_by_label("Key or token").fill(KEY)
    window.get_by_role("button", name="Log in").first.click()
    expect(window.locator("#state")).to_have_text("open")
    return window


def snippets(page: Page, *languages: str) -> dict[str, str]:
    """What stands behind each button of the newest call, or behind these."""
    made = entry(page.get_by_role("main"))
    texts = {}
    for language in languages or ("JavaScript", "Python", "curl", "CLI", "JSON-RPC"):
        made.get_by_role("button", name=language, exact=True).click()
        expect(made.locator(".snippet .hint")).to_contain_text(language)
        texts[language] = made.locator(".snippet pre").text_content() or ""
    return texts


def outcome(page: Page, web: Web, language: str, text: str, session: str | None) -> Any:
    """Run it as whoever copied it would, and read what it prints."""
    variables = {"PIN": PIN, "CARA_GATEWAY_KEY": KEY}
    if language == "JavaScript":
        return page.evaluate(IN_BROWSER, [text, variables])[0]
    if language == "JSON-RPC":
        headers = {"Authorization": f"Bearer {KEY}"} | ({} if session is None else {"Session-Id": session})
        filled = text.replace("$PIN", json.dumps(PIN)[1:-1])
        return web.post("/rpc", filled.encode(), {**headers, "Content-Type": "application/json"}).json["result"]
    if language == "Python":
        printing = text.replace("print(json.load(answer))", "print(json.dumps(json.load(answer)))")
        command = [sys.executable, "-c", printing]
    else:
        command = ["bash", "-c", f'cara-gateway() {{ "{sys.executable}" -m gateway "$@"; }}\n{text}']
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **variables}, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, f"{text}\n{done.stderr}"
    return json.loads(done.stdout)


def assert_same(page: Page, web: Web, shown: Any, name: str, session: str | None = None) -> None:
    for language, text in snippets(page).items():
        assert PIN not in text
        assert KEY not in text
        gives = outcome(page, web, language, text, session)
        # The client gives the only result itself, as the page shows it; everything else gives it by name.
        assert gives in (shown, {name: shown}), language


def test_a_call_with_a_secret_gives_what_the_page_shows(console: Page, web: Web) -> None:
    main = open_method(console, "vault", "open")
    field(main, "user").fill("it's \"Ann\" \\ $HOME `x`")
    expect(field(main, "pin")).to_have_attribute("type", "password")
    field(main, "pin").fill(PIN)
    main.get_by_text("Deadline and headers").click()
    field(main, "Deadline in seconds").fill("9.5")
    field(main, "Idempotency key").fill("key-1")
    call(main)
    expect(answer(main)).to_have_text("true")
    expect(entry(main)).not_to_contain_text("pin")
    assert_same(console, web, True, "ok")


def test_a_call_of_an_object_gives_what_the_page_shows(console: Page, web: Web) -> None:
    main = open_method(console, "counting", "object")
    call(main)
    answer(main).get_by_role("button").click()
    console.locator("nav .object").first.get_by_role("link", name="name", exact=True).click()
    call(main)
    expect(answer(main)).to_have_text('"object"')
    made = entry(main)
    made.get_by_role("button", name="curl", exact=True).click()
    text = made.locator(".snippet pre").text_content() or ""
    session = text.partition("Session-Id: ")[2].partition("'")[0]
    assert_same(console, web, "object", "name", session)


def test_a_call_with_a_callback_is_answered_by_a_python_program(console: Page) -> None:
    main = open_method(console, "vault", "watch")
    field(main, "told").select_option("at once")
    field(main, "pin").fill(PIN)
    call(main)
    expect(answer(main)).to_be_visible()
    text = snippets(console, "Python")["Python"]
    assert PIN not in text
    with subprocess.Popen(
        [sys.executable, "-u", "-c", text], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PIN": PIN, "CARA_GATEWAY_KEY": KEY},
    ) as program:  # fmt: skip
        try:
            assert program.stdout is not None
            asked, told = (ast.literal_eval(program.stdout.readline()) for _ in range(2))
        finally:
            program.kill()
    assert asked["method"].endswith(".told")
    assert asked["params"] == [PIN]
    assert told == {"jsonrpc": "2.0", "id": 1, "result": {"pin": ""}}


def test_an_answer_that_is_a_secret_is_not_shown(console: Page) -> None:
    main = open_method(console, "vault", "reveal")
    call(main)
    expect(answer(main)).to_have_text('"••••••"')
    entry(main).locator("details.raw summary").last.click()
    expect(entry(main).locator("details.raw pre").last).to_contain_text("••••••")
    assert PIN not in console.content()


def test_secrets_and_credentials_are_never_stored(console: Page, web: Web) -> None:
    main = open_method(console, "vault", "fail")
    field(main, "pin").fill(PIN)
    field(main, "how").fill("code")
    call(main)
    expect(entry(main).locator(".error")).to_contain_text("is wrong")
    assert PIN not in console.content()
    console.reload()
    expect(console.locator("#state")).to_have_text("open")
    expect(field(main, "how")).to_have_value("code")
    expect(field(main, "pin")).to_have_value("")
    # Again cannot be made without the secret, so it leads to the form.
    entry(main).locator("summary").first.click()
    entry(main).get_by_role("button", name="Again").click()
    expect(field(main, "how")).to_have_value("code")
    stored = console.evaluate(STORED)
    assert "vault.fail" in stored
    for secret in (PIN, json.dumps(PIN)[1:-1], KEY):
        assert secret not in stored
        assert json.dumps(secret)[1:-1] not in stored
