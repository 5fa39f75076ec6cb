"""Who did what, as the log has it: principals, traces, sizes; of sockets their calls; and no secret of anybody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.access.principals import Principal
from tests.clock import MovedClock
from tests.gatekeeper import FakeGatekeeper
from tests.gateway.http.conftest import Built, Edge, moves_time

pytestmark = moves_time

ADD = "/api/calculator/add"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def gatekeeper() -> FakeGatekeeper:
    alice, bob = Principal("key:alice"), Principal("proxy:b\x1b[2Job")
    return FakeGatekeeper({"topsecret-a": alice, "topsecret-b": bob})


async def lines(built: Built, clock: MovedClock) -> list[dict[str, Any]]:
    await clock.advance(0.2)
    text = built.log.getvalue()
    assert "topsecret" not in text
    return [json.loads(line) for line in text.splitlines()]


async def test_a_request_s_line_has_its_principal_its_trace_and_its_size(
    edge: Edge, root: Any, built: Built, clock: MovedClock
) -> None:
    asked = edge.asks("POST", ADD, [1, 2], {"X-Api-Key": "topsecret-a", "Traceparent": TRACEPARENT})
    (await root.next_call()).reply(3)
    answer = await asked
    await edge.get("/api", {"X-Api-Key": "topsecret-b", "Traceparent": "00-topsecret"})
    await edge.post(ADD, [1, 2], {"X-Api-Key": "topsecret-nobody"})
    await edge.request("HEAD", "/healthz", None, {"X-Api-Key": "topsecret-a"})
    good, bad, refused, head = await lines(built, clock)
    assert (good["principal"], good["trace_id"], good["bytes"]) == ("key:alice", TRACE, len(answer.body))
    assert bad["principal"] == "proxy:b\x1b[2Job"  # JSON escapes what a terminal would obey
    assert "trace_id" not in bad
    assert (refused["status"], refused.get("principal")) == (401, None)
    assert head["bytes"] == 0


async def test_what_a_client_may_keep_secret_is_in_no_line(edge: Edge, built: Built, clock: MovedClock) -> None:
    by_key = {"X-Api-Key": "topsecret-a"}
    await edge.get("/healthz?api_key=topsecret", by_key)
    await edge.get("/api/handles/topsecret", by_key)
    await edge.post("/api/handles/topsecret/read", [], by_key)
    await edge.get("/api/handles/topsecret/too/many/parts", by_key)
    for path in ("/api//handles/topsecret/value", "/api/session/topsecret", "/admin/sessions/topsecret"):
        await edge.get(path, by_key)
        await edge.get(path)
    await edge.get("/api/session", {**by_key, "Session-Id": "topsecret", "Cookie": "cara_session=topsecret"})
    await edge.get("/api", {"Authorization": "Basic dG9wc2VjcmV0"})
    found = await lines(built, clock)
    assert len(found) == 12
    assert "dG9wc2VjcmV0" not in built.log.getvalue()


async def test_a_socket_s_line_has_who_its_client_was_in_the_end(
    edge: Edge, root: Any, built: Built, clock: MovedClock
) -> None:
    socket = await edge.socket()
    socket.say("rpc.hello", {"protocol": 1, "token": "topsecret-a"})
    welcome = (await socket.hear())["result"]
    socket.say("calculator.add", [1, 2], id=2)
    (await root.next_call()).reply(3)
    await socket.hear()
    await socket.close()
    # The same stream over another socket, whose calls are counted for themselves.
    again = await edge.socket("X-Api-Key: topsecret-a")
    resumed = {"session": welcome["session"], "stream": welcome["stream"], "received": 1}
    again.say("rpc.hello", {"protocol": 1, **resumed})
    assert (await again.hear())["result"]["resumed"]
    for id in (3, 4):
        again.say("calculator.add", [1, 2], id=id)
        (await root.next_call()).reply(3)
        assert (await again.hear())["id"] == id
    await again.leave(1000)
    found = await lines(built, clock)
    ended = [(line["principal"], line["calls"], line["close"]) for line in found if "socket" in line]
    assert ended == [("key:alice", 1, 1006), ("key:alice", 2, 1000)]
    for secret in welcome["session"], welcome["stream"]:
        assert secret not in built.log.getvalue()
