"""A session and its bounds: clients, handles, calls under way, callbacks."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cara_pseud.capabilities import Capability
from cara_pseud.schema.nodes import Schema
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.sessions.callbacks import Callbacks
from gateway.sessions.handles import REST
from gateway.sessions.record import SessionRecord
from gateway.sessions.session import Session

LIMITS = Limits(max_calls_per_session=2, max_callbacks_per_session=2, max_streams_per_session=2)


class Thing(Capability):
    __slots__ = ()

    def __init__(self, key: str) -> None:
        self.key = key


def service(schema: Schema) -> Any:
    return SimpleNamespace(name="svc", schema=schema, upstream=SimpleNamespace(name_of=lambda capability: None))


@pytest.fixture
def session(tokens: Callable[[], str]) -> Session:
    return Session(SessionRecord("secret"), LIMITS, tokens)


def attach(session: Session, id: str) -> Callbacks:
    client: Any = SimpleNamespace(id=id)
    callbacks = Callbacks(client, session.check_callbacks, lambda service: pytest.fail("nobody calls"), 1)
    session.attach(client, callbacks)
    return callbacks


def test_a_session_has_streams_up_to_its_limit(session: Session) -> None:
    attach(session, "s1")
    callbacks = attach(session, "s2")
    found = session.find("s2")
    assert found is not None
    assert found.callbacks is callbacks
    with pytest.raises(GatewayError, match="the session has 2 streams already") as raised:
        attach(session, "s3")
    assert raised.value.status is Status.RESOURCE_EXHAUSTED
    session.detach("s1")
    attach(session, "s3")
    assert [attachment.client.id for attachment in session] == ["s2", "s3"]


def test_a_stream_that_ends_takes_its_handles_and_leaves_those_of_others(
    session: Session, compile_text: Callable[[str], Schema]
) -> None:
    svc = service(compile_text("interface A {}"))
    attach(session, "s1")
    session.handles.put("s1", svc, None, Thing("own"))
    session.handles.put("s1", svc, None, Thing("shared"))
    session.handles.put(REST, svc, None, Thing("shared"))
    session.detach("s1")
    assert [handle.capability.key for handle in session.handles] == ["shared"]
    session.detach("s1")
    assert len(session.handles) == 1


def test_calls_in_flight_are_bounded(session: Session) -> None:
    session.calls_in_flight = 1
    session.check_calls()
    session.calls_in_flight = 2
    with pytest.raises(GatewayError, match="2 calls of the session are under way already") as raised:
        session.check_calls()
    assert raised.value.status is Status.RESOURCE_EXHAUSTED


def test_callbacks_are_bounded_over_all_clients(session: Session, compile_text: Callable[[str], Schema]) -> None:
    svc = service(compile_text("interface A {}"))
    first, second = attach(session, "s1"), attach(session, "s2")
    made, is_new = first.pass_in("f", svc, None)
    assert is_new
    assert first.pass_in("f", svc, None) == (made, False)
    second.pass_in("f", svc, None)
    with pytest.raises(GatewayError, match="services hold 2 callbacks of the session already") as raised:
        second.pass_in("g", svc, None)
    assert raised.value.status is Status.RESOURCE_EXHAUSTED
    session.detach("s1")
    second.pass_in("g", svc, None)
    assert session.callbacks == 2
