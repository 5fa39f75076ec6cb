"""The recipes of docs/deploy.md: nginx, HAProxy and Caddy before a gateway, with TLS and below a prefix."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, CHROMIUM_FLAGS
from tests.integration.conftest import HERE, ROOT, WAIT_S, Answer, Socket, Start
from tests.integration.recipes import NAME, PREFIX, Certificate, Proxy, changed, make_certificate, recipe
from tests.integration.test_events import Listener

CALLS = os.environ.get("CUTS_CALLS", "1500")
"""Over a connection that breaks; `CUTS_CALLS=20000` for as many as the client's own test makes."""
SERVICE = f"""
[services.counting]
schema = "{HERE}/counting.capnp"
interface = "Counting"
endpoint = "{{endpoint}}"
peer = "counting"
"""
CLIENT = "127.0.0.2"
"""Where the tests come from, which no proxy does."""
ADD = f"{PREFIX}/api/counting/add"
FORGED = {
    "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Prefix": "/evil", "Forwarded": "for=198.51.100.7;host=evil.example;proto=http",
}  # fmt: skip


class Site:
    """A gateway behind a proxy, as the proxy's clients see it."""

    def __init__(self, port: int, certificate: Certificate, log: Path) -> None:
        self.port = port
        self.url = f"https://{NAME}:{port}{PREFIX}/"
        self.certificate = certificate
        self._tls = ssl.create_default_context(cafile=str(certificate.certificate))
        self._log = log

    def _connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(CLIENT, 0))

    def connection(self) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(NAME, self.port, timeout=20)
        connection.sock = self._tls.wrap_socket(self._connected(), server_hostname=NAME)
        return connection

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        with closing(self.connection()) as connection:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def socket(self, headers: Mapping[str, str]) -> websockets.sync.client.ClientConnection:
        return websockets.sync.client.connect(
            f"wss://{NAME}:{self.port}{PREFIX}/ws", sock=self._connected(), ssl=self._tls, additional_headers=headers
        )

    def logged(self, request_id: str) -> dict[str, Any]:
        """The log's line of a request, which comes a moment after its answer."""
        until = time.monotonic() + WAIT_S
        while True:
            for line in self._log.read_text().splitlines():
                if f'"{request_id}"' in line:
                    found: dict[str, Any] = json.loads(line)
                    return found
            assert time.monotonic() < until, f"{request_id} is not in the log"
            time.sleep(0.01)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module", params=["nginx", "haproxy", "caddy"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[Site]:
    """A service that counts, the gateway of the page's own configuration, and one of the proxies."""
    with ExitStack() as stack:
        start = Start(tmp_path_factory.mktemp("site"), stack)
        _, endpoint = start.counting()
        gateway, web = start.gateway(f"{recipe('gateway.toml')}\n{SERVICE.format(endpoint=endpoint)}")
        at_port = {"127.0.0.1:8080": f"127.0.0.1:{web.port}"}
        proxy = Proxy(request.param, start.folder / "proxy", at_port, certificate)
        stack.callback(proxy.stop)
        yield Site(proxy.port, certificate, gateway.log)


