"""A service that verifies its users is another process than before: what the old one held and gave is told to be gone.

A login outlives a connection, so the loss alone ends nothing.
"""

from __future__ import annotations

import http.client
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.resuming_client import ResumingClient
from tests.integration.test_services import config, works

if TYPE_CHECKING:
    from tests.integration.conftest import Process, Socket, Start, Web

Eventually = Callable[..., None]
PASSWORD = {"COUNTING_PASSWORD": "secret"}
LOGIN = 'security = "plain"\nuser_id = "gateway"\npassword = "secret"\n'


def plain(start: Start) -> tuple[Process, str, Web]:
    service, endpoint = start.counting(environment=PASSWORD)
    _, web = start.gateway(config(endpoint) + LOGIN)
    return service, endpoint, web


def hello(socket: Socket) -> str:
    session: str = socket.result("rpc.hello", {"protocol": 1}, id=0)["session"]
    return session


def messages(socket: Socket) -> Iterator[Any]:
    while True:
        yield socket.receive()


def answer(socket: Socket, method: str, params: Any = None, id: str = "call") -> Any:
    socket.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}})
    return next(message for message in messages(socket) if message.get("id") == id)


def releases(socket: Socket, count: int) -> dict[str, str]:
    """The next so many things that are told to be no more, with their codes."""
    told: dict[str, str] = {}
    for message in messages(socket):
        if message.get("method") == "rpc.released":
            what = message["params"]
            told[what.get("handle") or what["callback"]] = what["code"]
            if len(told) == count:
                return told
    raise AssertionError


def requests(socket: Socket, count: int) -> list[tuple[str, Any]]:
    """The next so many requests for callbacks, by method, with their parameters."""
    asked = (message for message in messages(socket) if message.get("method", "").startswith("!"))
    return sorted((message["method"], message["params"]) for _, message in zip(range(count), asked, strict=False))


def state(web: Web) -> str:
    word: str = web.get("/readyz").json["services"]["counting"]
    return word


