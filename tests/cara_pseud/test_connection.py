"""Who a peer is: the greeting and all that can come of it, and how messages leave; without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cara_pseud import errors, wire
from cara_pseud.greeting import Greeting
from tests.cara_pseud.lone_host import Host

VERSION_2 = Greeting(2, b"i" * 16)


def run(main: Callable[[Host], Coroutine[Any, Any, None]]) -> None:
    async def play() -> None:
        host = Host()
        await main(host)
        host.deadlines.close()

    asyncio.run(play())


def greeting_of(host: Host) -> bytes:
    """The uid of the one greeting that was sent."""
    [(uid, kind, body)] = host.sent
    host.sent.clear()
    assert (kind, host.codec.unpackb(body)) == (wire.WORK, ["cara:hello", [{"version": 2}], {}])
    return uid


def test_the_greeting_is_sent_once_and_its_answer_says_who_is_there() -> None:
    async def main(host: Host) -> None:
        connection = host.connection
        assert not connection.greets
        assert connection.greet() is connection.greet() is True
        assert connection.greets
        uid = greeting_of(host)
        connection.answer(uid, True, host.codec.packb({"version": 2, "incarnation": b"i" * 16}))
        assert (connection.version, connection.extended, connection.greeting) == (2, True, VERSION_2)
        assert host.heard == [("greeted", 2, None)]
        assert connection.greet() is True
        assert host.sent == []

    run(main)


def test_who_does_not_know_the_greeting_is_an_original_peer() -> None:
    async def main(host: Host) -> None:
        host.connection.greet()
        error = wire.error_triple(errors.RemoteError("ServiceNotFoundError", "cara:hello"))
        host.connection.answer(greeting_of(host), False, host.codec.packb(error))
        assert (host.connection.version, host.connection.extended) == (0, False)

    run(main)


@pytest.mark.parametrize("error", [errors.Unauthenticated("no"), errors.Unavailable("being stopped")])
def test_a_refused_greeting_is_told_and_may_be_sent_again(error: errors.RpcError) -> None:
    async def main(host: Host) -> None:
        host.connection.greet()
        host.connection.fail(greeting_of(host), error)
        await host.turn()
        assert host.heard == [error]
        assert host.connection.version is None
        assert not host.connection.greets
        host.connection.greet()
        greeting_of(host)

    run(main)


def test_a_greeting_that_nobody_takes_is_none() -> None:
    async def main(host: Host) -> None:
        host.there = False
        assert host.connection.greet() is False
        host.there = True
        host.refuses.append(errors.ResourceExhausted("full"))
        assert host.connection.greet() is False
        host.refuses.append(errors.Unauthenticated("the plugin would not"))
        with pytest.raises(errors.Unauthenticated):
            host.connection.greet()
        assert (host.connection.pending, host.connection.greets) == ({}, False)

    run(main)


def test_the_answer_to_a_greeting_of_an_earlier_connection_counts_for_nothing() -> None:
    async def main(host: Host) -> None:
        connection = host.connection
        connection.greet()
        uid = greeting_of(host)
        connection.begin_again(keep_references=True)
        connection.answer(uid, True, host.codec.packb({"version": 2, "incarnation": b"x" * 16}))
        assert (connection.version, host.heard) == (None, [])

    run(main)


def test_the_first_word_counts() -> None:
    async def main(host: Host) -> None:
        assert host.connection.note(VERSION_2) is True
        assert host.connection.note(Greeting(1)) is False
        assert host.connection.version == 2

    run(main)


def test_what_was_said_before_the_greeting_leaves_in_the_form_that_any_peer_reads() -> None:
    async def main(host: Host) -> None:
        for number in (b"1", b"2"):
            host.connection.send(number, wire.OK, b"")
        host.connection.note(VERSION_2)
        assert [kind for _, kind, _ in host.sent] == [wire.OK, wire.OK]
        host.sent.clear()
        for number in (b"3", b"4"):
            host.connection.send(number, wire.OK, b"")
        await host.turn()
        assert [kind for _, kind, _ in host.sent] == [wire.BATCH]

    run(main)


@pytest.mark.parametrize(("version", "sends_batches"), [(1, True), (0, True), (2, False)])
def test_whoever_reads_no_batches_gets_none(version: int, sends_batches: bool) -> None:
    async def main(host: Host) -> None:
        host.sends_batches = sends_batches
        host.connection.note(Greeting(version, b"i" * 16))
        for number in (b"1", b"2"):
            host.connection.send(number, wire.OK, b"")
        await host.turn()
        assert [(uid, kind) for uid, kind, _ in host.sent] == [(b"1", wire.OK), (b"2", wire.OK)]

    run(main)


def test_a_message_that_is_refused_ends_its_call_only() -> None:
    async def main(host: Host) -> None:
        host.connection.note(Greeting(1))
        first, second = host.connection.request("a"), host.connection.request("b")
        host.refuses.append(errors.ResourceExhausted("full"))
        await host.turn()
        assert isinstance(first.exception(), errors.ResourceExhausted)
        assert not second.done()
        assert [call[0] for call in host.calls()] == ["b"]

    run(main)


def test_where_nobody_is_all_that_was_to_be_sent_ends_and_the_host_is_told() -> None:
    async def main(host: Host) -> None:
        host.connection.note(Greeting(1))
        calls = [host.connection.request(name) for name in "ab"]
        host.there = False
        await host.turn()
        assert [type(call.exception()) for call in calls] == [errors.Unavailable] * 2
        assert host.heard[1:] == ["unreachable"]

    run(main)


def answer_with(host: Host, uid: bytes, thing: Any) -> None:
    """Answer a call of the peer's with an object, as the dispatcher does."""
    connection = host.connection
    host.packing_for = connection
    connection.exports.begin()
    body = host.codec.packb(thing)
    connection.give(uid)
    if not connection.lost:
        connection.send(uid, wire.OK, body)


