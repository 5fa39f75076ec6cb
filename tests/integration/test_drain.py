"""A gateway that ends while it is used, and what its clients see: nothing fails that the next gateway can do."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket as sockets
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import ROOT, WAIT_S, Web

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Socket, Start

Eventually = Callable[..., None]
SESSIONS = int(os.environ.get("SESSIONS", "40"))
"""Of the browser client; the whole run has 200."""


def config(endpoint: str, gateway: str = "") -> str:
    return (
        f'[gateway]\n{gateway}\n[gateway.auth]\nrequired = false\n[services.counting]\n'
        f'schema = "{ROOT}/tests/integration/counting.capnp"\n'
        f'interface = "Counting"\nendpoint = "{endpoint}"\npeer = "counting"\n'
    )


@pytest.fixture
def pool() -> Any:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def started(start: Start, gateway: str = "") -> tuple[Process, Web]:
    _, endpoint = start.counting()
    return start.gateway(config(endpoint, gateway))


def under_way(web: Web) -> int:
    calls: int = web.post("/api/counting/count").json["calls"]
    return calls


def messages_until(socket: Socket, id: Any) -> list[Any]:
    told = []
    while not told or told[-1].get("id") != id:
        told.append(socket.receive())
    return told


def test_at_first_it_only_says_that_it_ends(start: Start) -> None:
    process, web = started(start, "drain_delay_s = 1.5")
    assert web.get("/readyz").status == 200
    process.popen.send_signal(signal.SIGTERM)
    time.sleep(0.3)  # the signal is on its way; that all goes on for a while is what is tested
    assert web.get("/readyz").status == 503
    answer = web.post("/api/counting/slow", [1])
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    with web.socket() as socket:
        socket.result("rpc.hello", {"protocol": 1}, id=0)
        assert socket.result("counting.slow", [1], id=1) == {"done": True}
    assert process.popen.wait(WAIT_S) == 0


def test_what_is_under_way_ends_and_what_it_needs_is_heard(
    start: Start, pool: ThreadPoolExecutor, eventually: Eventually
) -> None:
    process, web = started(start, "drain_delay_s = 0")
    rest = pool.submit(web.post, "/api/counting/slow", [1_000])
    with web.socket() as socket:
        socket.result("rpc.hello", {"protocol": 1}, id=0)
        handle = socket.result("counting.object", id=1)["object"]["$handle"]
        socket.send({"jsonrpc": "2.0", "id": 2, "method": "counting.floats",
                     "params": [[8], "text", {"$callback": "halver"}]})  # fmt: skip
        asked = next(message for message in iter(socket.receive, None) if "method" in message and "id" in message)
        eventually(lambda: under_way(web) == 1, WAIT_S)
        process.popen.send_signal(signal.SIGTERM)
        ack = next(message for message in iter(socket.receive, None) if message.get("method") == "rpc.ack")
        if not ack["params"].get("last"):
            ack = next(message for message in iter(socket.receive, None) if message.get("method") == "rpc.ack")
        assert ack["params"] == {"received": 2, "last": True}
        # Not taken, so never answered.
        socket.send({"jsonrpc": "2.0", "id": 3, "method": "counting.add", "params": [1]})
        socket.send({"jsonrpc": "2.0", "id": asked["id"], "result": {"half": 4}})
        told = messages_until(socket, 2)
        assert told[-1]["result"]["half"] == 4
        released = next(message for message in iter(socket.receive, None) if "handle" in message.get("params", {}))
        assert released["method"] == "rpc.released"
        assert released["params"] == {"handle": handle, "code": "unavailable", "reason": "the gateway shut down"}
        assert socket.closed() == (1001, "the gateway shuts down")
    assert rest.result(WAIT_S).json == {"done": True}
    assert process.popen.wait(WAIT_S) == 0


def test_what_takes_too_long_is_broken_off_and_told(
    start: Start, pool: ThreadPoolExecutor, eventually: Eventually
) -> None:
    process, web = started(start, "drain_delay_s = 0\ndrain_s = 0.5")
    rest = pool.submit(web.post, "/api/counting/slow", [20_000])
    with web.socket() as socket:
        socket.result("rpc.hello", {"protocol": 1}, id=0)
        socket.send({"jsonrpc": "2.0", "id": 1, "method": "counting.slow", "params": [20_000]})
        eventually(lambda: under_way(web) == 2, WAIT_S)
        process.popen.send_signal(signal.SIGTERM)
        assert messages_until(socket, 1)[-1]["error"]["data"]["code"] == "outcome_unknown"
        assert socket.closed()[0] == 1001
    told = rest.result(WAIT_S)
    assert (told.code, told.json["detail"]) == ("outcome_unknown", "the gateway shut down before the answer came")
    assert process.popen.wait(WAIT_S) == 0


def test_a_request_on_an_open_connection_is_answered_until_the_end(
    start: Start, pool: ThreadPoolExecutor, eventually: Eventually
) -> None:
    process, web = started(start, "drain_delay_s = 0")
    connection = HTTPConnection("127.0.0.1", web.port, timeout=WAIT_S)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read()
    rest = pool.submit(web.post, "/api/counting/slow", [1_500])
    eventually(lambda: under_way(web) == 1, WAIT_S)
    process.popen.send_signal(signal.SIGTERM)

    def is_refused() -> bool:
        try:
            web.get("/healthz")
        except OSError:
            return True
        return False

    eventually(is_refused, WAIT_S)
    connection.request("POST", "/api/counting/slow", "[1]", {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Connection"]) == (200, "close")
    assert rest.result(WAIT_S).status == 200
    assert process.popen.wait(WAIT_S) == 0


def test_a_second_signal_ends_it_at_once(start: Start, pool: ThreadPoolExecutor, eventually: Eventually) -> None:
    process, web = started(start, "drain_delay_s = 0")
    rest = pool.submit(web.post, "/api/counting/slow", [20_000])
    eventually(lambda: under_way(web) == 1, WAIT_S)
    process.popen.send_signal(signal.SIGTERM)
    eventually(lambda: "stopping" in process.log.read_text(), WAIT_S)
    began = time.monotonic()
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(WAIT_S) == -signal.SIGTERM
    assert time.monotonic() - began < 2
    assert rest.exception(WAIT_S) is not None


def test_sessions_go_on_at_the_next_gateway_and_no_call_fails_or_runs_twice(start: Start, tmp_path: Path) -> None:
    _, endpoint = start.counting()
    settings = 'drain_delay_s = 1.5\nhosts = ["*"]'
    gateways = [start.gateway(config(endpoint, settings)) for _ in range(2)]
    port, proxy = _haproxy(tmp_path, [web.port for _, web in gateways])
    clients = subprocess.Popen(
        [str(shutil.which("node")), str(ROOT / "tests/js/draining.js"), f"http://127.0.0.1:{port}", str(SESSIONS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert clients.stdout is not None
        assert clients.stdin is not None
        assert clients.stdout.readline() == "ready\n"
        ending, staying = gateways
        began = time.monotonic()
        ending[0].popen.send_signal(signal.SIGTERM)
        assert ending[0].popen.wait(40) == 0
        lasted_s = time.monotonic() - began
        time.sleep(1)  # they shall call the next one for a while
        clients.stdin.write("\n")
        clients.stdin.flush()
        report = json.loads(clients.stdout.readline())
    finally:
        clients.kill()
        clients.communicate()
        proxy.kill()
        proxy.wait()
    numbers = report.pop("numbers")
    added = staying[1].post("/api/counting/sum").json["calls"]
    print(f"\n{SESSIONS} sessions, ended within {lasted_s:.1f} s: {report}, {len(numbers)} added")
    assert report["failures"] == {}
    assert set(report["handleFailures"]) <= {"unavailable", "not_found"}
    assert 0 < report["resets"] <= SESSIONS
    assert set(report["released"]) == {"unavailable"}
    # Each number is that of one run, and there were no more runs than calls.
    assert len(set(numbers)) == len(numbers) == added
    assert "Traceback" not in ending[0].log.read_text()


def _haproxy(folder: Path, ports: list[int]) -> tuple[int, subprocess.Popen[bytes]]:
    path, port = folder / "haproxy.cfg", _free_port()
    servers = "\n".join(f"  server s{port} 127.0.0.1:{port}" for port in ports)
    path.write_text(
        f"""global
  maxconn 4000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  option redispatch
  retries 3
  balance roundrobin
  option httpchk GET /readyz
  default-server check inter 200ms fall 2 rise 1
frontend all
  bind 127.0.0.1:{port}
  default_backend gateways
backend gateways
{servers}
""",
        "utf-8",
    )
    proxy = subprocess.Popen([str(shutil.which("haproxy")), "-f", str(path), "-db"])
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            if Web(port).get("/healthz").status == 200:
                return port, proxy
        except OSError:
            time.sleep(0.05)
    raise AssertionError("HAProxy does not answer")


def _free_port() -> int:
    with sockets.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
