"""What is counted, and that it goes down again."""

from __future__ import annotations

import gzip
import platform
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from cara_pseud.errors import Unavailable
from gateway.catalogue import Service
from gateway.http.metric_families import FAMILIES
from tests.conformance import rfc6455
from tests.gateway.http.conftest import Built, Edge, problem

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
        if match := re.fullmatch(r"# TYPE (\w+) (counter|gauge|histogram)", line):
            kinds[match[1]] = match[2]
            continue
        name = line.split(" ")[2] if line.startswith("#") else re.split(r"[{ ]", line)[0]
        assert name.startswith(("cara_gateway_", "process_", "python_"))
        # A metric's kind stands before its samples, and once.
        assert line.startswith("# HELP") or name in kinds or re.sub(r"_(bucket|count|sum)$", "", name) in kinds
    assert {name.endswith("_total") for name, kind in kinds.items() if kind == "counter"} == {True}
    assert {name.endswith("_total") for name, kind in kinds.items() if kind == "gauge"} == {False}
    own = [(name, kind) for name, kind in kinds.items() if name.startswith("cara_gateway_")]
    assert own == [(family.full_name, family.kind) for family in FAMILIES]
    assert len(list(text_string_to_metric_families(text))) == len(kinds)
    head = await edge.request("HEAD", "/metrics")
    assert (head.code, head.body) == (200, b"")


async def test_the_text_is_packed_for_whoever_unpacks_it(edge: Edge) -> None:
    answer = await edge.get("/metrics", {"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert gzip.decompress(answer.body).startswith(b"# HELP cara_gateway_build_info ")
    assert "Content-Encoding" not in (await edge.get("/metrics")).headers


async def test_the_process_is_told_of(edge: Edge) -> None:
    samples = await edge.metrics()
    assert samples["process_resident_memory_bytes"] > 1_000_000
    assert 3 < samples["process_open_fds"] <= samples["process_max_fds"]
    build = [name for name in samples if name.startswith("build_info{")]
    assert build == [f'build_info{{python="{platform.python_version()}",version="{version("cara-gateway")}"}}']


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


async def test_openmetrics_has_examples_of_traced_calls(edge: Edge, root: Any) -> None:
    for headers in ({"Traceparent": TRACEPARENT}, {"Traceparent": "00-nothing"}, {}):
        asked = edge.asks("POST", ADD, [1, 2], headers)
        (await root.next_call()).reply(3)
        await asked
    answer = await edge.get("/metrics", {"Accept": "application/openmetrics-text;q=0.5,text/plain;q=0.2"})
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    text = answer.body.decode()
    assert text.endswith("\n# EOF\n")
    families = {family.name: family for family in openmetrics_families(text)}
    samples = families["cara_gateway_call_duration_seconds"].samples
    assert [sample.value for sample in samples if sample.labels.get("le") == "+Inf"] == [3]
    examples = [sample.exemplar for sample in samples if sample.exemplar is not None]
    assert [example.labels for example in examples] == [{"trace_id": TRACE}]
    assert 0 < examples[0].value < 10
    assert text.count("trace_id") == 1
    assert "trace_id" not in (await edge.get("/metrics")).body.decode()


async def test_how_long_calls_took_is_told_by_method(edge: Edge, root: Any) -> None:
    asked = edge.asks("POST", ADD, [1, 2])
    call = await root.next_call()
    in_flight = 'method_calls_in_flight{method="add",service="calculator"}'
    assert (await edge.metrics())[in_flight] == 1
    call.reply(3)
    await asked
    await edge.post(ADD, ["x"])  # nobody was asked
    metrics = await edge.metrics()
    assert metrics[in_flight] == 0
    told = {name: value for name, value in metrics.items() if name.startswith("call_duration_seconds") and value}
    assert told.pop('call_duration_seconds_count{method="add",service="calculator"}') == 1
    assert 0 < told.pop('call_duration_seconds_sum{method="add",service="calculator"}') < 10
    buckets = [re.search(r'le="([^"]+)"', name)[1] for name in told]  # type: ignore[index]
    assert buckets[-2:] == ["10.0", "+Inf"]
    assert set(told.values()) == {1}


async def test_what_colleagues_count_is_told(edge: Edge, built: Built) -> None:
    site = built.application.site
    site.authentication_failures.count("key")
    site.reloads.success(1_700_000_000.0)
    site.reloads.failure()
    metrics = await edge.metrics()
    assert metrics['authentication_failures_total{kind="key"}'] == 1
    assert [metrics[f'reloads_total{{result="{result}"}}'] for result in ("success", "failure")] == [1, 1]
    assert (metrics["last_reload_timestamp_seconds"], metrics["last_reload_failed"]) == (1.7e9, 1)


async def test_a_fault_while_metrics_are_read_is_an_error_like_others(edge: Edge, built: Built) -> None:
    class Broken:
        def collect(self) -> Iterator[Metric]:
            raise ValueError("a secret of the gateway's own")

    built.application.site.registry.register(Broken())  # type: ignore[arg-type]
    answer = await edge.get("/metrics")
    assert problem(answer)["code"] == "internal"
    assert (await edge.get("/healthz")).code == 200


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
    calls = {name: value for name, value in metrics.items() if re.match(r"call(s|_failures)_total", name) and value}
    assert calls == {
        'calls_total{method="add",service="calculator"}': 2,
        'calls_total{method="accumulator",service="calculator"}': 1,
        'calls_total{method="Calculator.Accumulator.add",service="calculator"}': 2,
        'call_failures_total{code="invalid_argument",method="add",service="calculator"}': 1,
        'call_failures_total{code="unavailable",method="add",service="calculator"}': 1,
        'call_failures_total{code="unavailable",method="Calculator.Accumulator.add",service="calculator"}': 2,
    }


async def test_a_service_is_up_or_not(edge: Edge, addressbook: Service) -> None:
    for state, value in (("up", 1), ("connecting", 0), ("down", 0), ("up", 1)):
        addressbook.upstream.state = state  # type: ignore[misc]
        metrics = await edge.metrics()
        assert metrics['service_up{service="addressbook"}'] == value
        assert metrics['service_up{service="calculator"}'] == 1
        told = [name for name in metrics if name.startswith('service_state{service="addressbook"') and metrics[name]]
        assert told == [f'service_state{{service="addressbook",state="{state}"}}']
        told = [name for name in metrics if re.match('endpoint_state.*service="addressbook"', name) and metrics[name]]
        assert told == [f'endpoint_state{{endpoint="1",service="addressbook",state="{state}"}}']
        assert metrics['endpoint_calls_in_flight{endpoint="1",service="addressbook"}'] == 3


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
