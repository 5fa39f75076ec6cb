"""What another service may call of an object that a session passed to it, and what the object's own service is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from cara_pseud.capabilities import NO_ARGUMENTS, NO_OPTIONS, CallOptions, Capability, IncomingCall
from cara_pseud.errors import DeadlineExceeded, RpcError
from cara_pseud.local import LentCapability, LocalCapability
from cara_pseud.schema.nodes import Schema, Type
from gateway.access.principals import Principal
from gateway.catalogue import Service
from gateway.errors import GatewayError, Status
from gateway.routes import ServiceRoutes
from gateway.sessions.passed_objects import PassedObject, PassedObjects
from tests.codecs import Codec

SCHEMA = """
interface Vault { box @0 () -> (box :Box); }
interface Box extends(Thing) { open @0 () -> (); }
interface Thing { weigh @0 () -> (); erase @1 () -> (); }
"""
NOW = 1_000.0


class Thing(Capability):
    """An object of a service: it keeps what it is called with and answers with what the test says."""

    def __init__(self) -> None:
        self.key = "thing"
        self.calls: list[tuple[int, int | str, CallOptions]] = []
        self.answer: Any = None
        self.lent = 0

    def call(
        self,
        interface_id: int,
        method: int | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        options: CallOptions = NO_OPTIONS,
        convert: Callable[[Any], Any] | None = None,
    ) -> Any:
        self.calls.append((interface_id, method, options))
        return self.answer if convert is None else convert(self.answer)

    def lend(self) -> None:
        self.lent += 1

    def returned(self) -> None:
        self.lent -= 1


class Owner:
    """A session."""

    def __init__(self) -> None:
        self.principal = Principal("key:ann", frozenset({"b", "a"}), NOW + 60)
        self.ended = False
        self.address = "192.0.2.1"


class Play:
    """One object of Ann's, passed on; she may call all but `erase`.

    Attributes:
        admitted: what is told when it is asked whether one more call may begin.
        counted: for whom that was asked.
    """

    def __init__(self, service: Service, struct_type: Callable[[Schema, str], Type]) -> None:
        self.owner, self.thing, self.now = Owner(), Thing(), NOW
        self.box, self.base = (struct_type(service.schema, name).node_id for name in ("Box", "Thing"))
        self.asked: list[tuple[Principal, int, int]] = []
        self.admitted: Any = None
        self.counted: list[tuple[str | None, str]] = []
        self.objects = PassedObjects(self.owner, self.may_call, lambda: self.now, self.admits)
        self.lent = self.objects.passed(service, self.thing)
        self.passed = self.lent.lender
        assert isinstance(self.passed, PassedObject)

    def may_call(self, principal: Principal, service: Service, interface_id: int, method_id: int) -> bool:
        self.asked.append((principal, interface_id, method_id))
        return (interface_id, method_id) != (self.base, 1)

    def admits(self, principal: Principal, address: str) -> Any:
        self.counted.append((principal.name, address))
        if isinstance(self.admitted, Exception):
            raise self.admitted
        return self.admitted

    def calls(self, interface_id: int, method: int | str, **said: Any) -> Any:
        call = IncomingCall(b"courier")
        for name, value in said.items():
            setattr(call, name, value)
        return self.passed.invoke(interface_id, method, (), {}, call)

    def refused(self, code: str, interface_id: int, method: int | str) -> None:
        with pytest.raises(RpcError) as raised:
            self.calls(interface_id, method)
        assert raised.value.code == code
        assert self.thing.calls == []


@pytest.fixture
def play(compile_text: Callable[[str], Schema], struct_type: Any, fakes: Any) -> Play:
    schema = compile_text(SCHEMA)
    routes = ServiceRoutes("vault", schema, struct_type(schema, "Vault"))
    return Play(Service(routes, Codec(schema), fakes.Upstream(), 30.0), struct_type)


@pytest.mark.parametrize("method", [1, "erase", True])
def test_a_method_is_asked_for_by_its_id_however_it_is_named(play: Play, method: int | str) -> None:
    play.refused("permission_denied", play.base, method)
    assert play.asked == [(play.owner.principal, play.base, 1)]


def test_what_is_permitted_is_called_by_its_id(play: Play) -> None:
    play.calls(play.box, "open")
    play.calls(play.base, 0)
    assert [(interface, method) for interface, method, _ in play.thing.calls] == [(play.box, 0), (play.base, 0)]
    assert all(type(method) is int for _, method, _ in play.thing.calls)


@pytest.mark.parametrize("method", [2, -1, "nothing", "Open", ""])
def test_a_method_that_the_interface_has_not_is_not_called(play: Play, method: int | str) -> None:
    play.refused("unimplemented", play.base, method)


def test_an_interface_that_the_schema_has_not_requires_what_everything_does(play: Play) -> None:
    play.calls(99, "erase")
    assert play.asked == [(play.owner.principal, 99, -1)]
    assert [(interface, method) for interface, method, _ in play.thing.calls] == [(99, "erase")]


def test_the_call_is_of_who_passed_the_object_whoever_the_other_service_says_it_is(play: Play) -> None:
    play.calls(
        play.box, 0, principal="key:root", roles=("admin",), request_id="r", traceparent="t", idempotency_key="i"
    )
    ((_, _, options),) = play.thing.calls
    assert options == CallOptions(None, "r", "key:ann", "t", "i", ("a", "b"))
    play.owner.principal.roles = frozenset({"c"})
    play.calls(play.box, 0)
    assert play.thing.calls[-1][2].roles == ("c",)


def test_nothing_is_called_for_who_is_nobody_any_more(play: Play) -> None:
    play.now = NOW + 60
    play.refused("not_found", play.box, 0)
    play.now = NOW
    play.owner.principal.is_removed = True
    play.refused("not_found", play.box, 0)
    play.owner.principal.is_removed = False
    play.owner.ended = True
    play.refused("not_found", play.box, 0)


TOO_MANY = GatewayError(Status.RESOURCE_EXHAUSTED, "there were more: try again in 3 s", retry_after=3)


def test_a_call_counts_as_one_of_who_passed_the_object_also_one_that_may_not_be_made(play: Play) -> None:
    play.refused("permission_denied", play.base, 1)
    play.calls(play.box, 0)
    assert play.counted == [("key:ann", "192.0.2.1")] * 2


def test_one_too_many_is_refused_before_it_is_asked_for(play: Play) -> None:
    play.admitted = TOO_MANY
    with pytest.raises(RpcError, match="who passed this object may not call now: there were more") as raised:
        play.calls(play.box, 0)
    assert (raised.value.code, play.asked, play.thing.calls) == ("resource_exhausted", [], [])


@pytest.mark.parametrize("error", [None, TOO_MANY])
def test_a_call_begins_when_others_have_counted_it(play: Play, fakes: Any, error: GatewayError | None) -> None:
    async def main() -> None:
        play.admitted = told = asyncio.get_running_loop().create_future()
        play.thing.answer = asyncio.get_running_loop().create_future()
        call = play.calls(play.box, 0)
        await asyncio.sleep(0)
        assert play.thing.calls == []
        if error is not None:
            told.set_exception(error)
            with pytest.raises(RpcError) as raised:
                await call
            assert raised.value.code == "resource_exhausted"
            return
        told.set_result(None)
        await asyncio.sleep(0)
        assert len(play.thing.calls) == 1
        play.thing.answer.set_result([])
        assert await call == []

    fakes.run(main())


def test_the_deadline_goes_along(play: Play, fakes: Any) -> None:
    async def main() -> None:
        play.calls(play.box, 0, deadline=asyncio.get_running_loop().time() + 5)
        assert play.thing.calls[0][2].timeout == pytest.approx(5, abs=1)
        with pytest.raises(DeadlineExceeded):
            play.calls(play.box, 0, deadline=asyncio.get_running_loop().time() - 1)
        assert len(play.thing.calls) == 1

    fakes.run(main())


def test_objects_in_results_are_passed_in_the_same_way_and_others_are_as_they_are(play: Play) -> None:
    own = LocalCapability(play.passed)
    other, listed = Thing(), Thing()
    play.thing.answer = {0: other, 1: [listed, 7, own], "name": "x"}
    result = play.calls(play.box, 0)
    assert isinstance(result[0], LentCapability)
    assert result[0].inner is other
    assert isinstance(result[1][0], LentCapability)
    assert (result[1][0].inner, result[1][1:], result["name"]) == (listed, [7, own], "x")
    play.owner.ended = True
    with pytest.raises(RpcError, match="is over"):
        result[0].lender.invoke(play.box, 0, (), {}, IncomingCall(b""))


def test_what_others_have_goes_back_when_they_let_go_and_when_the_session_ends(play: Play) -> None:
    play.passed.lent()
    play.passed.lent()
    assert play.thing.lent == 2
    play.passed.released()
    assert (play.thing.lent, len(play.objects.lent)) == (1, 1)
    play.owner.ended = True
    play.objects.end()
    assert (play.thing.lent, len(play.objects.lent)) == (0, 0)
    play.passed.released()  # by the other service, later
    play.passed.lent()  # in a call that was under way
    assert (play.thing.lent, len(play.objects.lent)) == (0, 0)


def test_two_sessions_pass_one_object_as_two(play: Play) -> None:
    others = PassedObjects(Owner(), play.may_call, lambda: NOW)
    again = play.objects.passed(play.passed._service, play.thing)
    assert play.lent.key == again.key != others.passed(play.passed._service, play.thing).key


def test_it_is_called_here_as_by_others(play: Play, fakes: Any) -> None:
    async def main() -> None:
        with pytest.raises(RpcError) as raised:
            await play.lent.call(play.base, 1)
        assert raised.value.code == "permission_denied"
        assert play.lent.alive

    fakes.run(main())
