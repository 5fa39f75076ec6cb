"""Sockets that say hello and leave: they take no places from those who come to work."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.limits import Limits
from tests.gateway.http.conftest import Edge

pytestmark = pytest.mark.gen_test
HELLO = {"protocol": 1}


@pytest.fixture
def limits() -> Limits:
    return Limits(max_sessions=20, max_sessions_per_address=4)


async def test_clients_that_come_and_go_keep_nobody_out(edge: Edge, root: Any) -> None:
    page = await edge.socket()
    page.say("rpc.hello", HELLO)
    told = (await page.hear())["result"]
    page.say("calculator.add", [2, 5], 2)
    (await root.next_call()).reply(7)
    assert (await page.hear())["result"] == {"result": 7}
    await page.close()  # it may come back: it was told something
    for _ in range(10):
        stranger = await edge.socket()
        stranger.say("rpc.hello", HELLO)
        assert "session" in (await stranger.hear())["result"]
        await stranger.close()
    assert (await edge.metrics())["sessions"] == 4
    again = await edge.socket()
    again.say("rpc.hello", {**HELLO, "session": told["session"], "stream": told["stream"], "received": 1})
    assert (await again.hear())["result"]["resumed"]


async def test_nobody_goes_who_is_there(edge: Edge) -> None:
    sockets = [await edge.socket() for _ in range(5)]
    answers = []
    for socket in sockets:
        socket.say("rpc.hello", HELLO)
        answers.append(await socket.hear())
    assert ["session" in answer.get("result", {}) for answer in answers] == [True] * 4 + [False]
    data = answers[-1]["error"]["data"]
    assert (data["code"], data["retry_after"]) == ("resource_exhausted", 60)
    assert data["detail"].startswith("there are 4 sessions already, as many as max_sessions_per_address permits")
    assert (await edge.metrics())['refused_total{reason="max_sessions_per_address"}'] == 1