@pytest.mark.parametrize("fate", ["leaves", "refused", "nobody", "lost before", "lost since", "connected anew"])
def test_the_objects_of_an_answer_that_never_leaves_are_let_go(fate: str) -> None:
    async def main(host: Host) -> None:
        connection, thing, held = host.connection, host.thing(), host.thing()
        connection.note(VERSION_2)
        connection.request("put", (held,))
        await host.turn()
        if fate == "refused":
            host.refuses.append(errors.TooLarge("no"))
        host.there = fate != "nobody"
        connection.lost = fate == "lost before"
        answer_with(host, b"u" * 16, thing)
        connection.lost = connection.lost or fate == "lost since"
        if fate == "connected anew":
            connection.fail_waiting(errors.Unavailable())
            connection.begin_again(keep_references=True)
            connection.note(VERSION_2)
        await host.turn()
        assert thing.target.let_go == (fate != "leaves")
        assert held.target.let_go == 0
        assert len(connection.exports) == 1 + (fate == "leaves")
        # And the same object in an answer that leaves is counted for that one alone.
        connection.lost, host.there = False, True
        answer_with(host, b"v" * 16, thing)
        await host.turn()
        assert [export.count for export in connection.exports if export.capability is thing] == [
            1 + (fate == "leaves")
        ]

    run(main)


def test_a_new_connection_begins_with_nothing_known() -> None:
    async def main(host: Host) -> None:
        connection = host.connection
        connection.note(VERSION_2)
        held = connection.resolve(900, None)
        connection.begin_again(keep_references=True)
        assert (connection.version, connection.extended, connection.greeting) == (None, None, VERSION_2)
        assert held.alive
        connection.begin_again(keep_references=False)
        assert not held.alive

    run(main)


def test_what_the_peer_held_before_a_loss_can_be_taken_back_without_what_it_got_since() -> None:
    async def main(host: Host) -> None:
        connection = host.connection
        connection.note(VERSION_2)
        before, since = host.thing(), host.thing()
        connection.request("put", (before,))
        connection.begin_again(keep_references=True)
        connection.note(Greeting(2, b"j" * 16))
        connection.request("put", (before,))
        connection.request("put", (since,))
        connection.end_exports()
        assert [export.count for export in connection.exports] == [1, 1]
        assert (before.target.let_go, since.target.let_go) == (0, 0)

    run(main)
