"""Services that are killed, stopped, not there yet, slow or failing: what callers are told, and when.

A service that counts its calls shows that none is delivered late.
"""

from __future__ import annotations

import signal
import socket as sockets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq

if TYPE_CHECKING:
    from tests.integration.conftest import Start, Web

SCHEMA = Path(__file__).with_name("counting.capnp")
Eventually = Callable[..., None]


def config(endpoint: str, more: str = "") -> str:
    return f"""
        {more}
        [services.counting]
        schema = "{SCHEMA}"
        interface = "Counting"
        endpoint = "{endpoint}"
        peer = "counting"
    """


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as pool:
        yield pool


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    started = time.monotonic()
    answer = call()
    return answer, time.monotonic() - started


def count(web: Web) -> int:
    calls: int = web.post("/api/counting/count").json["calls"]
    return calls


def begin_slow(web: Web, pool: ThreadPoolExecutor, number: int, eventually: Eventually) -> list[Future[Any]]:
    """Start slow calls and wait until all have reached the service."""
    before = count(web)
    calls = [pool.submit(web.post, "/api/counting/slow", {"milliseconds": 20_000}) for _ in range(number)]
    eventually(lambda: count(web) == before + number, within_s=10)
    return calls


def free_endpoint() -> str:
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def works(web: Web) -> bool:
    return web.post("/api/counting/count").status == 200


def test_a_killed_service_is_told_at_once_and_works_again_when_it_is_back(
    start: Start, pool: ThreadPoolExecutor, eventually: Eventually
) -> None:
    service, endpoint = start.counting()
    _, web = start.gateway(config(endpoint))
    calls = begin_slow(web, pool, 10, eventually)
    begun = count(web)
    service.stop(signal.SIGKILL)
    lost_at = time.monotonic()
    for call in calls:
        answer = call.result(5)
        assert (answer.status, answer.code) == (502, "outcome_unknown")
        assert "127.0.0.1" not in answer.text
    assert time.monotonic() - lost_at < 0.5
    for _ in range(20):
        answer, seconds = timed(lambda: web.post("/api/counting/slow", {"milliseconds": 0}))
        assert (answer.status, answer.code) == (503, "unavailable")
        assert seconds < 0.5
        assert "127.0.0.1" not in answer.text
    assert web.get("/healthz").status == 200
    ready = web.get("/readyz")
    assert (ready.status, ready.code, ready.json["services"]) == (503, "unavailable", {"counting": "down"})
    start.counting(endpoint)
    eventually(lambda: works(web), within_s=2)
    assert web.get("/readyz").status == 200
    assert count(web) == begun  # none of the 20 came late


def test_a_stopped_service_is_told_within_two_seconds_and_nothing_is_delivered_later(
    start: Start, pool: ThreadPoolExecutor, eventually: Eventually
) -> None:
    service, endpoint = start.counting()
    _, web = start.gateway(config(endpoint))
    (in_flight,) = begin_slow(web, pool, 1, eventually)
    begun = count(web)
    service.popen.send_signal(signal.SIGSTOP)
    answer = in_flight.result(5)
    assert (answer.status, answer.code) == (502, "outcome_unknown")
    eventually(lambda: web.get("/readyz").json["services"]["counting"] == "down", within_s=2)
    for _ in range(5):
        answer, seconds = timed(lambda: web.post("/api/counting/slow", {"milliseconds": 0}))
        assert (answer.status, answer.code) == (503, "unavailable")
        assert seconds < 0.5
    service.popen.send_signal(signal.SIGCONT)
    eventually(lambda: works(web), within_s=3)
    assert count(web) == begun


def test_a_gateway_starts_before_its_service(start: Start, eventually: Eventually) -> None:
    endpoint = free_endpoint()
    _, web = start.gateway(config(endpoint))
    answer, seconds = timed(lambda: web.post("/api/counting/count"))
    assert (answer.status, answer.code) == (503, "unavailable")
    assert seconds < 0.5
    start.counting(endpoint)
    eventually(lambda: works(web), within_s=2)


def test_an_idempotent_call_is_repeated_once_after_a_loss(
    start: Start, pool: ThreadPoolExecutor, eventually: Eventually
) -> None:
    service, endpoint = start.counting()
    _, web = start.gateway(config(endpoint))
    call = pool.submit(web.post, "/api/counting/again", {"milliseconds": 500})
    eventually(lambda: count(web) == 1, within_s=5)
    service.stop(signal.SIGKILL)
    start.counting(endpoint)
    answer = call.result(10)
    assert (answer.status, answer.json) == (200, {"calls": 2})