@contextmanager
def events(web: Web, session: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    try:
        connection.request("GET", "/api/events", headers={"Session-Id": session})
        with connection.getresponse() as answer:
            yield answer
    finally:
        connection.close()


def released_events(answer: http.client.HTTPResponse, count: int) -> dict[str, str]:
    told: dict[str, str] = {}
    kind = ""
    while len(told) < count:
        name, _, value = answer.readline().decode().strip().partition(": ")
        if name == "event":
            kind = value
        elif name == "data" and kind == "released":
            what = json.loads(value)
            told[what.get("handle") or what["callback"]] = what["code"]
    return told


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_the_process_before_had_is_told_within_a_second_of_its_return(start: Start, number: int) -> None:
    service, endpoint, web = plain(start)
    with web.socket() as socket, web.socket() as plain_socket:
        hello(socket)
        handles = {socket.result("counting.object", id=id)["object"]["$handle"] for id in range(1, 4)}
        socket.result("counting.listen", [{"$callback": "adder"}])
        rest = web.post("/api/session").headers["session-id"]
        of_rest = web.post("/api/counting/object", None, {"Session-Id": rest}).json["object"]["$handle"]
        without_hello = plain_socket.result("counting.object")["object"]["$handle"]
        with events(web, rest) as listener:
            web.post("/api/counting/listen", [{"$callback": "of_rest"}], {"Session-Id": rest})
            service.stop(number)
            start.counting(endpoint, PASSWORD)
            back_at = time.monotonic()
            assert releases(socket, 4) == dict.fromkeys([*handles, "adder"], "unavailable")
            assert released_events(listener, 2) == dict.fromkeys([of_rest, "of_rest"], "unavailable")
            assert time.monotonic() - back_at < 1
        held = web.get("/api/session", **{"Session-Id": rest}).json
        assert (held["handles"], held["callbacks"]) == ([], [])
        for token in (handles.pop(), without_hello):
            refused = answer(plain_socket if token == without_hello else socket, f"@{token}.name")
            assert "there is no handle" in refused["error"]["message"]
        # What is made from now on lives.
        token = answer(socket, "counting.object")["result"]["object"]["$handle"]
        assert answer(socket, f"@{token}.name")["result"] == {"name": "object"}
        assert "result" in answer(socket, "counting.listen", [{"$callback": "adder"}])
        web.post("/api/counting/add", [7])
        assert requests(socket, 1) == [("!adder.added", [7])]


@pytest.mark.parametrize("silent", [False, True], ids=["answers at once", "is silent first"])
def test_callbacks_of_calls_that_waited_for_the_new_process_live(
    start: Start, eventually: Eventually, silent: bool
) -> None:
    service, endpoint, web = plain(start)
    with web.socket() as socket:
        hello(socket)
        token = socket.result("counting.object")["object"]["$handle"]
        for name in ("old", "both"):
            socket.result("counting.listen", [{"$callback": name}])
        service.stop(signal.SIGKILL)
        eventually(lambda: state(web) == "down", within_s=5)
        new, _ = start.counting(endpoint, {**PASSWORD, "COUNTING_WAITS": "1"})
        eventually(lambda: state(web) == "connecting", within_s=5)
        for id, name in ((11, "both"), (12, "new")):
            socket.send({"jsonrpc": "2.0", "id": id, "method": "counting.listen", "params": [{"$callback": name}]})
        if silent:
            # The calls have gone out as an original service would understand them.
            eventually(lambda: state(web) == "up", within_s=5)
        assert new.popen.stdin is not None
        new.popen.stdin.write("\n")
        new.popen.stdin.flush()
        assert releases(socket, 2) == {token: "unavailable", "old": "unavailable"}
        eventually(lambda: works(web), within_s=5)
        web.post("/api/counting/add", [7])
        assert requests(socket, 2) == [("!both.added", [7]), ("!new.added", [7])]


def test_a_connection_that_is_lost_to_the_same_process_ends_nothing(start: Start, eventually: Eventually) -> None:
    service, _, web = plain(start)
    with web.socket() as socket:
        session = hello(socket)
        token = socket.result("counting.object")["object"]["$handle"]
        socket.result("counting.listen", [{"$callback": "adder"}])
        service.popen.send_signal(signal.SIGSTOP)
        eventually(lambda: state(web) == "down", within_s=5)
        service.popen.send_signal(signal.SIGCONT)
        eventually(lambda: works(web), within_s=5)
        assert answer(socket, f"@{token}.name")["result"] == {"name": "object"}
        held = web.get("/api/session", **{"Session-Id": session}).json
        assert ([handle["$handle"] for handle in held["handles"]], held["callbacks"]) == ([token], ["adder"])


@pytest.mark.parametrize("login", [LOGIN, ""], ids=["plain", "noop"])
def test_what_a_process_that_is_gone_had_asked_a_client_for_never_runs(
    start: Start, eventually: Eventually, login: str
) -> None:
    environment = PASSWORD if login else {}
    service, endpoint = start.counting(environment=environment)
    _, web = start.gateway(config(endpoint) + login)
    heard: list[int] = []
    client = ResumingClient(web.url.replace("http", "ws") + "/ws")
    client.callbacks["adder"] = lambda method, number: heard.append(number)
    client.call("counting.listen", {"$callback": "adder"})
    client.cut()
    eventually(lambda: "cara_gateway_sockets 0" in web.get("/metrics").text, within_s=5)
    web.post("/api/counting/add", [7])
    eventually(lambda: web.post("/api/counting/sum").status == 200, within_s=5)
    service.stop(signal.SIGKILL)
    start.counting(endpoint, environment)
    eventually(lambda: works(web), within_s=5)
    client.call("counting.listen", {"$callback": "adder"})
    assert [what["callback"] for what in client.released] == ["adder"]
    web.post("/api/counting/add", [8])
    while not heard:
        client.read()
    assert heard == [8]
    client.socket.close()
