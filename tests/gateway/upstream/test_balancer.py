"""Which of several endpoints a call goes to, and what becomes of it there. The endpoints are the test's own."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from cara_pseud.capabilities import CallOptions, Capability
from cara_pseud.errors import DeadlineExceeded, OutcomeUnknown, RpcError, Unauthenticated, Unavailable
from gateway.upstream.balancer import Balancer
from gateway.upstream.base import ObjectName
from gateway.upstream.health import MAX_UNAVAILABLE, PAUSES_S, UNAVAILABLE_S
from tests.clock import MovedClock


class Root(Capability):
    """Takes calls, or fails them at once if it cannot be reached."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.key = ("object", place.endpoint)

    def call(self, *arguments: Any) -> Any:
        return self._taken(arguments[2], *arguments[4:])

    def invoke(self, *arguments: Any) -> Any:
        return self._taken(arguments[1], *arguments[3:])

    def _taken(self, arguments: Any, options: CallOptions, convert: Any = None) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.place.refusal is not None:
            future.set_exception(self.place.refusal)
        else:
            self.place.calls.append(future)
            self.place.arguments.append(arguments)
            self.place.convert = convert
            self.place.timeouts.append(options.timeout)
        return future


class Place:
    """One endpoint: an `EndpointConnection` whose state and answers the test decides."""

    def __init__(self, name: str) -> None:
        self.endpoint = name
        self.state = "up"
        self.trouble = ""
        self.stopped = self.is_used = False
        self.refusal: RpcError | None = None
        self.calls: list[asyncio.Future[Any]] = []
        self.arguments: list[Any] = []
        self.convert: Any = None
        self.timeouts: list[float | None] = []
        self.busy = 0
        self.asked = 0
        self.is_alive = True
        self.object = Root(self)
        self.root = Root(self)
        self._listeners: list[Callable[[Any], None]] = []
        self.on_trouble = self.on_state

    def reply(self, value: Any) -> None:
        """Answer the last call, as the wire has it."""
        self.calls[-1].set_result(self.convert(value))

    @property
    def in_flight(self) -> int:
        return self.busy + sum(not call.done() for call in self.calls)

    def owns(self, capability: Capability) -> bool:
        return capability is self.object

    def name_of(self, capability: Capability) -> ObjectName:
        return ObjectName(self.endpoint, 1)

    def adopt(self, name: ObjectName, references: int) -> Capability:
        if self.state != "up":
            raise Unavailable("not yet")
        if name.incarnation != self.endpoint:
            raise RpcError("not_found", "another process")
        return self.object

    async def answers(self, within_s: float) -> bool:
        self.asked += 1
        return self.is_alive

    def on_state(self, callback: Callable[[Any], None]) -> Callable[[], None]:
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def become(self, state: str, trouble: str = "") -> None:
        self.state, self.trouble = state, trouble
        for listener in list(self._listeners):
            listener(state)

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.stopped = True


Test = Callable[[Balancer, list[Any], MovedClock], Coroutine[Any, Any, None]]


def play(test: Test, count: int = 2) -> None:
    async def main() -> None:
        places: list[Any] = [Place(f"tcp://service:{number}") for number in range(count)]
        balancer = Balancer(places)
        await test(balancer, places, MovedClock(stopped=True))
        balancer.close()

    asyncio.run(main())


def call(balancer: Balancer, timeout: float | None = 10, target: Capability | None = None) -> asyncio.Future[Any]:
    made = (target or balancer.root).call(0, "method", (), {}, CallOptions(timeout))
    made.add_done_callback(lambda call: call.cancelled() or call.exception())
    return made


async def fail(places: Sequence[Any], error: RpcError, count: int = 1) -> None:
    for _ in range(count):
        for place in places:
            next(call for call in place.calls if not call.done()).set_exception(error)
        await asyncio.sleep(0)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def states(balancer: Balancer) -> list[str]:
    return [endpoint.state for endpoint in balancer.endpoints]


def test_calls_go_where_the_fewest_are_under_way() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        places[0].busy = 5
        for _ in range(9):
            call(balancer)
        assert [len(place.calls) for place in places] == [2, 7]

    play(test)


def test_endpoints_that_do_nothing_take_turns() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        for number in range(9):
            made = call(balancer)
            next(call for place in places for call in place.calls if not call.done()).set_result(number)
            assert await made == number
        assert [len(place.calls) for place in places] == [3, 3, 3]

    play(test, count=3)


