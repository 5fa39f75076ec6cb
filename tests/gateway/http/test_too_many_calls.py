"""Callers that call too often, over every door: what they are told, and what good ones beside them see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cara_pseud.errors import RpcError
from gateway.access.rates import Allowance
from gateway.catalogue import Service
from gateway.config.rates import Rate, RatesConfig
from gateway.http.proxies import Proxies
from gateway.http.rate_fields import rate_fields
from tests.clock import MovedClock
from tests.gateway.http.conftest import FRIEND, Edge, moves_time, problem

pytestmark = pytest.mark.gen_test

ADD = "/api/calculator/add"
PARAMS = {"first": 2, "second": 5}
OTHER = {"X-Forwarded-For": "192.0.2.7"}
"""Another client, behind the same proxy."""


@pytest.fixture
def rates() -> RatesConfig:
    return RatesConfig(per_address=Rate(3, 60))


@pytest.fixture
def proxies() -> Proxies:
    return Proxies(["127.0.0.1"])


class Answering:
    """A service that answers every call at once with 7.

    Attributes:
        calls: how many there were.
    """

    def __init__(self, root: Any) -> None:
        self.calls = 0
        self._root = root
        self.key = root.key

    def invoke(self, *arguments: Any) -> Any:
        self.calls += 1
        call = self._root.invoke(*arguments)
        call.reply(7)
        return call


@pytest.fixture
def service(calculator: Service) -> Answering:
    made = Answering(calculator.upstream.root)
    calculator.upstream.root = made  # type: ignore[assignment, misc]
    return made


async def test_over_rest_it_is_429_with_the_time_to_wait(edge: Edge, service: Answering) -> None:
    answers = [await edge.post(ADD, PARAMS) for _ in range(5)]
    assert [answer.code for answer in answers] == [200, 200, 200, 429, 429]
    refused = problem(answers[3])
    assert (refused["code"], refused["reason"], refused["retry_after"]) == ("resource_exhausted", "per_address", 20)
    assert (refused["service"], refused["method"]) == ("calculator", "add")
    assert [answer.headers.get("Retry-After") for answer in answers] == [None, None, None, "20", "20"]
    assert service.calls == 3


async def test_every_answer_to_a_call_says_what_is_left(edge: Edge, service: Answering) -> None:
    answers = [await edge.post(ADD, PARAMS) for _ in range(4)]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"per_address";q=3;w=60'}
    assert [answer.headers["RateLimit"] for answer in answers] == [
        f'"per_address";r={left};t=20' for left in (2, 1, 0, 0)
    ]


async def test_a_call_that_fails_says_it_too(edge: Edge, root: Any) -> None:
    root.error = RpcError("not_found", "no")
    answer = await edge.post(ADD, PARAMS)
    assert (answer.code, answer.headers["RateLimit"]) == (404, '"per_address";r=2;t=20')


async def test_what_is_no_call_is_not_counted(edge: Edge, service: Answering) -> None:
    for path in ("/api", "/healthz", "/openapi.json", "/", "/api/calculator"):
        for _ in range(5):
            answer = await edge.get(path)
            assert answer.code == 200
            assert "RateLimit" not in answer.headers
    assert (await edge.post(ADD, PARAMS)).code == 200


async def test_another_client_notices_nothing(edge: Edge, service: Answering) -> None:
    for _ in range(10):
        await edge.post(ADD, PARAMS)
    answer = await edge.post(ADD, PARAMS, OTHER)
    assert (answer.code, answer.headers["RateLimit"]) == (200, '"per_address";r=2;t=20')


@moves_time
async def test_after_that_time_there_is_one_more(edge: Edge, service: Answering, clock: MovedClock) -> None:
    for _ in range(4):
        await edge.post(ADD, PARAMS)
    await clock.advance(20)
    assert [(await edge.post(ADD, PARAMS)).code for _ in range(2)] == [200, 429]


async def test_each_call_of_a_batch_is_counted(edge: Edge, service: Answering) -> None:
    batch = [{"jsonrpc": "2.0", "id": id, "method": "calculator.add", "params": [2, 5]} for id in range(5)]
    answer = await edge.post("/rpc", batch)
    told = {message["id"]: message for message in json.loads(answer.body)}
    assert [told[id].get("result") for id in range(3)] == [{"result": 7}] * 3
    for id in (3, 4):
        assert told[id]["error"]["code"] == -32008
        assert told[id]["error"]["data"]["retry_after"] == 20
    assert answer.headers["RateLimit"] == '"per_address";r=0;t=20'
    assert service.calls == 3


async def test_on_a_socket_a_call_is_refused_and_the_stream_lives_on(edge: Edge, service: Answering) -> None:
    socket = await edge.socket()
    told = []
    for _ in range(5):
        socket.say("calculator.add", PARAMS)
        told.append(await socket.hear())
    assert [message.get("result") for message in told[:3]] == [{"result": 7}] * 3
    assert [message["error"]["code"] for message in told[3:]] == [-32008, -32008]
    assert [message["error"]["data"]["retry_after"] for message in told[3:]] == [20, 20]
    socket.say("rpc.describe", {"service": "calculator"}, 9)
    assert "result" in await socket.hear()


async def test_pings_cost_nothing(edge: Edge, service: Answering) -> None:
    socket = await edge.socket()
    socket.say("rpc.hello", {"protocol": 1})
    await socket.hear()
    for id in range(10):
        socket.say("rpc.ping", None, id)
        assert (await socket.hear())["result"] == {}
    socket.say("calculator.add", PARAMS)
    assert (await socket.hear())["result"] == {"result": 7}


async def test_doors_share_the_count(edge: Edge, service: Answering) -> None:
    await edge.post(ADD, PARAMS)
    await edge.post("/rpc", {"jsonrpc": "2.0", "id": 1, "method": "calculator.add", "params": [2, 5]})
    socket = await edge.socket()
    told = []
    for _ in range(2):
        socket.say("calculator.add", PARAMS)
        told.append("result" in await socket.hear())
    assert told == [True, False]


async def test_it_is_counted_who_was_refused(edge: Edge, service: Answering) -> None:
    for _ in range(5):
        await edge.post(ADD, PARAMS)
    assert (await edge.metrics())['refused_total{reason="per_address"}'] == 2


async def test_a_page_of_another_origin_may_read_when_to_come_back(edge: Edge, service: Answering) -> None:
    answers = [await edge.post(ADD, PARAMS, {"Origin": FRIEND}) for _ in range(4)]
    assert answers[3].code == 429
    exposed = answers[3].headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= set(exposed)


def test_the_fields_are_those_of_the_draft() -> None:
    assert dict(rate_fields(Allowance("per_principal", Rate(200, 1), 17, 1))) == {
        "RateLimit-Policy": '"per_principal";q=200;w=1',
        "RateLimit": '"per_principal";r=17;t=1',
    }
