"""The command line's requests, to servers that a test plays: TLS, unix sockets, and answers that do not come."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.errors import GatewayError, Status
from gateway.http.gateway_url import read_url
from gateway.http.rest_client import RestClient, TlsFiles


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{self.path} {self.headers.get('X-Mine')} {self.headers.get('Host')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "somebody"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def serving(server: http.server.HTTPServer) -> Iterator[http.server.HTTPServer]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-out", str(files[0]), "-keyout", str(files[1]),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


def test_a_request_has_the_headers_of_all_and_its_own_place() -> None:
    with serving(http.server.HTTPServer(("127.0.0.1", 0), _Handler)) as server:
        url = read_url(f"http://127.0.0.1:{server.server_port}/gw")
        reply = RestClient(url, {"X-Mine": "1"}).request("GET", "/api")
    assert (reply.status, reply.text, reply.succeeded) == (200, f"/gw/api 1 127.0.0.1:{server.server_port}", True)
    with pytest.raises(GatewayError, match="is no JSON; is this a gateway"):
        reply.json()


def test_a_unix_socket_is_as_good(tmp_path: Path) -> None:
    class Server(http.server.HTTPServer):
        address_family = socket.AF_UNIX

        def server_bind(self) -> None:
            self.socket.bind(self.server_address)

    path = tmp_path / "g.sock"
    with serving(Server(str(path), _Handler)):  # type: ignore[arg-type]
        assert RestClient(read_url(f"unix:{path}")).request("GET", "/api").text == "/api None localhost"


def test_who_the_gateway_is_is_checked_unless_told_otherwise(certificate: tuple[Path, Path]) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    with serving(server):
        url = read_url(f"localhost:{server.server_port}", tls=True)
        with pytest.raises(GatewayError, match=r"is not trusted: .*; --cacert FILE says whom to trust") as raised:
            RestClient(url).request("GET", "/")
        assert raised.value.status is Status.UNAVAILABLE
        assert RestClient(url, tls=TlsFiles(authority=certificate[0])).request("GET", "/").succeeded
        assert RestClient(url, tls=TlsFiles(insecure=True)).request("GET", "/").succeeded
        both = TlsFiles(authority=certificate[0], certificate=certificate[0], key=certificate[1])
        assert RestClient(url, tls=both).request("GET", "/").succeeded


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    url = read_url("https://localhost:1")
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ValueError, match=r"nowhere\.pem: no such file or directory"):
        RestClient(url, tls=TlsFiles(authority=tmp_path / "nowhere.pem"))
    with pytest.raises(ValueError, match=r"empty\.pem: "):
        RestClient(url, tls=TlsFiles(certificate=tmp_path / "empty.pem"))


def test_nobody_there_and_no_answer_are_told_apart() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        url = read_url(f"127.0.0.1:{listening.getsockname()[1]}")
        # The kernel takes the connection; nobody ever answers it.
        with pytest.raises(GatewayError, match="was made, but no answer came: it takes too long") as raised:
            RestClient(url).request("GET", "/", timeout_s=0.05)
        assert raised.value.status is Status.OUTCOME_UNKNOWN
    with pytest.raises(GatewayError, match=r"no gateway answers at .*: connection refused") as raised:
        RestClient(url).request("GET", "/")
    assert raised.value.status is Status.UNAVAILABLE
