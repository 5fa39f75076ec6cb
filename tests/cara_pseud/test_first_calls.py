"""Calls made before the server has said what it understands: none goes without what belongs to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest
import zmq

from cara_pseud.capabilities import CallOptions
from cara_pseud.client import Client
from cara_pseud.dispatch import current_call
from cara_pseud.errors import Unavailable
from cara_pseud.server import Server
from tests.cara_pseud.waiting import until_readable, until_state
from tests.clock import MovedClock

AT_ONCE = 50
GATE: dict[str, Any] = {"security_plugin": "plain", "user_id": b"gate", "password": b"_", "timeout": 15}


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 30))


def options(number: int) -> CallOptions:
    return CallOptions(10, f"request {number}", "ann", "trace", f"key {number}", ("admin", "clerk"))


class Service:
    """A server at a fixed endpoint, and what it knows of the calls it got."""

    def __init__(self, endpoint: str) -> None:
        self.server = Server(b"server", security_plugin="trusted_peer", gateways=[b"gate"])
        self.server.bind(endpoint)
        self.begun = self.cancelled = 0
        self.server.register_rpc(self.told)
        self.server.register_rpc(self.for_ever)

    def told(self) -> list[Any]:
        call = current_call()
        assert call.deadline is not None
        assert 0 < call.deadline - asyncio.get_running_loop().time() <= 10
        return [call.request_id, call.principal, call.traceparent, call.idempotency_key, list(call.roles)]

    async def for_ever(self) -> None:
        self.begun += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def first_calls(client: Client, service: Service) -> None:
    """Make calls at once; all must arrive with everything, and those that are given up be cancelled."""
    calls = [client.request("told", options=options(number)) for number in range(AT_ONCE)]
    slow = [client.request("for_ever", options=options(number)) for number in range(AT_ONCE)]
    never_sent = client.request("for_ever", options=options(0))
    assert client.connections[0].version is None
    never_sent.cancel()
    for number, call in enumerate(calls):
        assert await call == (f"request {number}", "ann", "trace", f"key {number}", ("admin", "clerk"))
    while service.begun < AT_ONCE:
        await asyncio.sleep(0.002)
    for call in slow:
        call.cancel()
    while service.cancelled < AT_ONCE:
        await asyncio.sleep(0.002)
    assert service.begun == AT_ONCE


def test_the_first_calls_arrive_with_all_that_belongs_to_them_and_can_be_given_up() -> None:
    async def main() -> None:
        service = Service("tcp://127.0.0.1:*")
        client = Client(b"server", **GATE)
        endpoint = service.server.endpoint
        client.connect(endpoint)
        async with client:
            async with service.server:
                await first_calls(client, service)
            await until_state(client, "connecting", "down")
            # It says "down" when it has waited for long enough; then calls fail, and none arrives later.
            await until_state(client, "down", "up")
            with pytest.raises(Unavailable):
                await client.request("told", options=options(0))
            again = Service(endpoint)
            async with again.server:
                while client.state == "down":
                    await asyncio.sleep(0)
                await first_calls(client, again)

    run(main())


class Router:
    """A server of which the test says when it answers what."""

    def __init__(self) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.linger = 0
        self._router.routing_id = b"server"
        self.endpoint = f"tcp://127.0.0.1:{self._router.bind_to_random_port('tcp://127.0.0.1')}"

    async def call(self) -> tuple[bytes, bytes, Any]:
        """Routing id, uuid and content of the next call, which must come alone."""
        await until_readable(self._router)
        routing_id, _, _, uid, kind, body = self._router.recv_multipart()
        assert kind == b"\x03"
        return routing_id, uid, msgpack.unpackb(body)

    def has_more(self) -> bool:
        return bool(self._router.poll(100))

    def answer(self, routing_id: bytes, uid: bytes, value: Any) -> None:
        self._router.send_multipart([routing_id, b"", b"v1", uid, b"\x01", msgpack.packb(value)])

    def close(self) -> None:
        self._router.close()
        self._context.term()


@pytest.fixture
def router() -> Iterator[Router]:
    router = Router()
    yield router
    router.close()


NEEDS = {
    "a principal": CallOptions(principal="ann"),
    "roles": CallOptions(roles=("admin",)),
    "an idempotency key": CallOptions(idempotency_key="key"),
}


@pytest.mark.parametrize("needed", NEEDS.values(), ids=NEEDS)
def test_after_two_seconds_of_silence_calls_go_bare_that_can(router: Router, connected: Any, needed: Any) -> None:
    async def main() -> None:
        async with connected(router.endpoint, timeout=60) as client:
            plain = client.add(1, 2)
            timed = client.request("add", (3, 4), options=CallOptions(timeout=50, request_id="r", traceparent="t"))
            waits = client.request("add", (5, 6), options=needed._replace(timeout=40))
            routing_id, greeting_uid, (name, _, _) = await router.call()
            assert name == "cara:hello"
            assert not router.has_more()
            clock = MovedClock()
            await clock.advance(1.5)
            assert not router.has_more()
            assert client.state == "connecting"
            await clock.advance(1.5)
            for call, numbers in ((plain, [1, 2]), (timed, [3, 4])):
                _, uid, said = await router.call()
                assert said == ["add", numbers, {}]
                router.answer(routing_id, uid, sum(numbers))
                assert await call == sum(numbers)
            assert client.state == "up"
            assert not waits.done()
            # Later calls need not wait, or wait likewise.
            later = client.add(7, 8)
            _, uid, said = await router.call()
            assert said == ["add", [7, 8], {}]
            router.answer(routing_id, uid, 15)
            assert await later == 15
            assert not router.has_more()

            router.answer(routing_id, greeting_uid, {"version": 2, "incarnation": b"s" * 16})
            _, uid, (name, (metadata, inner, args), _) = await router.call()
            assert (name, inner, args) == ("cara:call", "add", [5, 6])
            assert 30_000 < metadata.pop("deadline_ms") <= 37_000
            assert metadata == {
                field: list(value) if type(value) is tuple else value
                for field, value in needed._asdict().items() if value
            }  # fmt: skip
            router.answer(routing_id, uid, 11)
            assert await waits == 11
            assert client.connections[0].version == 2

    asyncio.run(main())  # without a bound: its clock is moved, too


def test_a_call_that_waits_for_the_greeting_ends_with_its_deadline_and_says_why(router: Router, connected: Any) -> None:
    async def main() -> None:
        async with connected(router.endpoint, timeout=60) as client:
            waits = client.request("add", (5, 6), options=CallOptions(timeout=4, principal="ann"))
            await router.call()
            clock = MovedClock()
            await clock.advance(5)
            with pytest.raises(Unavailable, match="does not answer the greeting"):
                await waits
            assert not router.has_more()

    asyncio.run(main())  # without a bound: its clock is moved, too