# Only the first test has a service that nobody has called.
def test_calls_over_connections_that_break_run_once(site: Site) -> None:
    run = subprocess.run(
        ["node", "--test", "--test-reporter=spec", "cuts.test.js"],
        cwd=ROOT / "tests" / "js",
        env={
            **os.environ, "PYTHON": sys.executable, "CUTS_URL": site.url, "CUTS_CALLS": CALLS,
            "NODE_EXTRA_CA_CERTS": str(site.certificate.certificate),
        },
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout


def test_rest_works_and_the_log_has_the_client_whatever_it_claims(site: Site) -> None:
    for number, headers in enumerate(({}, FORGED)):
        id = f"rest-{number}"
        answer = site.request("POST", ADD, [1], {"X-Request-Id": id, **headers})
        assert (answer.status, list(answer.json)) == (200, ["calls"])
        line = site.logged(id)
        assert (line["remote"], line["path"]) == (CLIENT, "/api/counting/add")


def test_a_cookie_is_secure_and_belongs_to_the_prefix(site: Site) -> None:
    for headers in ({}, FORGED):
        opened = site.request("POST", f"{PREFIX}/api/session", None, headers)
        cookie, *attributes = opened.headers["set-cookie"].split("; ")
        assert set(attributes) == {"HttpOnly", f"Path={PREFIX}", "SameSite=Strict", "Secure"}
        assert site.request("GET", f"{PREFIX}/api/session", None, {"Cookie": cookie}).status == 200


def test_the_servers_of_the_documents_are_right(site: Site) -> None:
    document = site.request("GET", f"{PREFIX}/openapi.json").json
    (server,) = document["servers"]
    answer = site.request("POST", server["url"].rstrip("/") + "/api/counting/add", [1])
    assert answer.status == 200
    described = site.request("GET", f"{PREFIX}/openrpc.json").json
    addresses = {server["name"]: server["url"] for server in described["servers"]}
    assert addresses["WebSocket"] == f"{PREFIX}/ws"
    request = {"jsonrpc": "2.0", "id": 1, "method": "counting.add", "params": [1]}
    assert "calls" in site.request("POST", addresses["HTTP"], request).json["result"]


def test_the_prefix_without_its_slash_leads_to_the_console(site: Site) -> None:
    moved = site.request("GET", PREFIX)
    assert moved.status in (301, 308)
    assert re.fullmatch(rf"(https://{NAME}(:\d+)?)?{PREFIX}/", moved.headers["location"])
    assert b"<title>" in site.request("GET", f"{PREFIX}/").data


def test_pages_of_others_stay_out(site: Site) -> None:
    own, evil = f"https://{NAME}:{site.port}", "https://evil.example"
    assert site.request("POST", ADD, [1], {"Origin": own}).status == 200
    for number, headers in enumerate(({"Origin": evil}, {**FORGED, "Origin": evil})):
        id = f"origin-{number}"
        refused = site.request("POST", ADD, [1], {"X-Request-Id": id, **headers})
        assert (refused.status, refused.code) == (403, "permission_denied")
        assert site.logged(id)["origin"] == evil
    with pytest.raises(websockets.exceptions.InvalidStatus, match="403"), site.socket({"Origin": evil}):
        pass


def test_a_socket_says_hello_and_calls(site: Site) -> None:
    with site.socket({"Origin": f"https://{NAME}:{site.port}"}) as connection:
        client = Socket(connection)
        hello = client.result("rpc.hello", {"protocol": 1})
        assert hello["protocol"] == 1
        assert client.result("counting.big", {"size": 500_000}, id=2)["text"] == "x" * 500_000


def test_events_come_when_they_happen(site: Site) -> None:
    session = {"Session-Id": site.request("POST", f"{PREFIX}/api/session").headers["session-id"]}
    with closing(site.connection()) as connection:
        connection.request("GET", f"{PREFIX}/api/events", headers=session)
        listener = Listener(connection.getresponse())
        assert listener.headers["Content-Type"] == "text/event-stream"
        callback = {"adder": {"$callback": "adder"}}
        assert site.request("POST", f"{PREFIX}/api/counting/listen", callback, session).status == 200
        for number in (5, 6):
            site.request("POST", ADD, [number])
            _, message = listener.next()
            assert message["params"] == [number]
            answered = site.request("POST", f"{PREFIX}/api/callbacks/{message['id']}", {}, session)
            assert answered.status == 204
    assert site.request("DELETE", f"{PREFIX}/api/session", None, session).status == 204


def test_large_bodies_pass_and_too_large_ones_are_refused_by_the_gateway(site: Site) -> None:
    large = json.dumps({"value": "x" * 1_000_000}).encode()
    assert len(site.request("POST", f"{PREFIX}/api/counting/anything", large).data) > 1_000_000
    refused = site.request("POST", f"{PREFIX}/api/counting/anything", b" " * 1_500_000)
    assert (refused.status, refused.code) == (413, "too_large")


SOCKET = "/run/cara-gateway/gateway.sock"
OTHERWISE = {
    "nginx": {
        "server 127.0.0.1:8080;": "", f"# server unix:{SOCKET};": "server unix:{path};",
        "proxy_pass http://cara_gateway;": "proxy_pass http://cara_gateway/;",
    },
    "haproxy": {
        "server gateway 127.0.0.1:8080": "http-request replace-path /gw(/.*) \\1",
        f"# server gateway unix@{SOCKET}": "server gateway unix@{path}",
    },
    "caddy": {"127.0.0.1:8080": "unix/{path}"},
}  # fmt: skip
"""The same recipes with what the page says of unix sockets, and of taking the prefix away."""


def test_the_gateway_may_be_at_a_unix_socket_and_the_prefix_taken_away(
    tmp_path: Path, start: Start, certificate: Certificate
) -> None:
    _, endpoint = start.counting()
    path = tmp_path / "gateway.sock"
    config = changed(recipe("gateway.toml"), {'"127.0.0.1:8080"': f'"unix:{path}"', '"127.0.0.1", "::1"': '"unix:"'})
    (tmp_path / "gateway.toml").write_text(f"{config}\n{SERVICE.format(endpoint=endpoint)}")
    gateway = start.process("-m", "gateway", "serve", "--config", str(tmp_path / "gateway.toml"))
    gateway.line()
    for name, changes in OTHERWISE.items():
        at_socket = {old: new.format(path=path) for old, new in changes.items()}
        proxy = Proxy(name, tmp_path / name, at_socket, certificate)
        site = Site(proxy.port, certificate, gateway.log)
        try:
            opened = site.request("POST", f"{PREFIX}/api/session", None, {"X-Request-Id": name, **FORGED})
            assert opened.status == 201
            assert {"Secure", f"Path={PREFIX}"} <= set(opened.headers["set-cookie"].split("; "))
            with site.socket({"Origin": f"https://{NAME}:{proxy.port}"}) as connection:
                assert "calls" in Socket(connection).result("counting.add", [1])
            assert site.logged(name)["remote"] == CLIENT
        finally:
            proxy.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    flags = [flag for flag in CHROMIUM_FLAGS if not flag.startswith("--host-resolver-rules")]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*flags, f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
        )
        yield running
        running.close()


def test_the_console_works_in_a_browser(site: Site, browser: Browser) -> None:
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(site.url.rstrip("/"))
    expect(page.locator("#state")).to_have_text("open")
    expect(page.locator("main a").first).to_be_visible()
    links = page.locator("main a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert links[:2] == [f"{PREFIX}/openapi.json", f"{PREFIX}/openrpc.json"]
    page.locator('nav a[href="#counting.add"]').click()
    page.locator("main").get_by_role("button", name="Call", exact=True).click()
    expect(page.locator("main .answer pre").first).to_have_text(re.compile(r"^\d+$"))
    page.locator("main").get_by_role("button", name="curl", exact=True).first.click()
    expect(page.locator(".snippet pre")).to_contain_text(f"curl -X POST '{site.url}api/counting/add'")
    calls = """async (client) => {
      const { connect } = await import(client);
      const gateway = await connect();
      const { calls } = await gateway.service('counting').sum();
      gateway.close();
      return typeof calls;
    }"""
    assert page.evaluate(calls, f"{PREFIX}/client/index.js") == "number"
    assert complaints == []
    context.close()
