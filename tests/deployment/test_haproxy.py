"""HAProxy before two gateways, by the site's own file: who goes where, and what happens when one is away."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client

from tests.deployment.programs import DEPLOY
from tests.integration.conftest import HERE, WAIT_S, Answer, Process, Start
from tests.integration.recipes import NAME, START_S, Certificate, found, free_port, make_certificate

ADDRESSES = tuple(f"127.0.0.{number}" for number in range(2, 10))
"""So many clients that both gateways have some."""
CONFIG = f"""
[gateway]
hosts = ["{NAME}"]
trusted_proxies = ["127.0.0.1"]

[gateway.auth]
required = false

[services.counting]
schema = "{HERE}/counting.capnp"
interface = "Counting"
endpoint = "{{endpoint}}"
peer = "counting"
"""


@dataclass(frozen=True)
class Site:
    """HAProxy, two gateways and a service."""

    port: int
    certificate: Certificate
    gateways: tuple[Process, Process]
    service: Process
    log: Path

    def connected(self, address: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S, source_address=(address, 0))

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate.certificate))

    def request(
        self, method: str, path: str, address: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPSConnection(NAME, self.port, timeout=WAIT_S)
        connection.sock = self.tls.wrap_socket(self.connected(address), server_hostname=NAME)
        with closing(connection):
            sent = {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            fields: dict[str, str] = {}
            for name, value in answer.getheaders():
                fields[name.lower()] = "; ".join(filter(None, (fields.get(name.lower()), value)))
            return Answer(answer.status, fields, answer.read())

    def opened(self, address: str) -> tuple[str, dict[str, str]]:
        """A new session's id, and the cookies that came with it."""
        answer = self.request("POST", "/api/session", address)
        assert answer.status == 201
        parts = (part.partition("=") for part in answer.headers["set-cookie"].split("; "))
        cookies = {name: value for name, _, value in parts if "cara_" in name}
        return answer.headers["session-id"], cookies

    def is_found(self, address: str, **headers: str) -> bool:
        """Whether the session that the headers name is where they lead."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        status = self.request("GET", "/api/session", address, headers=sent).status
        assert status in (200, 404)
        return status == 200


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    certificate = make_certificate(folder)
    with ExitStack() as stack:
        start = Start(folder, stack)
        service, endpoint = start.counting()
        running = [start.gateway(CONFIG.format(endpoint=endpoint)) for _ in range(2)]
        port = free_port()
        environment = {
            **os.environ, "SITE_BIND": f"127.0.0.1:{port}", "SITE_PEM": str(certificate.both),
            "GATEWAY_1": f"127.0.0.1:{running[0][1].port}", "GATEWAY_2": f"127.0.0.1:{running[1][1].port}",
        }  # fmt: skip
        log = folder / "haproxy.txt"
        with log.open("w") as file:
            command = [found("haproxy"), "-db", "-f", str(DEPLOY / "site" / "haproxy.cfg")]
            haproxy = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        stack.callback(haproxy.wait)
        stack.callback(haproxy.kill)
        until(lambda: answers(port), START_S)
        yield Site(port, certificate, (running[0][0], running[1][0]), service, log)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for the tests that leave it as it was."""
    with running_site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """One of which the test may end parts."""
    with running_site(tmp_path) as running:
        yield running


def until(question: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not question():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.02)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def cookie(cookies: Mapping[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def test_sessions_are_found_again(site: Site) -> None:
    sessions = {address: site.opened(address) for address in ADDRESSES}
    assert {cookies["cara_gateway"] for _, cookies in sessions.values()} == {"1", "2"}
    elsewhere = dict(zip(ADDRESSES, (*ADDRESSES[1:], ADDRESSES[0]), strict=True))
    for address, (id, cookies) in sessions.items():
        # A browser, whose address may change.
        assert site.is_found(elsewhere[address], Cookie=cookie(cookies))
        # A program that knows its session and keeps no cookies.
        assert site.is_found(elsewhere[address], Session_Id=id)
        # One that keeps only the gateway's cookie, from where it was.
        own = {name: value for name, value in cookies.items() if name != "cara_gateway"}
        assert site.is_found(address, Cookie=cookie(own))


def test_without_cookie_id_and_address_a_session_is_elsewhere(site: Site) -> None:
    """Or the other test would show nothing."""
    _, cookies = site.opened(ADDRESSES[0])
    del cookies["cara_gateway"]
    found_again = {site.is_found(address, Cookie=cookie(cookies)) for address in ADDRESSES}
    assert found_again == {True, False}


def test_an_upgrade_to_a_websocket_gives_the_cookie_and_follows_it(site: Site) -> None:
    for wanted in ("1", "2"):
        headers = {"Origin": f"https://{NAME}:{site.port}", "Cookie": f"cara_gateway={wanted}"}
        for address in ADDRESSES:
            with websockets.sync.client.connect(
                f"wss://{NAME}:{site.port}/ws", sock=site.connected(address), ssl=site.tls, additional_headers=headers
            ) as connection:
                assert connection.response is not None
                # HAProxy says again only what it had to change.
                assert "Set-Cookie" not in connection.response.headers
    with websockets.sync.client.connect(
        f"wss://{NAME}:{site.port}/ws", sock=site.connected(ADDRESSES[0]), ssl=site.tls
    ) as connection:
        assert connection.response is not None
        assert connection.response.headers["Set-Cookie"].startswith("cara_gateway=")


def test_when_a_gateway_is_gone_the_other_has_every_request_at_once(own_site: Site) -> None:
    sessions = [own_site.opened(address) for address in ADDRESSES]
    own_site.gateways[0].stop(signal.SIGKILL)
    for address, (_, cookies) in zip(ADDRESSES, sessions, strict=True):
        headers = {"Cookie": f"cara_gateway={cookies['cara_gateway']}"}
        answer = own_site.request("POST", "/api/counting/add", address, [1], headers)
        assert (answer.status, list(answer.json)) == (200, ["calls"])
    assert {own_site.request("GET", "/healthz", address).status for address in ADDRESSES} == {200}


def test_when_a_service_is_away_the_gateways_still_answer(own_site: Site) -> None:
    own_site.service.stop(signal.SIGKILL)
    until(lambda: "backend 'ready' has no server available" in own_site.log.read_text(), WAIT_S)
    assert own_site.request("GET", "/api", ADDRESSES[0]).status == 200
    assert own_site.request("POST", "/api/counting/add", ADDRESSES[1], [1]).code == "unavailable"
