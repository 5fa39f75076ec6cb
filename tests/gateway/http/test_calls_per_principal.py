"""Callers with a name are counted by it, whichever door and address they come through, and hold nobody else up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.access.principals import Principal
from gateway.catalogue import Service
from gateway.config.rates import Rate, RatesConfig
from gateway.http.proxies import Proxies
from tests.gatekeeper import FakeGatekeeper
from tests.gateway.http.conftest import Edge
from tests.gateway.http.test_too_many_calls import ADD, PARAMS, Answering

pytestmark = pytest.mark.gen_test

ALICE = {"X-Api-Key": "a"}
BOB = {"X-Api-Key": "b"}


@pytest.fixture
def rates() -> RatesConfig:
    return RatesConfig(per_principal=Rate(3, 60), per_address=Rate(1, 60))


@pytest.fixture
def gatekeeper() -> FakeGatekeeper:
    return FakeGatekeeper({"a": Principal("key:alice"), "b": Principal("key:bob")}, is_required=False)


@pytest.fixture
def proxies() -> Proxies:
    return Proxies(["127.0.0.1"])


@pytest.fixture
def service(calculator: Service) -> Answering:
    made = Answering(calculator.upstream.root)
    calculator.upstream.root = made  # type: ignore[assignment, misc]
    return made


async def statuses(edge: Edge, headers: dict[str, str], count: int) -> list[int]:
    return [(await edge.post(ADD, PARAMS, headers)).code for _ in range(count)]


async def test_another_address_gives_a_principal_no_more(edge: Edge, service: Answering) -> None:
    told = []
    for last in range(5):
        told += await statuses(edge, {**ALICE, "X-Forwarded-For": f"192.0.2.{last}"}, 1)
    assert told == [200, 200, 200, 429, 429]


async def test_principals_of_one_address_have_a_count_each_and_strangers_another(
    edge: Edge, service: Answering
) -> None:
    assert await statuses(edge, ALICE, 5) == [200, 200, 200, 429, 429]
    assert await statuses(edge, BOB, 4) == [200, 200, 200, 429]
    assert await statuses(edge, {}, 2) == [200, 429]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"first": 2', {}, 400),
        (b'{"first": "two"}', {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Request-Timeout": "soon"}, 400),
    ],
)
async def test_a_call_that_could_not_be_read_counts_as_well(
    edge: Edge, service: Answering, body: bytes, headers: dict[str, str], status: int
) -> None:
    said = {"Content-Type": "application/json", **ALICE, **headers}
    told = [await edge.request("POST", ADD, body, said) for _ in range(4)]
    assert [answer.code for answer in told] == [status] * 3 + [429]
    assert told[0].headers["RateLimit"] == '"per_principal";r=2;t=20'
    assert service.calls == 0


async def test_it_is_told_whose_count_it_was(edge: Edge, service: Answering) -> None:
    answer = await edge.post(ADD, PARAMS, ALICE)
    assert answer.headers["RateLimit-Policy"] == '"per_principal";q=3;w=60'
    assert (await edge.post(ADD, PARAMS)).headers["RateLimit-Policy"] == '"per_address";q=1;w=60'


async def test_doors_share_the_count_of_a_principal(edge: Edge, service: Answering) -> None:
    assert await statuses(edge, ALICE, 1) == [200]
    batch = [{"jsonrpc": "2.0", "id": 1, "method": "calculator.add", "params": [2, 5]}]
    assert "result" in json.loads((await edge.post("/rpc", batch, ALICE)).body)[0]
    socket = await edge.socket()
    socket.say("rpc.hello", {"protocol": 1, "token": "a"})
    await socket.hear()
    told: list[Any] = []
    for id in range(2):
        socket.say("calculator.add", PARAMS, id)
        told.append(await socket.hear())
    assert "result" in told[0]
    assert told[1]["error"]["data"]["reason"] == "per_principal"


async def test_a_second_socket_or_session_gives_no_more(edge: Edge, service: Answering) -> None:
    for _ in range(3):
        socket = await edge.socket()
        socket.say("rpc.hello", {"protocol": 1, "token": "a"})
        await socket.hear()
        socket.say("calculator.add", PARAMS, 2)
        assert "result" in await socket.hear()
    header = {**ALICE, "Session-Id": (await edge.post("/api/session", None, ALICE)).headers["Session-Id"]}
    assert await statuses(edge, header, 1) == [429]


async def test_who_proves_nothing_is_refused_before_anything_is_counted(edge: Edge, service: Answering) -> None:
    assert await statuses(edge, {"X-Api-Key": "forged"}, 5) == [401] * 5
    assert await statuses(edge, {}, 1) == [200]
