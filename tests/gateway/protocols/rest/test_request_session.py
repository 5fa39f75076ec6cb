"""The session of one request, which all of its calls share."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.access.principals import Principal
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols.rest.request_session import RequestSession
from gateway.sessions.sessions import Sessions

LIMITS = Limits(max_sessions=1)


def test_it_is_opened_once_in_the_place_that_was_kept(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        owner = RequestSession(sessions, None, Principal("key:ann"), "192.0.2.1")
        owner.reserve()
        with pytest.raises(GatewayError):
            sessions.open()
        owner.unreserve()
        session = owner.open()
        assert (owner.session, owner.opened) == (session, True)
        assert sessions.find(session.id, Principal("key:ann")) is session
        owner.abandon()
        assert session.ended
        sessions.open()
        sessions.end_all("done")

    fakes.run(main())


def test_one_that_the_request_named_is_not_abandoned(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        owner = RequestSession(sessions, sessions.open())
        owner.abandon()
        assert owner.session is not None
        assert not owner.session.ended
        assert not owner.opened
        sessions.end_all("done")

    fakes.run(main())


def test_who_may_open_none_is_told_before_a_place_is_kept(fakes: Any) -> None:
    async def main() -> None:
        sessions = Sessions(LIMITS)
        owner = RequestSession(sessions, None, may_open=False)
        with pytest.raises(GatewayError, match="pages of other sites cannot open a session") as raised:
            owner.reserve()
        assert raised.value.status is Status.PERMISSION_DENIED
        sessions.open()
        sessions.end_all("done")

    fakes.run(main())