def test_a_websocket_is_told_of_a_loss_and_goes_on(start: Start, eventually: Eventually) -> None:
    service, endpoint = start.counting()
    _, web = start.gateway(config(endpoint))
    with web.socket() as socket:
        handle = socket.result("counting.object")["object"]["$handle"]
        socket.send({"jsonrpc": "2.0", "id": 5, "method": "counting.slow", "params": [20_000]})
        eventually(lambda: count(web) == 1, within_s=5)
        service.stop(signal.SIGKILL)
        lost = socket.receive()
        assert (lost["id"], lost["error"]["code"]) == (5, -32017)
        assert socket.call("counting.count")["error"]["code"] == -32014
        start.counting(endpoint)
        eventually(lambda: works(web), within_s=2)
        assert socket.result("counting.count")["calls"] == 1
        # The object ended with the process that had it.
        assert socket.call(f"@{handle}.name")["error"]["data"]["code"] == "not_found"


def test_a_caller_that_goes_away_is_not_worked_for_any_more(start: Start, eventually: Eventually) -> None:
    _, endpoint = start.counting()
    _, web = start.gateway(config(endpoint))

    def cancelled() -> int:
        calls: int = web.post("/api/counting/cancelled").json["calls"]
        return calls

    assert cancelled() == 0
    body = b'{"milliseconds":20000}'
    head = "POST /api/counting/slow HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with sockets.create_connection(("127.0.0.1", web.port), 10) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        eventually(lambda: count(web) == 1, within_s=5)
    eventually(lambda: cancelled() == 1, within_s=5)
    with web.socket() as socket:
        socket.send({"jsonrpc": "2.0", "id": 1, "method": "counting.slow", "params": [20_000]})
        eventually(lambda: count(web) == 2, within_s=5)
    eventually(lambda: cancelled() == 2, within_s=5)


def test_a_service_that_does_not_let_the_gateway_in_is_unavailable(start: Start) -> None:
    keys = {name: zmq.curve_keypair() for name in ("service", "gateway", "stranger")}
    (public, secret), (client_public, client_secret) = keys["service"], keys["gateway"]
    environment = {"COUNTING_KEYS": b" ".join((public, secret, client_public)).decode()}
    _, endpoint = start.counting(environment=environment)

    def curve(own_public: bytes, own_secret: bytes) -> str:
        return config(endpoint) + (
            f"security = 'curve'\nserver_public_key = '{public.decode()}'\n"
            f"public_key = '{own_public.decode()}'\nsecret_key = '{own_secret.decode()}'\n"
        )

    _, web = start.gateway(curve(client_public, client_secret))
    assert web.post("/api/counting/count").status == 200
    process, web = start.gateway(curve(*keys["stranger"]))
    answer = web.post("/api/counting/count")
    assert (answer.status, answer.code) == (503, "unavailable")
    assert "let the gateway in" in answer.json["detail"]
    assert process.stop() == 0


def test_deadlines_come_from_the_request_the_schema_and_the_configuration(start: Start) -> None:
    _, endpoint = start.counting()
    _, web = start.gateway(config(endpoint) + "timeout = 0.3\n")
    for path, headers, least, most in (
        ("slow", {"Request-Timeout": "0.2"}, 0.2, 0.29),
        ("short", {}, 0.1, 0.19),
        ("slow", {}, 0.3, 0.4),
    ):
        answer, seconds = timed(
            lambda path=path, headers=headers: web.post(f"/api/counting/{path}", {"milliseconds": 5000}, headers)
        )
        assert (answer.status, answer.code) == (504, "deadline_exceeded")
        assert least <= seconds < most + 0.3
    with web.socket() as socket:
        answer = socket.call("counting.slow", [5000], meta={"timeout": 0.1})
        assert answer["error"]["code"] == -32004
        socket.send({"jsonrpc": "2.0", "id": 9, "method": "counting.slow", "params": [20_000], "meta": {"timeout": 60}})
        socket.send({"jsonrpc": "2.0", "method": "rpc.cancel", "params": {"id": 9}})
        assert socket.receive()["error"]["code"] == -32001


