"""Sessions: who finds them, how long they live, and that their end releases everything."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.access.principals import ANONYMOUS, Principal
from gateway.catalogue import Service
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.sessions.callbacks import Callbacks
from gateway.sessions.handles import REST
from gateway.sessions.record import SessionRecord
from gateway.sessions.session import Session
from gateway.sessions.sessions import Sessions
from gateway.sessions.store import MemoryStore

LIMITS = Limits(idle_session_s=900, max_sessions=3)


class FakeClient:
    def __init__(self, id: str) -> None:
        self.id = id
        self.ended: list[str] = []
        self.lost: list[tuple[str, str, str]] = []

    def session_ended(self, reason: str) -> None:
        self.ended.append(reason)

    def handle_ended(self, token: str, code: str, reason: str) -> None:
        self.lost.append((token, code, reason))


def put(session: Session, calculator: Service, thing: Any) -> None:
    session.handles.put(REST, calculator, None, thing)


def attach(sessions: Sessions, session: Session, client: Any) -> None:
    sessions.attach(session, client, Callbacks(client, session.check_callbacks, no_references, 1))


def no_references(service: Service) -> Any:
    raise AssertionError("no service calls here")


def gone(sessions: Sessions, id: str, principal: Principal = ANONYMOUS) -> bool:
    try:
        sessions.find(id, principal)
    except GatewayError as error:
        return (error.status, error.reason) == (Status.NOT_FOUND, "session")
    return False


def test_ids_are_long_and_never_the_same(fakes: Any, calculator: Service) -> None:
    async def main() -> None:
        sessions = Sessions(Limits())
        ids = {sessions.open().id for _ in range(100)}
        assert len(ids) == 100
        assert set(map(len, ids)) == {32}  # 192 bits in base64
        session = sessions.open()
        tokens = {session.handles.put(REST, calculator, None, fakes.Object(key)).token for key in range(100)}
        assert len(tokens) == 100
        assert set(map(len, tokens)) == {24}  # 144 bits
        sessions.end_all("done")

    fakes.run(main())


def test_a_session_is_found_by_its_owner_only(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        session = sessions.open(Principal("key:ann"))
        assert sessions.find(session.id, Principal("key:ann")) is session
        assert gone(sessions, session.id, Principal("key:bob"))
        assert gone(sessions, session.id)
        assert gone(sessions, "invented", Principal("key:ann"))
        sessions.end_all("done")

    fakes.run(main())


def test_the_credential_that_was_shown_last_counts(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        session = sessions.open(Principal("jwt:ann", frozenset({"old"})))
        newer = Principal("jwt:ann", frozenset({"new"}))
        assert sessions.find(session.id, newer).principal is newer
        assert gone(sessions, session.id, Principal("key:ann"))
        assert session.principal is newer
        sessions.end_all("done")

    fakes.run(main())


def test_a_cookie_is_a_login_as_long_as_its_proof_holds(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        alice = Principal("key:alice", expires_at=sessions.now() + 50)
        session = sessions.open(alice, rest=True)
        id, _, secret = (cookie := sessions.cookie_of(session)).partition(".")
        assert sessions.login(cookie) is session
        for forged in ("", ".", id, f"{id}.", f".{secret}", f"{id}.{secret}x", f"{id}.é"):
            assert sessions.login(forged) is None
        nameless = sessions.open(rest=True)
        assert sessions.login(sessions.cookie_of(nameless)) is None
        alice.is_removed = True
        assert sessions.login(cookie) is None
        alice.is_removed = False
        await fakes.pass_time(51)
        assert (sessions.login(cookie), sessions.principal_of(cookie)) == (None, None)
        alice.expires_at = math.inf
        assert sessions.principal_of(cookie) is alice
        sessions.end_all("done")
        assert sessions.login(cookie) is None

    fakes.run(main())


def test_a_login_that_is_used_does_not_become_idle(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        session = sessions.open(Principal("key:alice"), rest=True)
        cookie = sessions.cookie_of(session)
        for _ in range(3):
            await fakes.pass_time(LIMITS.idle_session_s - 1)
            assert sessions.login(cookie) is session
        await fakes.pass_time(LIMITS.idle_session_s + 1)
        assert sessions.login(cookie) is None
        assert session.ended

    fakes.run(main())


def test_whose_sessions_end_is_said_by_the_credential(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        alice, newer = Principal("key:alice"), Principal("key:alice")
        old, shown, private = sessions.open(alice), sessions.open(alice), sessions.private(alice)
        sessions.find(shown.id, newer)
        sessions.end_those_of(alice, "its owner was removed")
        assert (old.ended, shown.ended, private.ended) == (True, False, True)
        sessions.end_all("done")

    fakes.run(main())


def test_an_idle_session_ends_and_releases_its_handles(fakes: Any, calculator: Service) -> None:
    async def main() -> None:
        sessions, thing = Sessions(LIMITS), fakes.Object()
        session = sessions.open()
        put(session, calculator, thing)
        await fakes.pass_time(899)
        assert not gone(sessions, session.id)
        await fakes.pass_time(899)
        assert thing.released == 0
        await fakes.pass_time(2)
        assert thing.released == 1
        assert gone(sessions, session.id)
        assert len(sessions) == 0

    fakes.run(main())


def test_a_stream_or_a_call_under_way_keeps_a_session(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        with_stream, with_call = sessions.open(rest=True), sessions.open()
        attach(sessions, with_stream, FakeClient("s"))
        with_call.calls_in_flight += 1
        for _ in range(3):
            await fakes.pass_time(1000)
        sessions.detach(with_stream, "s")
        with_call.calls_in_flight -= 1
        assert len(sessions) == 2
        for _ in range(2):
            await fakes.pass_time(1000)
        assert len(sessions) == 0

    fakes.run(main())


class WatchedStore(MemoryStore):
    """A store that counts how often all of it was looked through."""

    looks = 0

    def __iter__(self) -> Iterator[SessionRecord]:
        self.looks += 1
        return super().__iter__()


def test_sessions_in_use_are_looked_at_once_in_the_idle_time(fakes: Any) -> None:
    async def main() -> None:
        store = WatchedStore()
        sessions = Sessions(LIMITS, store)
        attach(sessions, sessions.open(), FakeClient("s"))
        looks = []
        for _ in range(5):
            before = store.looks
            await fakes.pass_time(901)
            looks.append(store.looks - before)
        assert len(set(looks)) == 1
        sessions.end_all("done")

    fakes.run(main())


def test_nobody_looks_after_the_end(fakes: Any) -> None:
    async def main() -> None:
        store = WatchedStore()
        sessions = Sessions(LIMITS, store)
        attach(sessions, sessions.open(), FakeClient("s"))
        sessions.end_all("done")
        before = store.looks
        await fakes.pass_time(1000)
        assert store.looks == before
        assert len(sessions) == 0
        Sessions(LIMITS).end_all("nothing was there")

    fakes.run(main())


def test_idle_time_begins_when_a_session_was_used_last(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        found, left, untouched = (sessions.open(rest=True) for _ in range(3))
        attach(sessions, left, FakeClient("s"))
        await fakes.pass_time(500)
        sessions.find(found.id)
        sessions.detach(left, "s")
        await fakes.pass_time(401)
        assert [session.ended for session in (found, left, untouched)] == [False, False, True]
        await fakes.pass_time(498)
        assert [session.ended for session in (found, left)] == [False, False]
        await fakes.pass_time(2)
        assert [session.ended for session in (found, left)] == [True, True]
        assert len(sessions) == 0

    fakes.run(main())


def test_a_place_that_is_kept_counts(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        sessions.open()
        for _ in range(2):
            sessions.reserve()
        for take in (sessions.open, sessions.reserve):
            with pytest.raises(GatewayError, match="there are 3 sessions already, as many as max_sess") as raised:
                take()
            assert raised.value.status is Status.RESOURCE_EXHAUSTED
        sessions.unreserve()
        sessions.open()
        with pytest.raises(GatewayError):
            sessions.open()
        sessions.unreserve()
        sessions.open()
        sessions.end_all("done")

    fakes.run(main())


def test_an_ended_session_has_no_clients(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        session = sessions.open()
        attach(sessions, session, FakeClient("s"))
        sessions.end(session, "enough")
        assert session.streams == 0
        assert session.find("s") is None
        assert list(session) == []
        sessions.end_all("done")

    fakes.run(main())


class StandingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock moves only when it is set."""

    now = 0.0

    def time(self) -> float:
        return self.now


