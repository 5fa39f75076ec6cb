from __future__ import annotations

from collections.abc import Callable

import pytest

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Schema
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols.jsonrpc.stream import Stream
from gateway.sessions.handles import REST
from gateway.sessions.record import Session

LIMITS = Limits(max_calls_per_session=2, max_callbacks_per_session=2, max_streams_per_session=2)


class Thing(Capability):
    __slots__ = ()

    def __init__(self, key: str) -> None:
        self.key = key


@pytest.fixture
def session(tokens: Callable[[], str]) -> Session:
    return Session("secret", LIMITS, tokens)


def test_a_session_has_streams_up_to_its_limit(session: Session) -> None:
    early = Stream("s1", LIMITS)
    session.add_stream(early)
    assert session.open_stream("s2") is session.streams["s2"]
    with pytest.raises(GatewayError, match="the session has 2 streams already") as raised:
        session.open_stream("s3")
    assert raised.value.status is Status.RESOURCE_EXHAUSTED
    session.close_stream("s1")
    session.open_stream("s3")
    assert list(session.streams) == ["s2", "s3"]


def test_a_stream_that_ends_takes_its_handles_and_leaves_those_of_others(
    session: Session, compile_text: Callable[[str], Schema]
) -> None:
    schema = compile_text("interface A {}")
    session.open_stream("s1")
    session.handles.put("s1", "svc", schema, None, Thing("own"))
    session.handles.put("s1", "svc", schema, None, Thing("shared"))
    session.handles.put(REST, "svc", schema, None, Thing("shared"))
    assert [handle.capability.key for handle in session.close_stream("s1")] == ["own"]
    assert [handle.capability.key for handle in session.handles] == ["shared"]
    assert session.close_stream("s1") == []


def test_calls_in_flight_are_bounded(session: Session) -> None:
    session.calls_in_flight = 1
    session.check_calls()
    session.calls_in_flight = 2
    with pytest.raises(GatewayError, match="2 calls of the session are under way already") as raised:
        session.check_calls()
    assert raised.value.status is Status.RESOURCE_EXHAUSTED


def test_callbacks_are_bounded(session: Session) -> None:
    session.begin_callback()
    session.begin_callback()
    with pytest.raises(GatewayError, match="services hold 2 callbacks of the session already") as raised:
        session.begin_callback()
    assert raised.value.status is Status.RESOURCE_EXHAUSTED
    session.end_callback(2)
    session.begin_callback()
    assert session.callbacks == 1
