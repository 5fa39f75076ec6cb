"""Objects in calls to one of several endpoints.

A client's object lives until the last endpoint lets go of it, and a service's decides where the call goes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cara_pseud.errors import OutcomeUnknown, RpcError, Unavailable
from cara_pseud.local import LentCapability
from gateway.catalogue import Service
from gateway.upstream.balancer import Balancer
from tests.gateway.upstream.test_balancer import Place


def balanced(service: Service) -> list[Any]:
    """Give a service two endpoints: the first is up, the second is so if the first is not."""
    first: Any = Place("tcp://first:1")
    second: Any = Place("tcp://second:1")
    second.become("connecting")
    service.upstream = Balancer([first, second])
    return [first, second]


async def passed(play: Any, first: Any) -> Any:
    """The client's object, in a call that the first endpoint has."""
    await play.hello()
    play.says("calculator.map", {"values": [1], "transform": {"$callback": "f"}}, id="pass")
    assert len(first.calls) == 1
    capability = first.arguments[-1][1]
    capability.taken()  # as the table of a connection does
    return capability


async def lose(places: list[Any], error: RpcError, capability: Any) -> None:
    """The first endpoint is gone with what it held, and the second is there."""
    first, second = places
    first.become("connecting")
    second.become("up")
    capability.left(gone=isinstance(error, OutcomeUnknown))
    first.calls[-1].set_exception(error)
    for _ in range(3):
        await asyncio.sleep(0)


def test_an_object_in_a_call_that_never_got_there_is_alive_at_the_other_endpoint(
    calculator: Service, fakes: Any
) -> None:
    async def main() -> None:
        places = balanced(calculator)
        play = fakes.Play(calculator)
        capability = await passed(play, places[0])
        await lose(places, Unavailable(), capability)
        assert await play.hears() == []
        assert places[1].arguments[-1][1] is capability
        capability.taken()
        result = fakes.invoke(calculator, capability, 21)
        (request,) = await play.hears()
        play.answers(request, result={"result": 42})
        assert await result == 42
        places[1].calls[-1].set_result([42])
        (answer,) = await play.hears()
        assert answer["result"] == [42]
        capability.left(gone=False)
        (released,) = await play.hears()
        assert released["params"] == {"callback": "f", "code": "released", "reason": "calculator holds it no more"}
        play.sessions.end_all("done")

    fakes.run(main())


@pytest.mark.parametrize("error", [OutcomeUnknown(), RpcError("aborted", "no")])
def test_an_object_that_only_a_failed_call_had_ends_with_the_call(
    calculator: Service, fakes: Any, error: RpcError
) -> None:
    async def main() -> None:
        places = balanced(calculator)
        play = fakes.Play(calculator)
        capability = await passed(play, places[0])
        await lose(places, error, capability)
        told = await play.hears()
        assert sorted(message.get("method", "answer") for message in told) == ["answer", "rpc.released"]
        (code,) = (message["params"]["code"] for message in told if "method" in message)
        assert code == ("unavailable" if isinstance(error, OutcomeUnknown) else "released")
        assert places[1].calls == []
        with pytest.raises(Unavailable):
            fakes.invoke(calculator, capability, 1)
        play.sessions.end_all("done")

    fakes.run(main())


async def made(play: Any, place: Any, id: str) -> str:
    """The handle of an object that lives at an endpoint, which is the only one that is not busy."""
    place.busy, before = 0, len(place.calls)
    play.says("workshop.tool", id=id)
    assert len(place.calls) == before + 1
    place.reply(place.object)
    place.busy = 100
    token: str = (await play.hears())[-1]["result"]["tool"]["$handle"]
    return token


def test_a_call_goes_where_the_first_object_lives_and_the_others_are_passed_as_strangers(
    compile_text: Any, service_of: Any, fakes: Any
) -> None:
    async def main() -> None:
        workshop = service_of("workshop", compile_text(TOOLS), "Workshop")
        places: list[Any] = [Place("tcp://first:1"), Place("tcp://second:1")]
        workshop.upstream = Balancer(places)
        for place in places:
            place.busy = 100
        play = fakes.Play(workshop)
        await play.hello()
        tokens = [await made(play, place, place.endpoint) for place in places]
        for home, (token, other) in zip(places, (tokens, reversed(tokens)), strict=True):
            home.busy = 1000
            play.says("workshop.join", [{"$handle": token}, {"$handle": other}], id=f"join {token}")
            own, stranger = home.arguments[-1]
            # Whoever it goes to knows whether it is its own; see test_passed_objects for what comes of that.
            assert isinstance(own, LentCapability)
            assert own.inner is home.object
            assert isinstance(stranger, LentCapability)
            home.reply(None)
            home.busy = 100
        await play.hears()
        play.sessions.end_all("done")

    fakes.run(main())


TOOLS = """
interface Workshop {
  tool @0 () -> (tool :Tool);
  join @1 (one :Tool, other :Tool) -> ();
  interface Tool { name @0 () -> (name :Text); }
}
"""
