"""What is counted, and that it goes down again."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cara_pseud.errors import Unavailable
from gateway.catalogue import Service
from tests.conformance import rfc6455
from tests.gateway.http.conftest import Edge

pytestmark = pytest.mark.gen_test

ADD = "/api/calculator/add"
GAUGES = ("sessions", "streams", "sockets", "handles", "callbacks", "calls_in_flight")


async def gauges(edge: Edge) -> dict[str, float]:
    """Those that are not 0."""
    metrics = await edge.metrics()
    return {name: metrics[name] for name in GAUGES if metrics[name]}


async def test_the_text_is_what_prometheus_reads(edge: Edge) -> None:
    answer = await edge.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    text = answer.body.decode()
    assert text.endswith("\n")
    kinds = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"# TYPE (\w+) (counter|gauge)", line):
            kinds[match[1]] = match[2]
            continue
        assert re.fullmatch(r"# HELP cara_gateway_\w+ .*\.|cara_gateway_\w+(\{(\w+=\"[^\"]*\",?)+\})? [0-9.e+]+", line)
        name = line.split(" ")[2] if line.startswith("#") else re.split(r"[{ ]", line)[0]
        # A metric's kind stands before its samples.
        assert line.startswith("# HELP") or name in kinds
    assert {name.endswith("_total") for name, kind in kinds.items() if kind == "counter"} == {True}
    assert {name.endswith("_total") for name, kind in kinds.items() if kind == "gauge"} == {False}
    assert len(kinds) == 20
    head = await edge.request("HEAD", "/metrics")
    assert (head.code, head.body) == (200, b"")


async def test_needless_refusals_of_the_codec_are_told_by_service(edge: Edge, services: Any) -> None:
    services["addressbook"].codec._conversions.needless.count = 3
    metrics = await edge.metrics()
    told = [metrics[f'needless_refusals_total{{service="{name}"}}'] for name in ("calculator", "addressbook")]
    assert told == [0, 3]


async def test_requests_are_counted_by_status(edge: Edge) -> None:
    for path in ("/healthz", "/healthz", "/nothing", ADD):
        await edge.get(path)
    metrics = await edge.metrics()
    # The request for the metrics is answered when they are written.
    assert [metrics[f'requests_total{{status="{status}"}}'] for status in (200, 404, 405)] == [2, 1, 1]


async def test_calls_and_failures_are_counted_by_method(edge: Edge, root: Any, fakes: Any) -> None:
    thing = fakes.Object()
    await edge.post(ADD, ["x"])
    asked = edge.asks("POST", "/api/calculator/accumulator", {}, session := await edge.session())
    (await root.next_call()).reply(thing)
    await asked
    token = (await edge.get("/api/session", session)).body.decode().split('"$handle":"')[1].split('"')[0]
    thing.error = root.error = Unavailable()
    for _ in range(2):
        await edge.post(f"/api/handles/{token}/add", {"value": 1}, session)
    await edge.post(ADD, [1, 2])
    metrics = await edge.metrics()
    calls = {name: value for name, value in metrics.items() if name.startswith("call") and "{" in name and value}
    assert calls == {
        'calls_total{service="calculator",method="add"}': 2,
        'calls_total{service="calculator",method="accumulator"}': 1,
        'calls_total{service="calculator",method="Calculator.Accumulator.add"}': 2,
        'call_failures_total{service="calculator",method="add",code="invalid_argument"}': 1,
        'call_failures_total{service="calculator",method="add",code="unavailable"}': 1,
        'call_failures_total{service="calculator",method="Calculator.Accumulator.add",code="unavailable"}': 2,
    }


async def test_a_service_is_up_or_not(edge: Edge, addressbook: Service) -> None:
    for state, value in (("up", 1), ("connecting", 0), ("down", 0), ("up", 1)):
        addressbook.upstream.state = state  # type: ignore[misc]
        metrics = await edge.metrics()
        assert metrics['service_up{service="addressbook"}'] == value
        assert metrics['service_up{service="calculator"}'] == 1


async def test_what_is_held_is_counted_and_let_go(edge: Edge, root: Any, fakes: Any) -> None:
    assert await gauges(edge) == {}
    socket = await edge.socket()
    # A socket that says no hello has a session that nobody can find.
    assert await gauges(edge) == {"sockets": 1}
    socket.say("rpc.hello", {"protocol": 1})
    session = {"Session-Id": (await socket.hear())["result"]["session"]}
    assert await gauges(edge) == {"sockets": 1, "streams": 1, "sessions": 1}
    socket.say("calculator.accumulator", {}, id=2)
    (await root.next_call()).reply(fakes.Object())
    await socket.hear()
    socket.say("calculator.map", {"values": [1], "transform": {"$callback": "f"}}, id=3)
    asked = edge.asks("POST", ADD, [1, 2])
    calls = [await root.next_call() for _ in range(2)]
    held = {"sockets": 1, "streams": 1, "sessions": 1, "handles": 1, "callbacks": 1, "calls_in_flight": 2}
    assert await gauges(edge) == held
    for call in calls:
        call.reply(7 if call.method == "add" else [])
    await asked
    assert await gauges(edge) == {name: value for name, value in held.items() if name != "calls_in_flight"}
    await edge.request("DELETE", "/api/session", None, session)
    assert await gauges(edge) == {"sockets": 1}
    while (await socket.frame())[0] != rfc6455.FINAL | rfc6455.CLOSE:
        continue
    socket.send(rfc6455.close(4002))
    assert await socket.rest() == b""
    assert await gauges(edge) == {}
