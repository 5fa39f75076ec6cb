"""Services that wait for objects of clients that are away: as long as those may be, and no call runs for nobody."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.resuming_client import ResumingClient
from tests.integration.test_services import config

if TYPE_CHECKING:
    from tests.integration.conftest import Start, Web

GIVES_UP = [{"COUNTING_DEADLINE": "0.2"}, {"COUNTING_PATIENCE": "0.2"}]


class Client(ResumingClient):
    """Notes every message that it counts, but not when a service's collector found that nobody needs an object."""

    def take(self, message: dict[str, Any]) -> None:
        method = message.get("method") or "answer"
        if method not in ("rpc.released", "rpc.ack"):
            self.taken = [*getattr(self, "taken", []), method]
        super().take(message)


def begin(start: Start, environment: dict[str, str]) -> Web:
    _, endpoint = start.counting(environment=environment)
    return start.gateway(config(endpoint))[1]


def listen(web: Web) -> tuple[Client, list[int]]:
    client = Client(web.url.replace("http", "ws") + "/ws")
    heard: list[int] = []
    client.callbacks["adder"] = lambda method, number: heard.append(number)
    client.call("counting.listen", {"$callback": "adder"})
    return client, heard


def sums(web: Web) -> dict[str, int]:
    answer: dict[str, int] = web.post("/api/counting/sum").json
    return answer


def pass_time(web: Web, milliseconds: int) -> None:
    assert web.post("/api/counting/slow", [milliseconds]).status == 200


def test_a_service_waits_for_a_client_as_long_as_it_may_be_away(start: Start, eventually: Callable[..., None]) -> None:
    web = begin(start, {"COUNTING_TIMEOUT": "0.2"})
    client, heard = listen(web)
    client.cut()
    web.post("/api/counting/add", [7])
    pass_time(web, 600)
    while not heard:
        client.read()
    eventually(lambda: sums(web)["heard"] == 1, within_s=5)
    assert sums(web)["objects"] == 1
    client.socket.close()


@pytest.mark.parametrize("environment", GIVES_UP)
def test_a_call_that_the_service_gave_up_while_the_client_was_away_never_runs(
    start: Start, eventually: Callable[..., None], environment: dict[str, str]
) -> None:
    web = begin(start, environment)
    client, heard = listen(web)
    client.cut()
    eventually(lambda: "cara_gateway_sockets 0" in web.get("/metrics").text, within_s=5)
    web.post("/api/counting/add", [7])
    eventually(lambda: sums(web)["objects"] == 0, within_s=5)
    assert client.call("counting.add", 8) == {"calls": 2}
    # The numbers of both sides agree, or this would be refused.
    client.cut()
    assert client.call("counting.add", 9) == {"calls": 3}
    assert (heard, sums(web)["heard"]) == ([], 0)
    assert client.taken == ["answer", "rpc.void", "answer", "answer"]
    client.socket.close()


@pytest.mark.parametrize("environment", GIVES_UP)
def test_a_call_that_the_service_gives_up_while_the_client_has_it_is_called_off(
    start: Start, environment: dict[str, str]
) -> None:
    web = begin(start, environment)
    client, _ = listen(web)
    client.callbacks["adder"] = lambda method, number: pass_time(web, 300)
    web.post("/api/counting/add", [7])
    pass_time(web, 300)
    assert client.call("counting.add", 8) == {"calls": 2}
    assert client.taken == ["answer", "!adder.added", "rpc.cancel", "answer"]
    assert sums(web)["heard"] == 0
    client.socket.close()


@contextmanager
def events(web: Web, session: str, last: str | None = None) -> Iterator[Callable[[], dict[str, str]]]:
    """Gives the next event that is not told because of a service's collector."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)

    def next_event() -> dict[str, str]:
        while True:
            fields: dict[str, str] = {}
            while line := answer.readline().decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name] = value
            if "id" in fields and "retry" not in fields and fields.get("event") != "released":
                return fields

    try:
        headers = {"Session-Id": session, **({} if last is None else {"Last-Event-ID": last})}
        connection.request("GET", "/api/events", headers=headers)
        with connection.getresponse() as answer:
            yield next_event
    finally:
        connection.close()


def test_a_listener_of_events_is_told_of_what_is_called_off(start: Start, eventually: Callable[..., None]) -> None:
    web = begin(start, {"COUNTING_PATIENCE": "0.2"})
    session = web.post("/api/session").headers["session-id"]
    headers = {"Session-Id": session}
    with events(web, session) as next_event:
        assert web.post("/api/counting/listen", [{"$callback": "adder"}], headers).status == 200
        web.post("/api/counting/add", [7])
        asked, cancelled = next_event(), next_event()
        assert [event["event"] for event in (asked, cancelled)] == ["callback", "cancel"]
        assert json.loads(cancelled["data"]) == {"id": json.loads(asked["data"])["id"]}
        late = web.post(f"/api/callbacks/{json.loads(asked['data'])['id']}", {}, headers)
        assert late.code == "not_found"
        assert web.post("/api/counting/listen", [{"$callback": "adder"}], headers).status == 200
    eventually(lambda: "cara_gateway_sockets 0" in web.get("/metrics").text, within_s=5)
    web.post("/api/counting/add", [8])
    eventually(lambda: sums(web)["objects"] == 0, within_s=5)
    with events(web, session, cancelled["id"]) as next_event:
        # In the place of the call, and no event for a browser.
        assert next_event().keys() == {"id"}