def test_a_session_ends_exactly_when_its_time_is_over() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StandingLoop)
        sessions = Sessions(LIMITS)
        full = [sessions.open() for _ in range(3)]
        loop.now = 899.5
        with pytest.raises(GatewayError):
            sessions.open()
        loop.now = 900.0
        assert gone(sessions, full[0].id)
        for _ in range(3):
            sessions.open()
        assert all(session.ended for session in full)
        sessions.end_all("done")

    with asyncio.Runner(loop_factory=StandingLoop) as runner:
        runner.run(main())


def test_an_expired_session_is_gone_even_before_anybody_cleans_up(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        id = sessions.open().id
        loop = asyncio.get_running_loop()
        loop.ahead += 901  # no timer has run yet
        assert gone(sessions, id)
        sessions.end_all("done")

    fakes.run(main())


def test_ending_tells_the_streams_and_happens_once(fakes: Any, calculator: Service) -> None:
    async def main() -> None:
        sessions, client, thing = Sessions(LIMITS), FakeClient("s"), fakes.Object()
        session = sessions.open()
        attach(sessions, session, client)
        put(session, calculator, thing)
        for _ in range(2):
            sessions.end(session, "enough")
        assert client.ended == ["enough"]
        assert thing.released == 1
        assert session.ended
        assert gone(sessions, session.id)
        sessions.end_all("done")

    fakes.run(main())


def test_what_only_a_stream_held_goes_with_it(fakes: Any, calculator: Service) -> None:
    async def main() -> None:
        sessions, own, shared = Sessions(LIMITS), fakes.Object("own"), fakes.Object("shared")
        session = sessions.open(rest=True)
        attach(sessions, session, FakeClient("s"))
        for thing in (own, shared):
            session.handles.put("s", calculator, None, thing)
        put(session, calculator, shared)
        sessions.detach(session, "s")
        assert (own.released, shared.released) == (1, 0)
        assert not gone(sessions, session.id)
        sessions.end_all("done")
        assert shared.released == 1

    fakes.run(main())


def test_there_is_a_limit_and_idle_ones_make_room(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        for _ in range(3):
            sessions.open()
        with pytest.raises(GatewayError) as raised:
            sessions.open()
        assert raised.value.status is Status.RESOURCE_EXHAUSTED
        asyncio.get_running_loop().ahead += 901
        sessions.open()
        assert len(sessions) == 1
        sessions.end_all("done")

    fakes.run(main())


def test_the_end_of_what_rest_held_is_told_to_its_listener_once(fakes: Any, calculator: Service) -> None:
    async def main() -> None:
        sessions, thing = Sessions(LIMITS), fakes.Object()
        session, listener = sessions.open(), FakeClient("events")
        put(session, calculator, thing)
        attach(sessions, session, listener)
        session.record.listener = "events"
        token = session.handles.put("events", calculator, None, thing).token
        thing.alive = False
        sessions.service_lost("calculator", "it is gone")
        assert listener.lost == [(token, "unavailable", "it is gone")]
        sessions.end_all("done")

    fakes.run(main())


def test_dead_handles_of_a_private_session_make_room(fakes: Any, calculator: Service) -> None:
    async def main() -> None:
        sessions, thing = Sessions(LIMITS), fakes.Object()
        session = sessions.private()
        put(session, calculator, thing)
        thing.alive = False
        sessions.service_lost("calculator", "it is gone")
        assert len(session.handles) == 0

    fakes.run(main())


def test_a_private_session_is_found_by_nobody(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        session = sessions.private()
        assert session not in sessions
        assert gone(sessions, session.id)

    fakes.run(main())


def test_a_session_that_rest_never_used_ends_with_its_last_stream(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        session = sessions.open()
        for stream in ("s", "t"):
            attach(sessions, session, FakeClient(stream))
        sessions.detach(session, "s")
        assert not session.ended
        sessions.detach(session, "t")
        assert session.ended
        assert gone(sessions, session.id)
        sessions.end_all("done")

    fakes.run(main())


def test_handles_of_a_lost_service_end_and_their_streams_are_told(fakes: Any, calculator: Service) -> None:
    async def main() -> None:
        sessions, dead, living = Sessions(LIMITS), fakes.Object("dead"), fakes.Object("living")
        session, client, other = sessions.open(), FakeClient("s"), FakeClient("t")
        attach(sessions, session, client)
        attach(sessions, session, other)
        tokens = [
            session.handles.put("s", calculator, None, thing).token for thing in (dead, living)
        ]
        dead.alive = False
        sessions.service_lost("addressbook", "another one")
        assert len(session.handles) == 2
        sessions.service_lost("calculator", "it is gone")
        assert [handle.token for handle in session.handles] == [tokens[1]]
        assert client.lost == [(tokens[0], "unavailable", "it is gone")]
        assert other.lost == []
        sessions.end_all("done")

    fakes.run(main())
