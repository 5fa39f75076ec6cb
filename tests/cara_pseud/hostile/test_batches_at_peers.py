"""Several messages in one: what is taken for a batch, in which order it is worked off, and whom it delays."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cara_pseud import batches
from cara_pseud.batches import MAX_BYTES, MAX_MESSAGES
from cara_pseud.errors import ProtocolError
from tests.cara_pseud.waiting import until_readable

UID = b"u" * 16
GREETING = msgpack.packb(("cara:hello", ({"version": 2, "incarnation": b"i" * 16},), {}))
WORK = b"\x03"

MESSAGES = st.tuples(st.binary(min_size=16, max_size=16), st.sampled_from([b"\x01", WORK, b"\x10"]), st.binary())
SCALARS = st.none() | st.booleans() | st.integers(-5, 300) | st.binary(max_size=20) | st.text(max_size=3) | st.floats()
SHAPES = st.recursive(
    SCALARS | MESSAGES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 3), inner)
)


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 30))


def call(name: str, *args: Any) -> bytes:
    body: bytes = msgpack.packb((name, args, {}))
    return body


async def receive(dealer: Any) -> list[tuple[bytes, bytes, bytes]]:
    await until_readable(dealer)
    _, _, uid, kind, body = dealer.recv_multipart()
    return [tuple(inner) for inner in msgpack.unpackb(body)] if kind == b"\x21" else [(uid, kind, body)]


async def answers(dealer: Any, number: int) -> dict[bytes, Any]:
    """So many answers by their uuids, in the order in which they came."""
    got: dict[bytes, Any] = {}
    while len(got) < number:
        for uid, _, body in await receive(dealer):
            got[uid] = msgpack.unpackb(body)
    return got


async def greet(dealer: Any, body: bytes = GREETING) -> None:
    dealer.send_multipart([b"", b"v1", b"g" * 16, WORK, body])
    assert (await answers(dealer, 1)).keys() == {b"g" * 16}


def send_batch(dealer: Any, *inner: Any) -> None:
    dealer.send_multipart([b"", b"v1", b"", b"\x21", msgpack.packb(inner)])


@given(SHAPES)
def test_what_is_taken_for_a_batch_holds_whole_messages(shape: Any) -> None:
    try:
        messages = batches.parse(msgpack.packb(shape))
    except ProtocolError:
        return
    for uid, kind, body in messages:
        assert (type(uid), len(uid), type(body)) == (bytes, 16, bytes)
        assert kind in (b"\x01", WORK, b"\x10")


@given(st.binary(max_size=60))
def test_random_bytes_are_refused_or_hold_whole_messages(data: bytes) -> None:
    with suppress(ProtocolError):
        assert all(len(uid) == 16 for uid, _, _ in batches.parse(data))


@given(st.lists(MESSAGES | st.tuples(st.just(UID), st.just(WORK), st.integers(0, 80_000).map(bytes)), max_size=400))
def test_what_is_put_together_comes_apart_in_the_same_order(messages: list[batches.Message]) -> None:
    apart: list[batches.Message] = []
    for (uid, kind, body), stands_for in batches.together(messages):
        inner = batches.parse(body) if kind == b"\x21" else [(uid, kind, body)]
        assert len(inner) == stands_for <= MAX_MESSAGES
        assert kind != b"\x21" or len(body) <= MAX_BYTES
        apart += inner
    assert apart == messages


MALFORMED = {
    "a map": {0: (UID, WORK, call("counted"))},
    "nothing": None,
    "much more than 64 KiB": [(UID, WORK, call("counted")), (UID, WORK, bytes(2 * MAX_BYTES))],
    "text": "text",
    "one message too many": [(UID, WORK, call("counted"))] * (MAX_MESSAGES + 1),
    "a bad one at the end": [(UID, WORK, call("counted")), (UID, WORK)],
    "four parts": [(UID, WORK, call("counted")), (UID, WORK, b"", b"")],
    "a short uuid": [(UID, WORK, call("counted")), (UID[:15], WORK, b"")],
    "a text for a uuid": [(UID, WORK, call("counted")), ("u" * 16, WORK, b"")],
    "a heartbeat": [(UID, WORK, call("counted")), (UID, b"\x06", b"")],
    "a login": [(UID, WORK, call("counted")), (UID, b"\x02", b"")],
    "a batch in a batch": [(UID, WORK, call("counted")), (UID, b"\x21", msgpack.packb([(UID, WORK, b"")]))],
    "no type": [(UID, WORK, call("counted")), (UID, b"", b"")],
    "a text for a body": [(UID, WORK, call("counted")), (UID, WORK, "x")],
    "an object": [(UID, WORK, call("counted")), msgpack.ExtType(100, b"\x07")],
}


@pytest.mark.parametrize("shape", MALFORMED.values(), ids=MALFORMED)
def test_of_a_malformed_batch_nothing_runs(serving: Any, raw_dealer: Any, shape: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            calls: list[int] = []
            server.register_rpc(lambda: calls.append(1), name="counted")
            dealer = raw_dealer(server.endpoint)
            await greet(dealer)
            dealer.send_multipart([b"", b"v1", b"", b"\x21", msgpack.packb(shape)])
            send_batch(dealer, (UID, WORK, call("counted")))
            assert await answers(dealer, 1) == {UID: None}
            assert calls == [1]
            assert server.dropped == {"malformed batch": 1}

    run(main())


@pytest.mark.parametrize("greeting", [None, ("cara:hello", ({"version": 1},), {}), ("cara:hello", ({},), {}),
                                      ("cara:hello", ({"version": 2},), {})])  # fmt: skip
def test_a_batch_counts_only_from_who_greeted_with_version_2(serving: Any, raw_dealer: Any, greeting: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            calls: list[int] = []
            server.register_rpc(lambda: calls.append(1), name="counted")
            dealer = raw_dealer(server.endpoint)
            if greeting is not None:
                await greet(dealer, msgpack.packb(greeting))
            send_batch(dealer, (UID, WORK, call("counted")))
            dealer.send_multipart([b"", b"v1", b"w" * 16, WORK, call("counted")])
            assert await answers(dealer, 1) == {b"w" * 16: None}
            assert calls == [1]
            assert server.dropped == {"batch of a peer that did not greet": 1}

    run(main())


def test_answers_do_not_wait_for_a_slow_call_of_the_same_batch(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            released = asyncio.Event()
            server.register_rpc(released.wait, name="slow")
            server.register_rpc(lambda value: value, name="echo")
            dealer = raw_dealer(server.endpoint)
            await greet(dealer)
            uids = [number.to_bytes(16, "big") for number in range(64)]
            send_batch(dealer, (UID, WORK, call("slow")), *[(uid, WORK, call("echo", uid)) for uid in uids])
            assert await answers(dealer, 64) == {uid: uid for uid in uids}
            released.set()
            assert await answers(dealer, 1) == {UID: True}

    run(main())


def test_what_comes_behind_a_call_that_blocks_the_loop_waits_for_it_only(serving: Any, raw_dealer: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            blocked_s = 0.3
            ended: list[float] = []

            def block() -> None:
                # A handler that blocks the loop is what this is about.
                time.sleep(blocked_s)
                ended.append(time.monotonic())

            server.register_rpc(block)
            server.register_rpc(lambda value: value, name="echo")
            dealer = raw_dealer(server.endpoint)
            await greet(dealer)
            uids = [number.to_bytes(16, "big") for number in range(20)]
            calls = [(uid, WORK, call("echo", uid)) for uid in uids]
            send_batch(dealer, *calls[:10], (UID, WORK, call("block")), *calls[10:])
            got = await answers(dealer, 21)
            assert list(got) == [*uids[:10], UID, *uids[10:]]
            assert time.monotonic() - ended[0] < 0.2

    run(main())


def test_bodies_of_all_sizes_keep_their_order(serving: Any, connected: Any) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            seen: list[int] = []

            def take(number: int, ballast: bytes) -> bytes:
                seen.append(number)
                return ballast

            server.register_rpc(take)
            await client.take(-1, b"")
            sizes = [0, 70_000, 10, 10, 65_536, 65_480, 30_000, 40_000, 5, 200_000] * 20
            calls = [client.take(number, bytes(size)) for number, size in enumerate(sizes)]
            answered: list[int] = []
            for number, made in enumerate(calls):
                made.add_done_callback(lambda _, number=number: answered.append(number))
            assert [len(ballast) for ballast in await asyncio.gather(*calls)] == sizes
            assert seen == list(range(-1, len(sizes)))
            assert answered == list(range(len(sizes)))

    run(main())


def test_a_peer_with_many_calls_in_batches_delays_another_one_by_a_few_turns(
    serving: Any, connected: Any, raw_dealer: Any
) -> None:
    async def main() -> None:
        async with serving() as server, connected(server.endpoint) as client:
            worked_off = 0

            def work() -> None:
                nonlocal worked_off
                worked_off += 1
                # A handler that takes some time, so that many of them take more than a turn.
                time.sleep(0.0002)

            server.register_rpc(work)
            server.register_rpc(lambda: worked_off, name="so_far")
            await client.so_far()
            dealer = raw_dealer(server.endpoint, rcvhwm=0)
            await greet(dealer)
            batch = [(number.to_bytes(16, "big"), WORK, call("work")) for number in range(MAX_MESSAGES)]
            for _ in range(20):
                send_batch(dealer, *batch)
            while not worked_off:
                await asyncio.sleep(0)
            between: list[int] = []
            while (begun := worked_off) < 4000:
                between.append(await client.so_far() - begun)
            # So much waits that nothing is read but one batch more whenever one has been worked off.
            assert between
            assert max(between) <= 3 * MAX_MESSAGES, between

    run(main())
