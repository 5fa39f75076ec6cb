"""Calls of ours: each one ends, once, by whatever comes first; without a socket, with a clock that the tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgpack
import pytest

from cara_pseud import errors, wire
from cara_pseud.capabilities import CallOptions
from cara_pseud.greeting import Greeting
from tests.cara_pseud.lone_host import Host
from tests.clock import MovedClock

VERSION_2 = Greeting(2, b"i" * 16)
ORIGINAL = Greeting(0)


def run(main: Callable[[Host], Coroutine[Any, Any, None]], greeting: Greeting | None = VERSION_2) -> None:
    async def play() -> None:
        host = Host()
        if greeting is not None:
            host.connection.note(greeting)
        await main(host)
        host.deadlines.close()

    asyncio.run(play())


def test_a_call_is_sent_at_the_end_of_the_turn_and_resolved_by_its_answer() -> None:
    async def main(host: Host) -> None:
        call = host.connection.request("add", (1, 2), {"x": 3})
        assert host.sent == []
        await host.turn()
        [(uid, kind, body)] = host.sent
        assert (kind, host.codec.unpackb(body)) == (wire.WORK, ["add", [1, 2], {"x": 3}])
        assert host.connection.answer(uid, True, host.codec.packb([6])) is True
        assert await call == (6,)
        assert host.connection.pending == {}
        assert host.connection.answer(uid, True, host.codec.packb([6])) is False

    run(main)


def test_an_answer_is_converted_and_what_that_raises_is_the_call_s_error() -> None:
    async def main(host: Host) -> None:
        good = host.connection.request("add", convert=lambda value: value + 1)
        bad = host.connection.request("add", convert=lambda value: value["x"])
        for call in (good, bad):
            host.connection.answer(call.uid, True, host.codec.packb(1))
        assert await good == 2
        with pytest.raises(TypeError):
            await bad

    run(main)


def test_an_error_is_raised_as_what_it_says() -> None:
    async def main(host: Host) -> None:
        call = host.connection.request("add")
        host.connection.answer(call.uid, False, host.codec.packb(wire.error_triple(errors.RpcError("not_found", "no"))))
        with pytest.raises(errors.RpcError, match="no") as caught:
            await call
        assert caught.value.code == "not_found"

    run(main)


def test_so_many_calls_may_be_under_way() -> None:
    async def main(host: Host) -> None:
        for _ in range(100):
            host.connection.request("add")
        over = host.connection.request("add")
        with pytest.raises(errors.ResourceExhausted, match="100 calls are under way to this peer already"):
            await over
        assert len(host.connection.pending) == 100

    run(main)


@pytest.mark.parametrize("greeting", [VERSION_2, None], ids=["greeted", "not yet"])
@pytest.mark.parametrize(
    ("argument", "error"),
    [("x" * 1000, errors.TooLarge), (object(), errors.InvalidValue), (2**70, errors.InvalidValue)],
    ids=["large", "no value", "number"],
)
def test_a_call_that_cannot_be_sent_says_so_and_passes_nothing(
    argument: Any, error: type[Exception], greeting: Greeting | None
) -> None:
    async def main(host: Host) -> None:
        thing = host.thing()
        call = host.connection.request("put", (thing, argument))
        with pytest.raises(error):
            await call
        assert thing.target.let_go == 1
        assert (len(host.exports), len(host.deadlines), host.connection.pending) == (0, 0, {})
        await host.turn()
        assert host.sent == []

    run(main, greeting)


def test_at_its_deadline_a_call_ends_and_the_peer_is_told() -> None:
    async def main(host: Host) -> None:
        clock = MovedClock()
        call = host.connection.request("add", options=CallOptions(timeout=3))
        default = host.connection.request("add")
        await host.turn()
        host.sent.clear()
        await clock.advance(2.9, 0.1)
        assert not call.done()
        await clock.advance(0.2, 0.1)
        with pytest.raises(errors.DeadlineExceeded, match=r"^no answer within the deadline$"):
            await call
        assert host.calls() == [["cara:cancel", [call.uid], {}]]
        await clock.advance(1.8, 0.1)
        assert not default.done()
        await clock.advance(0.2, 0.1)
        assert isinstance(default.exception(), errors.DeadlineExceeded)

    run(main)


def test_a_peer_says_how_long_calls_of_its_objects_may_take() -> None:
    async def main(host: Host) -> None:
        clock = MovedClock()
        call = host.connection.request("changed")
        await clock.advance(59)
        assert not call.done()
        await clock.advance(2)
        assert isinstance(call.exception(), errors.DeadlineExceeded)

    run(main, Greeting(2, b"i" * 16, 60.0))


@pytest.mark.parametrize(("greeting", "told"), [(VERSION_2, True), (Greeting(1), True), (ORIGINAL, False)])
def test_a_call_given_up_is_called_off_at_a_peer_that_understands(greeting: Greeting, told: bool) -> None:
    async def main(host: Host) -> None:
        call = host.connection.request("add")
        await host.turn()
        host.sent.clear()
        assert call.cancel() is True
        assert call.cancel() is False
        await host.turn()
        assert host.calls() == ([["cara:cancel", [call.uid], {}]] if told else [])
        assert len(host.deadlines) == 0

    run(main, greeting)


def test_a_call_given_up_in_the_turn_that_made_it_is_never_sent() -> None:
    async def main(host: Host) -> None:
        thing = host.thing()
        call = host.connection.request("put", (thing,))
        call.cancel()
        await host.turn()
        assert (host.sent, thing.target.let_go) == ([], 1)

    run(main)


def test_sixty_four_calls_do_not_wait_for_the_turn_s_end() -> None:
    async def main(host: Host) -> None:
        for number in range(63):
            host.connection.request("add", (number,))
        assert host.sent == []
        host.connection.request("add", (63,))
        assert [args[0] for _, args, _ in host.calls()] == list(range(64))
        host.connection.request("add", (64,))
        await host.turn()
        assert [args[0] for _, args, _ in host.calls()] == [64]

    run(main)


def test_until_the_peer_is_known_calls_wait_as_they_were_made() -> None:
    async def main(host: Host) -> None:
        clock = MovedClock()
        numbers = [1, 2]
        host.connection.request("add", (numbers,), {"x": 1}, CallOptions(timeout=4, principal="ann"))
        host.connection.request("plain")
        numbers.append(3)
        await clock.advance(1)
        assert (host.sent, host.heard) == ([], ["hold", "hold"])
        host.connection.recognise(VERSION_2)
        await host.turn()
        extended, plain = host.calls()
        name, (said, inner, args), kwargs = extended[0], extended[1], extended[2:]
        assert (name, inner) == ("cara:call", "add")
        assert 2900 <= said.pop("deadline_ms") <= 3000
        assert (said, args, kwargs) == ({"principal": "ann"}, [[1, 2]], [{"x": 1}])
        assert plain == ["plain", [], {}]

    run(main, None)


def test_to_an_original_peer_they_leave_bare() -> None:
    async def main(host: Host) -> None:
        host.connection.request("add", (1,), {}, CallOptions(timeout=4, principal="ann"))
        host.connection.recognise(ORIGINAL)
        await host.turn()
        assert host.calls() == [["add", [1], {}]]

    run(main, None)


def test_after_long_silence_calls_leave_that_mean_the_same_without_their_options() -> None:
    async def main(host: Host) -> None:
        host.connection.request("waits", options=CallOptions(principal="ann"))
        host.connection.request("goes", options=CallOptions(timeout=3, request_id="r"))
        host.connection.go_bare()
        host.connection.request("later")
        await host.turn()
        assert [call[0] for call in host.calls()] == ["goes", "later"]
        host.connection.recognise(VERSION_2)
        await host.turn()
        assert [call[1][1] for call in host.calls()] == ["waits"]

    run(main, None)


def test_a_call_that_never_left_says_what_it_waited_for() -> None:
    async def main(host: Host) -> None:
        clock, thing = MovedClock(), host.thing()
        call = host.connection.request("put", (thing,), {}, CallOptions(timeout=2))
        await clock.advance(2.1)
        with pytest.raises(errors.Unavailable, match=r"^not sent within the deadline: the peer is silent$"):
            await call
        assert thing.target.let_go == 1

    run(main, None)


def test_so_much_may_wait_for_the_greeting() -> None:
    async def main(host: Host) -> None:
        calls = [host.connection.request("add", ("x" * 900,)) for _ in range(5)]
        assert [call.done() for call in calls] == [False] * 4 + [True]
        with pytest.raises(errors.ResourceExhausted, match="too many calls wait for the connection already"):
            await calls[4]
        host.connection.recognise(VERSION_2)
        assert not host.connection.request("add", ("x" * 900,)).done()

    run(main, None)


def test_a_hopeless_connection_fails_a_call_at_once() -> None:
    async def main(host: Host) -> None:
        host.refuses.append(errors.Unavailable("nobody is there"))
        call = host.connection.request("add")
        with pytest.raises(errors.Unavailable, match="nobody is there"):
            await call

    run(main, None)


def test_a_loss_ends_what_was_sent_and_nothing_else() -> None:
    async def main(host: Host) -> None:
        sent = host.connection.request("sent")
        await host.turn()
        waits = host.connection.request("waits")
        host.connection.fail_sent()
        assert isinstance(sent.exception(), errors.OutcomeUnknown)
        assert not waits.done()
        host.connection.fail_waiting(errors.Unavailable("gone"))
        assert isinstance(waits.exception(), errors.Unavailable)
        await host.turn()
        assert [call[0] for call in host.calls()] == ["sent"]

    run(main)


def test_a_watcher_is_told_at_once_of_an_answer_and_later_of_anything_else() -> None:
    async def main(host: Host) -> None:
        told: list[Any] = []
        answered, failed = host.connection.request("a"), host.connection.request("b")
        for call in (answered, failed):
            call.watcher = told.append
        host.connection.answer(answered.uid, True, host.codec.packb(1))
        host.connection.fail(failed.uid, errors.OutcomeUnknown())
        assert told == [answered]
        await host.turn()
        assert told == [answered, failed]
        failed.exception()

    run(main)


def test_the_answer_to_a_notice_is_expected() -> None:
    async def main(host: Host) -> None:
        host.connection.notify(wire.EXT_RELEASE, ())
        await host.turn()
        [(uid, _, _)] = host.sent
        assert host.connection.answer(uid, True, host.codec.packb(None)) is True

    run(main)


def test_objects_in_an_answer_that_came_late_are_given_back() -> None:
    async def main(host: Host) -> None:
        theirs = msgpack.ExtType(wire.EXT_CAPABILITY, wire.capability_payload(900, b"", False))
        assert host.connection.answer(b"nobody's", True, host.codec.packb([theirs])) is False
        await host.turn()
        assert host.calls() == [["cara:release", [[900, 1]], {}]]

    run(main)


def test_objects_in_a_call_that_never_left_are_taken_back_and_others_stay() -> None:
    async def main(host: Host) -> None:
        stays, goes = host.thing(), host.thing()
        host.connection.request("put", (stays,))
        await host.turn()
        waiting = host.connection.request("put", (stays, goes))
        host.connection.fail_waiting(errors.Unavailable("gone"))
        assert (stays.target.let_go, goes.target.let_go) == (0, 1)
        assert [export.count for export in host.exports] == [1]
        waiting.exception()

    run(main)
