"""Streams over real sockets that are cut: nothing runs twice and nothing is lost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.resuming_client import ResumingClient

if TYPE_CHECKING:
    from tests.integration.conftest import Start, Web

SCHEMA = Path(__file__).with_name("counting.capnp")
CONFIG = """
[services.counting]
schema = "{schema}"
interface = "Counting"
endpoint = "{endpoint}"
peer = "counting"
"""


@pytest.fixture
def client(web: Web) -> ResumingClient:
    return ResumingClient(web.url.replace("http", "ws") + "/ws")


def test_hello_call_handle_callback_and_resume(client: ResumingClient) -> None:
    assert client.call("calculator.add", 2, 5) == {"result": 7}
    total = client.call("calculator.accumulator", 40)["accumulator"]["$handle"]
    asked: list[int] = []

    def double(method: str, value: int) -> dict[str, int]:
        asked.append(value)
        if len(asked) == 2:
            client.cut()
        return {"result": value * 2}

    client.callbacks["double"] = double
    answered = client.call("calculator.map", [1, 2, 3], {"$callback": "double"})
    assert (answered, asked) == ({"results": [2, 4, 6]}, [1, 2, 3])
    assert client.hello["resumed"] is True
    assert client.call(f"@{total}.add", 2) == {"total": "42"}
    client.cut()
    client.begin("calculator.accumulator", [1])
    assert client.result(client.begin(f"#{client.last_id}.accumulator.add", [1])) == {"total": "2"}
    client.socket.close()


def test_calls_run_once_and_are_answered_once_over_many_cuts(client: ResumingClient) -> None:
    chance = random.Random(7)
    total = client.call("calculator.accumulator", 0)["accumulator"]["$handle"]
    totals: list[int] = []
    waiting: list[int] = []
    for _ in range(600):
        waiting.append(client.begin(f"@{total}.add", [1]))
        if len(waiting) == 20:
            totals += [int(client.result(id)["total"]) for id in waiting]
            waiting.clear()
        if chance.random() < 0.1:
            client.cut()
    totals += [int(client.result(id)["total"]) for id in waiting]
    assert totals == list(range(1, 601))
    assert client.call(f"@{total}.value") == {"total": "600"}
    client.socket.close()


def test_after_the_window_a_stream_is_gone_and_its_objects_are_released(
    start: Start, eventually: Callable[..., None]
) -> None:
    _, endpoint = start.counting()
    config = CONFIG.format(schema=SCHEMA, endpoint=endpoint) + "[gateway.limits]\nresume_window_s = 0.5\n"
    _, web = start.gateway(config)
    client = ResumingClient(web.url.replace("http", "ws") + "/ws")
    for _ in range(5):
        client.call("counting.object")
    client.begin("counting.slow", [60_000])
    client.call("counting.count")
    client.cut()

    def count(name: str) -> Any:
        return next(iter(web.post(f"/api/counting/{name}", {}).json.values()))

    eventually(lambda: (count("released"), count("cancelled")) == (5, 1), 5)
    with pytest.raises(ConnectionError, match="session"):
        client.connect()
    client.socket.close()


def test_a_lost_service_takes_its_objects_along_and_the_client_is_told(start: Start) -> None:
    service, endpoint = start.counting()
    _, web = start.gateway(CONFIG.format(schema=SCHEMA, endpoint=endpoint))
    client = ResumingClient(web.url.replace("http", "ws") + "/ws")
    token = client.call("counting.object")["object"]["$handle"]
    service.end()
    while not client.released:
        client.read()
    (told,) = client.released
    assert (told["handle"], told["code"]) == (token, "unavailable")
    with pytest.raises(RuntimeError, match="not_found"):
        client.call(f"@{token}.name")
    client.socket.close()


def test_callbacks_that_are_made_while_the_client_is_away_wait_for_it(web: Web, client: ResumingClient) -> None:
    heard: list[str] = []
    client.callbacks["people"] = lambda method, person, change: heard.append(f"{change} {person['name']}")
    client.call("addressbook.watch", {"$callback": "people"})
    client.cut()
    name = f"Away {time.time_ns()}"
    assert web.post("/api/addressbook/add", {"person": {"name": name}}).status == 200
    assert web.post("/api/addressbook/find", {"name": name}).status == 200
    while not heard:
        client.read()
    assert heard == [f"added {name}"]
    client.socket.close()
