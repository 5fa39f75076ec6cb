"""The gateway speaks TLS itself: certificates that change, clients that show some, and those that speak no TLS."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket as sockets
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import websockets.sync.client

import cara_pseud
from tests.integration.certificates import self_signed, signed
from tests.integration.conftest import ROOT, WAIT_S, Socket
from tests.integration.test_few_descriptors import LIMITED, SOON_S, STRANGERS

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Start

Eventually = Callable[..., None]


class Server:
    """A gateway with a certificate of its own, before the counting service."""

    def __init__(self, start: Start, tls: str = "", limits: str = "", auth: str = "", few_files: bool = False) -> None:
        self.folder = start.folder
        if not (self.folder / "server.pem").exists():
            self_signed(self.folder, "server", "first")
        _, endpoint = start.counting()
        config = (
            f'[gateway.tls]\ncertificate = "server.pem"\nkey = "server.key"\n{tls}\n'
            f"[gateway.limits]\n{limits}\n{auth}\n"
            f'[services.counting]\nschema = "{ROOT}/tests/integration/counting.capnp"\ninterface = "Counting"\n'
            f'endpoint = "{endpoint}"\npeer = "counting"\n'
        )
        self.process: Process
        if few_files:
            path = self.folder / "gateway.toml"
            path.write_text(config, "utf-8")
            self.process, web = start._listening(start.process("-c", LIMITED, str(path)))
        else:
            self.process, web = start.gateway(config)
        self.port = web.port

    def context(self, client: str | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.folder / "server.pem"))
        if client is not None:
            context.load_cert_chain(self.folder / f"{client}.pem", self.folder / f"{client}.key")
        return context

    @contextmanager
    def connection(self, client: str | None = None) -> Iterator[HTTPSConnection]:
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=WAIT_S, context=self.context(client))
        try:
            yield connection
        finally:
            connection.close()

    def request(
        self, method: str, path: str, body: Any = None, client: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        with self.connection(client) as connection:
            sent = {"Content-Type": "application/json", **headers} if body is not None else headers
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            data = answer.read()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, named, json.loads(data) if data else None

    def common_name(self) -> str:
        with self.connection() as connection:
            connection.connect()
            shown: Any = connection.sock.getpeercert()
            return dict(pair for relative in shown["subject"] for pair in relative)["commonName"]

    @contextmanager
    def socket(self) -> Iterator[Socket]:
        url = f"wss://127.0.0.1:{self.port}/ws"
        with websockets.sync.client.connect(url, ssl=self.context()) as connection:
            yield Socket(connection)


def test_calls_and_sockets_work_over_tls(start: Start) -> None:
    server = Server(start)
    status, headers, answer = server.request("POST", "/api/counting/slow", [1])
    assert (status, answer) == (200, {"done": True})
    assert "strict-transport-security" not in headers
    own = {"Origin": f"https://127.0.0.1:{server.port}"}
    status, headers, _ = server.request("POST", "/api/session", {}, **own)
    assert status == 201
    assert headers["set-cookie"].startswith("__Host-")
    assert "Secure" in headers["set-cookie"]
    with server.socket() as socket:
        socket.result("rpc.hello", {"protocol": 1}, id=0)
        assert socket.result("counting.anything", ["x" * 200_000], id=1) == {"value": "x" * 200_000}


def test_a_body_that_is_refused_is_answered_before_the_end(start: Start) -> None:
    server = Server(start)
    status, _, problem = server.request("POST", "/api/counting/slow", {"text": "x" * 2_000_000})
    assert (status, problem["code"]) == (413, "too_large")


def test_nothing_older_than_tls_1_2_is_spoken(start: Start) -> None:
    server = Server(start)
    curl = shutil.which("curl")
    assert curl is not None
    for flags, status in ((["--tls-max", "1.1"], 35), (["--tls-max", "1.2"], 0), (["--tlsv1.3"], 0)):
        url = f"https://localhost:{server.port}/healthz"
        done = subprocess.run([curl, "-s", *flags, "--cacert", str(server.folder / "server.pem"), url], check=False)
        assert done.returncode == status, flags


def test_http_at_a_port_of_tls_is_told_so_and_tls_at_one_of_http_as_well(start: Start, web: Any) -> None:
    server = Server(start)
    with sockets.create_connection(("127.0.0.1", server.port), WAIT_S) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = plain.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"this port speaks TLS" in answer
    with sockets.create_connection(("127.0.0.1", web.port), WAIT_S) as plain:
        plain.sendall(bytes.fromhex("160301004a010000460303"))
        answer = plain.makefile("rb").read()
    assert b"this port speaks HTTP, and not TLS" in answer
    assert server.request("GET", "/healthz")[0] == 200


@pytest.mark.parametrize("way", ["signal", "by itself"])
def test_a_renewed_certificate_is_used_for_new_connections(start: Start, eventually: Eventually, way: str) -> None:
    server = Server(start)
    assert server.common_name() == "first"
    with server.socket() as socket:
        socket.result("rpc.hello", {"protocol": 1}, id=0)
        self_signed(server.folder, "new", "second")
        for suffix in ("key", "pem"):
            os.replace(server.folder / f"new.{suffix}", server.folder / f"server.{suffix}")
        if way == "signal":
            server.process.popen.send_signal(signal.SIGHUP)
        eventually(lambda: _fits(server), WAIT_S)
        assert server.common_name() == "second"
        assert socket.result("counting.slow", [1], id=1) == {"done": True}


def _fits(server: Server) -> bool:
    try:
        server.common_name()
    except ssl.SSLError:
        return False
    return True


def test_a_key_that_does_not_fit_changes_nothing_and_is_told(start: Start, eventually: Eventually) -> None:
    server = Server(start)
    (server.folder / "before.key").write_bytes((server.folder / "server.key").read_bytes())
    self_signed(server.folder, "other", "other")
    shutil.copy(server.folder / "other.key", server.folder / "server.key")
    server.process.popen.send_signal(signal.SIGHUP)
    eventually(lambda: "is not that of" in server.process.log.read_text(), WAIT_S)
    assert server.common_name() == "first"
    assert "PRIVATE" not in server.process.log.read_text()


def test_a_certificate_of_a_client_says_who_it_is(start: Start) -> None:
    self_signed(start.folder, "authority", "authority")
    self_signed(start.folder, "stranger", "stranger")
    signed(start.folder, "client", "someone", "authority", "DNS:ops.example")
    auth = '[gateway.auth.mtls]\nroles = { "ops.example" = ["admin"] }\n[services.counting]\nroles = ["admin"]\n'
    server = Server(start, tls='client_ca = "authority.pem"', auth=auth.partition("[services")[0])
    assert server.request("POST", "/api/counting/slow", [1], client="client")[0] == 200
    assert server.request("POST", "/api/counting/slow", [1])[0] == 401
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.request("POST", "/api/counting/slow", [1], client="stranger")


def test_who_does_not_finish_the_handshake_has_the_time_of_a_head(start: Start, eventually: Eventually) -> None:
    server = Server(start, limits="head_s = 1.0")
    silent = [sockets.create_connection(("127.0.0.1", server.port), WAIT_S) for _ in range(20)]
    with silent[0] as first:
        first.sendall(b"\x16\x03\x01")
        began = time.monotonic()
        for connection in silent:
            assert connection.recv(1) == b""
            connection.close()
        assert 0.9 < time.monotonic() - began < 6
    assert server.request("GET", "/healthz")[0] == 200


def test_half_open_handshakes_shut_nobody_out(start: Start) -> None:
    server = Server(start, limits="max_half_open = 40\nmax_half_open_per_address = 40\nmax_connections = 100")
    held = []
    try:
        for _ in range(300):
            held.append(sockets.create_connection(("127.0.0.1", server.port), WAIT_S))
        for _ in range(5):
            assert server.request("POST", "/api/counting/slow", [1])[0] == 200
    finally:
        for connection in held:
            connection.close()
    assert "Traceback" not in server.process.log.read_text()


@pytest.mark.parametrize("begun", ["nothing", "a part of the handshake", "the whole handshake"])
def test_with_few_files_half_open_connections_lock_nobody_out(start: Start, begun: str) -> None:
    server = Server(start, few_files=True)
    context = server.context()
    with server.connection() as steady, server.socket() as page, ExitStack() as stack:
        page.result("rpc.hello", {"protocol": 1}, id=0)
        _asks(steady)
        for _ in range(STRANGERS):
            one = sockets.create_connection(("127.0.0.1", server.port), WAIT_S)
            stack.callback(one.close)
            if begun == "a part of the handshake":
                one.sendall(bytes.fromhex("1603010200010001fc0303"))
            elif begun == "the whole handshake":
                try:
                    one = context.wrap_socket(one, server_hostname="127.0.0.1")
                except OSError:
                    continue  # it had to go already
                stack.callback(one.close)
        for _ in range(10):
            _asks(steady)
            assert "calls" in page.result("counting.count")
            began = time.monotonic()
            assert server.request("POST", "/api/counting/count", {})[0] == 200
            assert time.monotonic() - began < SOON_S
    assert "Traceback" not in server.process.log.read_text()


def _asks(connection: HTTPSConnection) -> None:
    connection.request("POST", "/api/counting/count", b"{}", {"Content-Type": "application/json"})
    assert "calls" in json.loads(connection.getresponse().read())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda folder: (folder / "server.key").unlink(), "gateway.tls.key: "),
        (lambda folder: (folder / "server.pem").write_text("x"), "are no certificate and key in PEM"),
        (lambda folder: shutil.copy(folder / "other.key", folder / "server.key"), "is not that of"),
    ],
)
def test_check_says_what_is_wrong_with_the_files(
    start: Start, change: Callable[[Path], object], complaint: str
) -> None:
    for name in ("server", "other"):
        self_signed(start.folder, name, name)
    config = start.folder / "gateway.toml"
    config.write_text(
        '[gateway.tls]\ncertificate = "server.pem"\nkey = "server.key"\n[services.counting]\n'
        f'schema = "{ROOT}/tests/integration/counting.capnp"\ninterface = "Counting"\nendpoint = "tcp://127.0.0.1:1"\n'
    )
    change(start.folder)
    process = start.process("-m", "gateway", "check", "--config", str(config))
    assert process.popen.wait(WAIT_S) == 2
    assert complaint in process.log.read_text()


def test_a_program_in_python_says_whom_it_trusts(start: Start) -> None:
    server = Server(start)

    async def main() -> None:
        url = f"https://127.0.0.1:{server.port}"
        async with cara_pseud.gateway.connect(url, ssl_context=server.context()) as gateway:
            assert await gateway.service("counting").big(3) == "xxx"
        with pytest.raises(cara_pseud.Unavailable, match="certificate verify failed"):
            await cara_pseud.gateway.connect(url)

    asyncio.run(main())
