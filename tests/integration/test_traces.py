"""A trace from a client through the gateway to a service, and back into a callback, as a collector sees it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from tests.integration.running_gateway import Running, running
from tests.otlp_receiver import Receiver, TakenSpan, receiving

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


def traced(receiver: Receiver, more: str = "") -> str:
    return f'[gateway.tracing]\notlp = "{receiver.url}"\n{more}'


async def post(lobby: Running, path: str, headers: dict[str, str], body: Any = None) -> HTTPResponse:
    sent = {"Content-Type": "application/json", **headers}
    return await AsyncHTTPClient().fetch(
        lobby.gateway.url + path, method="POST", headers=sent, body=json.dumps(body or {}), raise_error=False
    )


def by_kind(spans: list[TakenSpan]) -> tuple[TakenSpan, TakenSpan]:
    """The gateway's span and the service's, of one call."""
    gateway, service = sorted(spans, key=lambda span: span.kind)
    assert (gateway.kind, service.kind) == (TakenSpan.SERVER, TakenSpan.CLIENT)
    return gateway, service


def test_a_call_over_rest_is_a_part_of_its_caller_s_trace(tmp_path: Path) -> None:
    async def main(receiver: Receiver) -> None:
        async with running(tmp_path, traced(receiver)) as lobby:
            said = {"Traceparent": TRACEPARENT, "Tracestate": "vendor=topsecret"}
            assert (await post(lobby, "/api/lobby/room", said)).code == 200
            answer = await AsyncHTTPClient().fetch(f"{lobby.gateway.url}/metrics", headers=OPENMETRICS)
            assert f'# {{trace_id="{TRACE}"}}'.encode() in answer.body

    with receiving() as receiver:
        asyncio.run(main(receiver))
        gateway, service = by_kind(receiver.spans)
        assert (gateway.trace, gateway.parent, gateway.state) == (TRACE, PARENT, "vendor=topsecret")
        assert (service.trace, service.parent) == (TRACE, gateway.id)
        assert gateway.name == service.name == "lobby/room"
        assert receiver.resources[0]["service.name"] == "cara-gateway"


OPENMETRICS = {"Accept": "application/openmetrics-text"}


@pytest.mark.parametrize("said", [{}, {"Traceparent": f"00-{'0' * 32}-{PARENT}-01"}])
def test_without_a_trace_or_with_a_wrong_one_a_new_one_begins(tmp_path: Path, said: dict[str, str]) -> None:
    async def main(receiver: Receiver) -> None:
        async with running(tmp_path, traced(receiver)) as lobby:
            assert (await post(lobby, "/api/lobby/room", said)).code == 200
            assert (await post(lobby, "/api/lobby/room", said)).code == 200

    with receiving() as receiver:
        asyncio.run(main(receiver))
        traces = {span.trace for span in receiver.spans}
        assert len(traces) == 2
        for trace in traces:
            gateway, service = by_kind([span for span in receiver.spans if span.trace == trace])
            assert (gateway.parent, service.parent) == ("", gateway.id)


def test_a_callback_belongs_to_the_trace_of_the_call_that_passed_it(tmp_path: Path) -> None:
    secret = "topsecret"

    async def main(receiver: Receiver) -> dict[str, Any]:
        async with running(tmp_path, traced(receiver)) as lobby:
            socket = await lobby.socket()
            call = {"jsonrpc": "2.0", "id": 1, "method": "lobby.greet", "params": [{"$callback": "greeter"}]}
            await socket.write_message(json.dumps({**call, "meta": {"traceparent": TRACEPARENT}}))
            request: dict[str, Any] = json.loads(str(await socket.read_message()))
            answer = {"jsonrpc": "2.0", "id": request["id"], "result": {"text": secret}}
            await socket.write_message(json.dumps(answer))
            assert json.loads(str(await socket.read_message()))["result"] == {"text": secret}
            socket.close()
            return request

    with receiving() as receiver:
        request = asyncio.run(main(receiver))
        assert {span.trace for span in receiver.spans} == {TRACE}
        spans = {span.name: [] for span in receiver.spans}  # type: dict[str, list[TakenSpan]]
        for span in receiver.spans:
            spans[span.name].append(span)
        _, service = by_kind(spans["lobby/greet"])
        (callback,) = spans["lobby/Lobby.Greeter.greet"]
        # The service had the trace from us, its call came back with it, and the client is told of the callback's span.
        assert (callback.kind, callback.parent) == (TakenSpan.CLIENT, service.id)
        assert request["meta"] == {"traceparent": f"00-{TRACE}-{callback.id}-01"}
        assert not any(secret.encode() in data for data in receiver.raw)
        assert {name for span in receiver.spans for name in span.attributes} == {"rpc.system.name", "rpc.method"}


def test_without_tracing_a_callback_has_the_caller_s_own_trace(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as lobby:
            socket = await lobby.socket()
            for meta in ({"traceparent": TRACEPARENT}, {}):
                call = {"jsonrpc": "2.0", "id": 1, "method": "lobby.greet", "params": [{"$callback": "greeter"}]}
                await socket.write_message(json.dumps({**call, "meta": meta}))
                request = json.loads(str(await socket.read_message()))
                assert request.get("meta", {}) == meta
                await socket.write_message(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": {"text": "a"}}))
                await socket.read_message()
            socket.close()

    asyncio.run(main())


def test_a_failed_call_is_told_by_its_code_and_a_refused_one_asks_nobody(tmp_path: Path) -> None:
    async def main(receiver: Receiver) -> None:
        async with running(tmp_path, traced(receiver)) as lobby:
            assert (await post(lobby, "/api/lobby/room", {}, {"no": "topsecret"})).code == 400
            assert (await post(lobby, "/api/lobby/slow", {"Request-Timeout": "0.05"})).code == 504

    with receiving() as receiver:
        asyncio.run(main(receiver))
        refused, *late = sorted(receiver.spans, key=lambda span: span.name)
        assert refused.attributes["rpc.response.status_code"] == "invalid_argument"
        assert not refused.is_failed
        assert [span.attributes["error.type"] for span in by_kind(late)] == ["deadline_exceeded"] * 2
        assert not any(b"topsecret" in data for data in receiver.raw)


@pytest.mark.parametrize("kind", ["hangs", "refuses", "is away"])
def test_a_bad_collector_costs_spans_and_nothing_else(tmp_path: Path, kind: str) -> None:
    async def main(receiver: Receiver) -> None:
        url = "http://127.0.0.1:1" if kind == "is away" else receiver.url
        async with running(tmp_path, f'[gateway.tracing]\notlp = "{url}"\n') as lobby:
            loop = asyncio.get_running_loop()
            for _ in range(300):
                began = loop.time()
                assert (await post(lobby, "/api/lobby/room", {})).code == 200
                assert loop.time() - began < 1
            text = (await AsyncHTTPClient().fetch(f"{lobby.gateway.url}/metrics")).body.decode()
            assert re.search(r'cara_gateway_spans_total\{result="lost"\} \d', text)
            assert 'cara_gateway_spans_total{result="sent"} 0' in text
            began = loop.time()
        assert loop.time() - began < 6  # a bound on the end, whatever the collector does

    with receiving(hangs=kind == "hangs", status=400) as receiver:
        asyncio.run(main(receiver))