@pytest.mark.parametrize("error", [Unavailable("gone"), Unauthenticated()])
def test_a_call_that_never_got_there_goes_to_another_endpoint(error: RpcError) -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        places[0].refusal = error
        at_once = [call(balancer) for _ in range(4)]
        assert [len(place.calls) for place in places] == [0, 4]
        places[0].refusal = None
        waiting = call(balancer)
        await clock.advance(3)
        places[0].become("down")
        await fail(places[:1], error)
        assert places[1].timeouts == [10, 10, 10, 10, 7]
        for number, taken in enumerate(places[1].calls):
            taken.set_result(number)
        assert await asyncio.gather(*at_once, waiting) == [0, 1, 2, 3, 4]

    play(test)


def test_a_call_that_no_endpoint_takes_fails_at_once_and_is_tried_once_at_each() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        for place in places:
            place.become("down", "nobody listens")
            place.refusal = Unavailable(f"nobody at {place.endpoint}")
        made = call(balancer)
        assert made.done()
        assert isinstance(made.exception(), Unavailable)
        assert (balancer.state, balancer.trouble) == ("down", "nobody listens")

    play(test, count=3)


def test_a_call_that_is_out_of_time_goes_nowhere_else() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        made = call(balancer, timeout=1)
        (first,) = (place for place in places if place.calls)
        await clock.advance(2)
        await fail([first], Unavailable("not sent within the deadline"))
        assert "within the deadline" in str(made.exception())
        assert sum(len(place.calls) for place in places) == 1

    play(test)


@pytest.mark.parametrize(
    "error", [OutcomeUnknown(), DeadlineExceeded(), RpcError("unavailable", "the service says so"), RpcError("aborted")]
)
def test_a_call_that_may_have_run_goes_nowhere_else(error: RpcError) -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        made = call(balancer)
        await fail([place for place in places if place.calls], error)
        assert made.exception() is error
        assert sum(len(place.calls) for place in places) == 1

    play(test)


def test_a_call_waits_at_one_that_connects_only_if_none_is_up() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        places[0].become("connecting")
        for _ in range(3):
            call(balancer)
        places[1].become("down")
        call(balancer)
        assert [len(place.calls) for place in places] == [1, 3]
        assert balancer.state == "connecting"

    play(test)


def test_whoever_watches_the_endpoints_is_told_how_they_fare() -> None:
    async def test(_: Balancer, places: list[Any], clock: MovedClock) -> None:
        told: list[list[str]] = []
        balancer = Balancer(places, lambda: told.append(states(balancer)))
        first, second = places
        second.busy = 100
        call(balancer)
        await fail([first], OutcomeUnknown(), count=1)  # the connection is as it was, so that this alone shows
        await settle()
        call(balancer)
        first.calls[-1].set_result("well")
        await settle()
        assert told == [["ejected", "up"], ["on trial", "up"], ["up", "up"]]
        balancer.close()

    play(test)


def test_a_lost_endpoint_comes_back_by_a_sign_of_life_and_one_call() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        first, second = places
        second.busy = 100
        calls = [call(balancer) for _ in range(3)]
        first.become("connecting")
        await fail([first], OutcomeUnknown(), count=3)
        assert all(isinstance(made.exception(), OutcomeUnknown) for made in calls)
        await clock.advance(10)
        assert first.asked == 0
        first.become("up")
        assert states(balancer) == ["ejected", "up"]
        await settle()
        assert (first.asked, states(balancer)) == (1, ["on trial", "up"])
        trial = call(balancer)
        call(balancer)
        assert (len(first.calls), len(second.calls)) == (4, 1)
        first.calls[-1].set_result("well")
        assert await trial == "well"
        assert states(balancer) == ["up", "up"]
        call(balancer)
        assert len(first.calls) == 5

    play(test)


def test_one_that_refuses_again_and_again_pauses_longer_each_time() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        first, second = places
        second.busy = 100
        refusal = RpcError("unavailable", "the database is away")
        for _ in range(MAX_UNAVAILABLE):
            call(balancer)
            await fail([first], refusal)
            await clock.advance(UNAVAILABLE_S / 2)
        first_pause_s, *pauses_s = PAUSES_S[1:4]
        # Of the first pause some is over.
        for pause_s in (first_pause_s - UNAVAILABLE_S / 2, *pauses_s):
            assert states(balancer) == ["ejected", "up"]
            await clock.advance(pause_s - 0.01)
            assert states(balancer) == ["ejected", "up"]
            await clock.advance(0.02)
            await settle()
            assert states(balancer) == ["on trial", "up"]
            call(balancer)
            await fail([first], refusal)

    play(test)


