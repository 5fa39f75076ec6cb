"""Objects that live here are called as those of a peer are."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import pytest

from cara_pseud.capabilities import CallOptions, IncomingCall
from cara_pseud.local import Forwarder, LocalCapability
from tests.clock import MovedClock

OPTIONS = CallOptions(7.0, "request", "alice", "trace", "once", ("staff",))


class Thing:
    """A target that keeps what it was called with and answers with a function of the arguments."""

    def __init__(self, answer: Any = lambda *args: args) -> None:
        self.answer = answer
        self.asked: list[tuple[int, int | str, Sequence[Any], Mapping[str, Any]]] = []
        self.calls: list[IncomingCall] = []

    def invoke(
        self, interface_id: int, method: int | str, args: Sequence[Any], kwargs: Mapping[str, Any], call: IncomingCall
    ) -> Any:
        self.asked.append((interface_id, method, args, kwargs))
        self.calls.append(call)
        return self.answer(*args)

    def released(self) -> None:
        raise AssertionError("nobody lets go of it here")


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


def test_a_call_gives_what_the_method_answers() -> None:
    async def main() -> None:
        thing = Thing(lambda a, b: a + b)
        assert await LocalCapability(thing).call(9, "add", (2, 5), {"x": 1}) == 7
        assert thing.asked == [(9, "add", (2, 5), {"x": 1})]

    run(main())


def test_an_answer_may_come_later_and_is_converted() -> None:
    async def later(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    async def main() -> None:
        assert await LocalCapability(Thing(later)).call(9, 0, (1,), convert=str) == "2"

    run(main())


def test_what_a_caller_says_of_its_call_is_known_to_the_method() -> None:
    async def main() -> None:
        thing = Thing()
        await LocalCapability(thing).call(9, 0, options=OPTIONS)
        [call] = thing.calls
        said = (call.request_id, call.principal, call.traceparent, call.idempotency_key, call.roles)
        assert said == ("request", "alice", "trace", "once", ("staff",))
        assert call.user == b""

    run(main())


def test_a_call_ends_at_its_deadline() -> None:
    async def main() -> None:
        clock, never = MovedClock(), asyncio.Event()
        call = LocalCapability(Thing(never.wait)).call(9, 0, options=CallOptions(timeout=30))
        await asyncio.sleep(0)  # its time runs from when it begins
        await clock.advance(29.9)
        assert not call.done()
        await clock.advance(0.2)
        with pytest.raises(TimeoutError):
            await call

    run(main())


def test_what_a_method_raises_is_what_its_caller_gets() -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await LocalCapability(Thing(lambda: 1 // 0)).call(9, 0)

    run(main())


def test_cancelling_a_call_cancels_the_method() -> None:
    async def main() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        call = LocalCapability(Thing(wait)).call(9, 0)
        await begun.wait()
        call.cancel()
        await ended.wait()

    run(main())


def test_a_call_from_outside_of_the_loop_says_how_to_make_it() -> None:
    with pytest.raises(RuntimeError, match=r"outside of its loop; make the call there, with asyncio\.run_coroutine_"):
        LocalCapability(Thing()).call(9, 0)


def test_two_capabilities_of_one_object_have_one_key_unless_they_are_given_others() -> None:
    thing = Thing()
    assert LocalCapability(thing).key == LocalCapability(thing).key != LocalCapability(Thing()).key
    assert LocalCapability(thing, "other").key == "other"


def test_a_call_passed_on_says_the_same_but_its_deadline() -> None:
    # Who answers it keeps the deadline of the call that is passed on; it is not known how much of it is left.
    async def main() -> None:
        thing = Thing()
        passed_on = LocalCapability(Forwarder(LocalCapability(thing)))
        assert await passed_on.call(9, 3, (1,), {"x": 2}, OPTIONS) == (1,)
        assert thing.asked == [(9, 3, (1,), {"x": 2})]
        [call] = thing.calls
        assert (call.request_id, call.principal, call.roles) == ("request", "alice", ("staff",))
        assert (call.traceparent, call.idempotency_key, call.deadline) == ("trace", "once", None)

    run(main())
