"""How long what a client was let in by holds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.access.credentials import Credentials
from gateway.access.principals import ANONYMOUS, Principal
from gateway.config.limits import Limits
from gateway.errors import GatewayError
from gateway.protocols.admission import Admission, Admissions
from gateway.sessions.record import SessionRecord
from gateway.sessions.session import Session
from tests.gatekeeper import FakeGatekeeper

DAY_S = 86_400.0


def now() -> float:
    """Seconds since 1970 that go with the loop's clock."""
    return 1e9 + asyncio.get_running_loop().time()


@pytest.fixture
def over() -> list[str]:
    return []


def admissions(**principals: Principal) -> Admissions:
    return Admissions(FakeGatekeeper(principals), now)


def test_it_is_over_once_when_the_credential_expires(fakes: Any, over: list[str]) -> None:
    async def main() -> None:
        alice = Principal("key:alice", expires_at=now() + 3 * DAY_S)
        admission = Admission(admissions(), alice)
        admission.begin(over.append, 10)
        for _ in range(3):
            await fakes.pass_time(DAY_S - 1)
        assert over == []
        await fakes.pass_time(4)
        assert over == ["the credentials have expired"]
        admission.lapse("again")
        assert len(over) == 1

    fakes.run(main())


def test_a_credential_may_be_given_more_time(fakes: Any, over: list[str]) -> None:
    async def main() -> None:
        alice = Principal("key:alice", expires_at=now() + 10)
        Admission(admissions(), alice).begin(over.append, 10)
        alice.expires_at += 10
        await fakes.pass_time(11)
        assert over == []
        await fakes.pass_time(10)
        assert over == ["the credentials have expired"]

    fakes.run(main())


def test_a_credential_that_expires_never_needs_no_timer(fakes: Any, over: list[str]) -> None:
    async def main() -> None:
        for principal in (Principal("key:alice"), ANONYMOUS):
            Admission(admissions(), principal).begin(over.append, 10)
        assert fakes.timers() == 0

    fakes.run(main())


def test_whoever_does_not_say_who_it_is_has_little_time(fakes: Any, over: list[str]) -> None:
    async def main() -> None:
        admission = Admission(admissions(a=Principal("key:alice")), None)
        admission.begin(over.append, 10)
        with pytest.raises(GatewayError, match="nobody has this key"):
            admission.present("forged")
        with pytest.raises(GatewayError, match="opened without credentials"):
            admission.present(None)
        await fakes.pass_time(11)
        assert over == ["nothing said within 10 s who this is"]

    fakes.run(main())


def test_a_token_ends_the_wait_and_is_shown_with_what_came_before(fakes: Any, over: list[str]) -> None:
    async def main() -> None:
        alice = Principal("key:alice")
        all = admissions(a=alice)
        admission = Admission(all, None, Credentials({"Origin": "https://app.example"}, "192.0.2.1"))
        admission.begin(over.append, 10)
        assert admission.present("a") is None
        assert admission.principal is alice
        assert fakes.timers() == 0
        assert isinstance(all.gatekeeper, FakeGatekeeper)
        (asked,) = all.gatekeeper.asked
        assert (asked.token, asked.address) == ("a", "192.0.2.1")
        all.withdraw(Principal("key:alice"))
        assert over == []
        all.withdraw(alice)
        assert over == ["the credentials were withdrawn"]

    fakes.run(main())


def test_it_ends_with_the_login_that_it_came_by(fakes: Any, over: list[str]) -> None:
    async def main() -> None:
        alice = Principal("key:alice")
        all = admissions(a=alice)
        session = Session(SessionRecord("id"), Limits(), lambda: "token", alice)
        by_cookie, by_token, gone = (Admission(all, alice, None, session) for _ in range(3))
        for admission in (by_cookie, by_token, gone):
            admission.begin(over.append, 10)
        by_token.present("a")
        gone.end()
        assert session.relying == {by_cookie}
        by_cookie.lapse("the login has ended")
        assert (over, session.relying) == (["the login has ended"], set())

    fakes.run(main())