def test_one_that_gives_no_sign_of_life_after_a_deadline_is_ejected_until_it_does() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        first, second = places
        second.busy = 100
        call(balancer)
        await fail([first], DeadlineExceeded())
        await settle()
        assert (first.asked, states(balancer)) == (1, ["up", "up"])  # it was the deadline
        first.is_alive = False
        call(balancer)
        await fail([first], DeadlineExceeded())
        await settle()
        assert (first.asked, states(balancer)) == (2, ["ejected", "up"])
        await clock.advance(PAUSES_S[1])
        await settle()
        assert (first.asked, states(balancer)) == (3, ["ejected", "up"])
        first.is_alive = True
        await clock.advance(PAUSES_S[2])
        await settle()
        assert states(balancer) == ["on trial", "up"]

    play(test)


def test_if_all_are_ejected_those_that_are_up_are_asked_all_the_same() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        for _ in range(2 * MAX_UNAVAILABLE):
            call(balancer)
            await fail([place for place in places if place.in_flight], RpcError("unavailable"))
            await clock.advance(UNAVAILABLE_S / MAX_UNAVAILABLE)
        assert (states(balancer), balancer.state) == (["ejected", "ejected"], "up")
        made = call(balancer)
        next(call for place in places for call in place.calls if not call.done()).set_result(7)
        assert await made == 7

    play(test)


def test_a_call_that_is_given_up_is_given_up_at_its_endpoint() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        made: Any = call(balancer)
        told = []
        made.watcher = told.append
        assert made.cancel()
        assert not made.cancel()
        await settle()
        assert told == [made]
        assert [call.cancelled() for place in places for call in place.calls] == [True]

    play(test)


@pytest.mark.parametrize("error", [None, RpcError("aborted"), Unavailable()])
def test_a_call_that_is_over_is_forgotten_without_the_collector(error: RpcError | None) -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        made = call(balancer)
        freed = weakref.ref(made)
        for _ in places:  # one that never got there is tried at both
            for taken in [call for place in places for call in place.calls if not call.done()]:
                if error is None:
                    taken.set_result(7)
                else:
                    taken.set_exception(error)
            await settle()
        assert made.done()
        del made, taken
        for place in places:
            place.calls.clear()
        gc.disable()
        try:
            await settle()
            assert freed() is None
        finally:
            gc.enable()

    play(test)


def test_a_call_that_passes_an_object_goes_where_that_lives_while_it_is_up() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        places[1].busy = 100
        target = balancer.beside(balancer.root, places[1].object)
        call(balancer, target=target)
        assert len(places[1].calls) == 1
        places[1].become("down")
        call(balancer, target=target)
        assert len(places[0].calls) == 1
        stranger = Root(places[0])
        assert balancer.beside(balancer.root, stranger) is balancer.root
        assert balancer.beside(places[0].object, places[1].object) is places[0].object

    play(test)


def test_an_object_is_at_home_and_has_its_name_at_its_endpoint() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        first, second = places
        assert balancer.home_of(second.object) is second
        assert balancer.home_of(balancer.root) is balancer
        name = balancer.name_of(second.object)
        assert name == ObjectName(second.endpoint, 1)
        assert balancer.name_of(Root(first)) is None
        assert balancer.adopt(name, 1) is second.object
        second.become("connecting")
        with pytest.raises(Unavailable):
            balancer.adopt(name, 1)
        second.become("up")
        with pytest.raises(RpcError, match="ended with the process"):
            balancer.adopt(ObjectName("tcp://elsewhere", 1), 1)

    play(test)


def test_its_state_is_the_best_and_is_told_when_it_changes() -> None:
    async def test(balancer: Balancer, places: list[Any], clock: MovedClock) -> None:
        told: list[str] = []
        forget = balancer.on_state(told.append)
        first, second = places
        first.become("down", "nobody listens")
        assert (balancer.state, balancer.trouble, told) == ("up", "", [])
        second.become("connecting", "the connection was lost")
        second.become("down", "nobody listens")
        first.become("up")
        assert told == ["connecting", "down", "up"]
        forget()
        first.become("down")
        assert told == ["connecting", "down", "up"]

    play(test)