def test_an_exception_of_a_service_is_not_shown_and_logged(start: Start) -> None:
    _, endpoint = start.counting()
    process, web = start.gateway(config(endpoint))
    answer = web.post("/api/counting/crash")
    assert (answer.status, answer.code) == (500, "unknown")
    assert "RuntimeError" in answer.json["detail"]
    assert "password" not in answer.text
    assert process.stop() == 0
    log = process.log.read_text()
    assert "the password is in" in log
    assert answer.json["request_id"] in log


def test_exceptions_are_shown_where_the_operator_says_so(start: Start) -> None:
    _, endpoint = start.counting()
    _, web = start.gateway(config(endpoint, "[gateway]\nexpose_errors = true"))
    assert "the password is in" in web.post("/api/counting/crash").json["detail"]


def test_a_result_that_is_too_large_fails_its_call_only(start: Start) -> None:
    _, endpoint = start.counting()
    _, web = start.gateway(config(endpoint))
    assert web.post("/api/counting/big", [1_048_000]).status == 200
    for size in (1_048_570, 2_000_000, 10_000_000):
        answer = web.post("/api/counting/big", [size])
        assert (answer.status, answer.code) == (413, "too_large")
    with web.socket(max_size=None) as socket:
        assert socket.call("counting.big", [2_000_000])["error"]["code"] == -32018
        assert len(socket.result("counting.big", [1_000_000])["text"]) == 1_000_000


def test_objects_are_released_at_the_service_when_nobody_can_name_them_any_more(
    start: Start, eventually: Eventually
) -> None:
    _, endpoint = start.counting()
    _, web = start.gateway(config(endpoint, "[gateway.limits]\nidle_session_s = 0.2\nmax_handles_per_session = 3"))

    def released() -> int:
        objects: int = web.post("/api/counting/released").json["objects"]
        return objects

    headers = {"Session-Id": web.post("/api/session").headers["session-id"]}
    handles = [web.post("/api/counting/object", None, headers).json["object"]["$handle"] for _ in range(3)]
    full = web.post("/api/counting/object", None, headers)
    assert (full.status, full.code) == (429, "resource_exhausted")
    # The service was not even asked, or it would have made an object for nobody.
    assert released() == 0
    assert web.request("DELETE", f"/api/handles/{handles[0]}", headers=headers).status == 204
    eventually(lambda: released() == 1, within_s=5)
    # The session is idle now.
    eventually(lambda: released() == 3, within_s=5)
    assert web.get("/api/session", **headers).code == "not_found"
    with web.socket() as socket:
        socket.result("counting.object")
        socket.send({"jsonrpc": "2.0", "method": "counting.object"})
        eventually(lambda: released() == 4, within_s=5)
    eventually(lambda: released() == 5, within_s=5)


def test_a_hidden_method_is_not_there(start: Start) -> None:
    _, endpoint = start.counting()
    _, web = start.gateway(config(endpoint))
    assert web.post("/api/counting/secret").code == "not_found"
    assert "secret" not in web.get("/api/counting").text


def test_a_reader_that_is_too_slow_is_closed_with_a_reason(start: Start) -> None:
    _, endpoint = start.counting()
    _, web = start.gateway(config(endpoint, "[gateway.limits]\nsend_buffer_bytes = 1_000_000\nslow_client_s = 1.0"))
    # The library reads nothing more when one message of the queue waits. 50 MB are more than the kernel takes.
    with web.socket(max_queue=1, max_size=None) as socket:
        for id in range(100):
            socket.send({"jsonrpc": "2.0", "id": id, "method": "counting.big", "params": [500_000]})
        assert web.post("/api/counting/count").status == 200
        # It is looked every second whether anything is read: at first the kernel takes some.
        time_to_fill = timed(lambda: web.post("/api/counting/slow", {"milliseconds": 4000}))
        assert time_to_fill[0].status == 200
        code, reason = socket.closed()
    assert code == 4003
    assert reason.endswith("bytes were waiting, and none was read or confirmed for 1 s")


def test_stopping_lets_calls_end_and_tells_sockets(
    start: Start, pool: ThreadPoolExecutor, eventually: Eventually
) -> None:
    _, endpoint = start.counting()
    process, web = start.gateway(config(endpoint))
    with web.socket() as socket:
        assert socket.result("counting.count")["calls"] == 0
        call = pool.submit(web.post, "/api/counting/slow", {"milliseconds": 700})
        eventually(lambda: count(web) == 1, within_s=5)
        process.popen.send_signal(signal.SIGTERM)
        assert call.result(5).json == {"done": True}
        assert socket.closed() == (1001, "the gateway shuts down")
    assert process.popen.wait(5) == 0
