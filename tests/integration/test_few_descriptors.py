"""A gateway that may open 256 files, before clients that want more than that."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Start, Web

SCHEMA = Path(__file__).with_name("counting.capnp")
CONFIG = """
[services.counting]
schema = "{schema}"
interface = "Counting"
endpoint = "{endpoint}"
peer = "counting"
"""
LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
sys.argv = ["cara-gateway", "serve", "--config", sys.argv[1], "--listen", "127.0.0.1:0"]
runpy.run_module("gateway", run_name="__main__", alter_sys=False)
"""
STRANGERS = 400
SOON_S = 2.0
"""Within this a new client gets in, whatever happens."""


@pytest.fixture
def gateway(start: Start) -> tuple[Process, Web]:
    _, endpoint = start.counting()
    config = start.folder / "gateway.toml"
    config.write_text(CONFIG.format(schema=SCHEMA, endpoint=endpoint), "utf-8")
    process = start.process("-c", LIMITED, str(config))
    return start._listening(process)


@contextmanager
def strangers(web: Web, begun: bytes) -> Iterator[list[socket.socket]]:
    """Connections on which no more comes than that."""
    with ExitStack() as stack:
        found = []
        for _ in range(STRANGERS):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=5))
            one.sendall(begun)
            found.append(one)
        yield found


class Steady:
    """A client on one connection."""

    def __init__(self, web: Web) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=SOON_S)

    def works(self) -> None:
        self._connection.request("POST", "/api/counting/count", b"{}", {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        assert "calls" in json.loads(answer.read())
        assert self._connection.sock is not None  # the same one as before

    def close(self) -> None:
        self._connection.close()


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET / HTTP/1.1\r\nHost: local", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1"]
)
def test_half_open_connections_lock_nobody_out(
    gateway: tuple[Process, Web], eventually: Callable[..., None], begun: bytes
) -> None:
    process, web = gateway
    assert "too few files for max_connections = 10000" in process.log.read_text()
    steady = Steady(web)
    steady.works()
    with web.socket() as page:
        page.result("rpc.hello", {"protocol": 1})
        with strangers(web, begun):
            for _ in range(20):
                steady.works()
                assert "calls" in page.result("counting.count")
                begun_at = time.monotonic()
                assert web.get("/healthz").status == 200
                assert web.post("/api/counting/count", {}).status == 200
                assert time.monotonic() - begun_at < SOON_S
        begun_at = time.monotonic()
        assert web.post("/api/counting/count", {}).status == 200
        assert time.monotonic() - begun_at < SOON_S
        assert "calls" in page.result("counting.count")
    steady.close()
    assert "Traceback" not in process.log.read_text()
    eventually(lambda: "cara_gateway_connections 1.0\n" in web.get("/metrics").text, 5)


def test_websockets_of_strangers_are_told_that_there_is_no_room(gateway: tuple[Process, Web]) -> None:
    process, web = gateway
    steady = Steady(web)
    steady.works()
    with ExitStack() as stack:
        used = []
        refused = 0
        for _ in range(STRANGERS):
            try:
                one = stack.enter_context(web.socket(open_timeout=5))
            except Exception:
                refused += 1
                continue
            one.result("rpc.hello", {"protocol": 1})
            used.append(one)
        assert refused > 100
        for one in (used[0], used[-1]):
            assert "calls" in one.result("counting.count")
        steady.works()
        assert web.get("/healthz").status == 200
        answer = web.post("/api/counting/count", {})
        assert (answer.code, answer.headers["retry-after"]) == ("resource_exhausted", "1")
        assert "max_connections_per_address" in answer.json["detail"]
    steady.close()
    assert "Traceback" not in process.log.read_text()
