"""References in a request: the session that an answer opens, what goes back, and who takes callbacks."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.access.principals import Principal
from gateway.catalogue import Service
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.json.codec.objects import Where
from gateway.protocols.rest.rest_references import RestReferences
from gateway.sessions.callbacks import Callbacks
from gateway.sessions.handles import REST
from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions

LIMITS = Limits(max_sessions=2, max_handles_per_session=1)
FULL = "there are 2 sessions already, as many as max_sessions permits: try again in 60 s"


def at(path: str) -> Where:
    return lambda: path


def listening(sessions: Sessions, session: Session, *, is_open: bool = True) -> Callbacks:
    client: Any = SimpleNamespace(id="events", is_open=is_open, ended=[])
    client.callback_ended = lambda name, code, reason: client.ended.append((name, code))
    client.session_ended = client.ended.append
    callbacks = Callbacks(client, session.check_callbacks, lambda service: pytest.fail("nobody calls"), 1)
    sessions.attach(session, client, callbacks)
    session.record.listener = client.id
    return callbacks


@pytest.fixture
def play(fakes: Any) -> Callable[[Callable[[Sessions], None]], None]:
    """Run a test with sessions, and end them."""

    def run(test: Callable[[Sessions], None]) -> None:
        async def main() -> None:
            sessions = Sessions(LIMITS)
            test(sessions)
            sessions.end_all("done")

        fakes.run(main())

    return run


def refused(status: Status, detail: str, call: Callable[..., Any], *args: Any) -> GatewayError:
    with pytest.raises(GatewayError) as raised:
        call(*args)
    assert (raised.value.status, raised.value.detail) == (status, detail)
    return raised.value


# Handles.


def test_the_first_handle_in_an_answer_opens_a_session(play: Any, calculator: Service, fakes: Any) -> None:
    def test(sessions: Sessions) -> None:
        first = sessions.open()
        refs = RestReferences(calculator, None, sessions, Principal("key:ann"))
        refs.make_room()  # which takes the last place
        assert (refs.opened, refs.session, refs.holds_handles) == (False, None, False)
        form = refs.handle_out(fakes.Object(), None)
        session = refs.session
        assert session is not None
        assert (refs.opened, refs.holds_handles) == (True, True)
        assert sessions.find(session.id, Principal("key:ann")) is session
        assert session.record.rest
        (handle,) = session.handles
        assert form == {"$handle": handle.token, "interface": None}
        assert handle.counts == {REST: 1}
        refs.settled()
        sessions.end(first, "enough")
        sessions.open()  # the place that was kept is free again
        refused(Status.RESOURCE_EXHAUSTED, FULL, sessions.open)

    play(test)


def test_a_place_is_kept_until_the_call_is_settled(play: Any, calculator: Service) -> None:
    def test(sessions: Sessions) -> None:
        sessions.open()
        refs = RestReferences(calculator, None, sessions)
        refs.make_room()
        detail = FULL
        refused(Status.RESOURCE_EXHAUSTED, detail, sessions.open)
        refused(Status.RESOURCE_EXHAUSTED, detail, RestReferences(calculator, None, sessions).make_room)
        for _ in range(2):
            refs.settled()
        RestReferences(calculator, None, sessions).settled()  # which kept none
        sessions.open()
        refused(Status.RESOURCE_EXHAUSTED, detail, sessions.open)

    play(test)


def test_a_handle_in_a_request_with_a_session_goes_there(play: Any, calculator: Service, fakes: Any) -> None:
    def test(sessions: Sessions) -> None:
        session, thing = sessions.open(), fakes.Object()
        refs = RestReferences(calculator, session, sessions)
        refs.make_room()
        refs.handle_out(thing, None)
        assert (refs.session, refs.opened) == (session, False)
        (handle,) = session.handles
        assert RestReferences(calculator, session, sessions).handle_in(handle.token, None, at("$.a")) is thing
        full = "the session holds 1 handles already; release some first"
        refused(Status.RESOURCE_EXHAUSTED, full, RestReferences(calculator, session, sessions).make_room)

    play(test)


def test_a_request_without_a_session_has_no_handles(play: Any, calculator: Service) -> None:
    def test(sessions: Sessions) -> None:
        refs = RestReferences(calculator, None, sessions)
        detail = "$.a: there is no such handle, because the request belongs to no session"
        assert refused(Status.NOT_FOUND, detail, refs.handle_in, "t1", None, at("$.a")).path == "$.a"

    play(test)


def test_a_request_refers_to_no_results(play: Any, calculator: Service) -> None:
    def test(sessions: Sessions) -> None:
        refs = RestReferences(calculator, None, sessions)
        detail = "$.a: a request cannot refer to the result of another one"
        error = refused(Status.FAILED_PRECONDITION, detail, refs.result_in, {"$result": 1}, None, at("$.a"))
        assert error.path == "$.a"

    play(test)


def test_what_does_not_reach_the_client_goes_back(play: Any, calculator: Service, fakes: Any) -> None:
    def test(sessions: Sessions) -> None:
        session, thing, before = sessions.open(), fakes.Object(), fakes.Object()
        session.handles.put("stream", calculator, None, before)
        refs = RestReferences(calculator, session, sessions)
        refs.handle_out(before, None)
        assert refs.holds_handles
        for _ in range(2):
            refs.take_back()
        assert not refs.holds_handles
        assert [handle.counts for handle in session.handles] == [{"stream": 1}]
        assert before.given_back == 0
        assert session in sessions

        opening = RestReferences(calculator, None, sessions)
        opening.handle_out(thing, None)
        opening.take_back()
        assert thing.given_back == 1
        assert opening.session is not None
        assert opening.session.ended
        assert len(sessions) == 1
        opening.take_back()

    play(test)


def test_an_object_that_comes_too_late_or_finds_no_room_goes_back(play: Any, calculator: Service, fakes: Any) -> None:
    def test(sessions: Sessions) -> None:
        late, extra = fakes.Object("late"), fakes.Object("extra")
        session = sessions.open()
        refs = RestReferences(calculator, session, sessions)
        sessions.end(session, "enough")
        error = refused(
            Status.NOT_FOUND, "the session ended before the answer came", refs.handle_out, late, None
        )
        assert (error.reason, late.given_back) == ("session", 1)
        refs.take_back()
        for _ in range(2):
            sessions.open()
        refs = RestReferences(calculator, None, sessions)
        full = FULL
        refused(Status.RESOURCE_EXHAUSTED, full, refs.handle_out, extra, None)
        assert (extra.given_back, refs.opened) == (1, False)
        refs.take_back()

    play(test)


# Callbacks.


def test_a_callback_is_its_listener_s(play: Any, calculator: Service) -> None:
    def test(sessions: Sessions) -> None:
        session = sessions.open()
        callbacks = listening(sessions, session)
        capability = RestReferences(calculator, session, sessions).callback_in("f", None, at("$.f"))
        assert callbacks.names == ["f"]
        assert RestReferences(calculator, session, sessions).callback_in("f", None, at("$.f")) is capability

    play(test)


@pytest.mark.parametrize("listener", ["none", "away", "no session"])
def test_a_callback_needs_an_open_listener(play: Any, calculator: Service, listener: str) -> None:
    def test(sessions: Sessions) -> None:
        session = sessions.open()
        if listener == "away":
            listening(sessions, session, is_open=False)
        refs = RestReferences(calculator, None if listener == "no session" else session, sessions)
        detail = "$.f: a callback needs an open GET /api/events of the same session, or the WebSocket at /ws"
        assert refused(Status.FAILED_PRECONDITION, detail, refs.callback_in, "f", None, at("$.f")).path == "$.f"
        assert session.callbacks == 0

    play(test)


def test_only_new_callbacks_of_a_call_that_was_never_sent_are_let_go(play: Any, calculator: Service) -> None:
    def test(sessions: Sessions) -> None:
        session = sessions.open()
        callbacks = listening(sessions, session)
        RestReferences(calculator, session, sessions).callback_in("known", None, at("$.f"))
        refs = RestReferences(calculator, session, sessions)
        for name in ("known", "new"):
            refs.callback_in(name, None, at("$.f"))
        for _ in range(2):
            refs.never_sent()
        assert callbacks.names == ["known"]
        client: Any = callbacks.client
        assert client.ended == [("new", "released")]

    play(test)
