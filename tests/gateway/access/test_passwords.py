"""Names and passwords: who is let in, who has to come again, and what is remembered."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cara_pseud.logins import Verdict
from cara_pseud.password_entries import PasswordEntry, entry_of_nobody
from gateway.access.credentials import Credentials
from gateway.access.login_ration import FAILURES_AT_ONCE, SECONDS_EACH
from gateway.access.passwords import PasswordLogins
from gateway.access.principals import Principal
from gateway.errors import GatewayError, Status

HOME = Credentials({}, address="192.0.2.1")
CAFE = Credentials({}, address="192.0.2.2")


def entry(name: str, *roles: str) -> PasswordEntry:
    hashed = entry_of_nobody(name.encode(), name.encode())
    return PasswordEntry(hashed.n, hashed.r, hashed.p, hashed.salt, hashed.digest, frozenset(roles))


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


class World:
    """Where a password is right if it is ``the password of`` its user.

    Attributes:
        asked: whose password was checked.
        verdict: what every check comes to; None: what is right.
    """

    def __init__(self, *users: str) -> None:
        self.asked: list[bytes] = []
        self.verdict: Verdict | None = None
        self.hangs = False
        self.now = 0.0
        self.entries = {user.encode(): entry(user, "staff") for user in users}
        self.logins = PasswordLogins(self.entries, self.check, lambda: self.now)

    def check(self, address: bytes, user: bytes, password: bytes, answer: Callable[[Verdict], None]) -> None:
        self.asked.append(user)
        right = user in self.entries and password == b"the password of " + user
        if not self.hangs:
            answer(self.verdict or (Verdict.PERMITTED if right else Verdict.REFUSED))

    async def login(self, user: str, password: str | None = None, at: Credentials = HOME) -> Principal:
        value = basic(user, f"the password of {user}" if password is None else password)
        return self.logins.known(value, at) or await self.logins.authenticate(value, at)

    async def refused(self, user: str, password: str | None = None, at: Credentials = HOME) -> GatewayError:
        with pytest.raises(GatewayError) as raised:
            await self.login(user, password, at)
        return raised.value


def run(world: World, test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


def test_a_login_is_checked_once_and_known_at_once_from_then_on() -> None:
    world = World("alice")

    async def test() -> None:
        alice = await world.login("alice")
        assert (alice.name, alice.roles) == ("basic:alice", {"staff"})
        assert world.logins.known(basic("alice", "the password of alice"), CAFE) is alice
        assert await world.login("alice", at=CAFE) is alice
        assert world.asked == [b"alice"]

    run(world, test())


def test_what_is_remembered_holds_no_password() -> None:
    world = World("alice")

    async def test() -> None:
        await world.login("alice")
        kept = repr(vars(world.logins)) + repr(list(world.logins._known))
        assert "the password of" not in kept
        assert basic("alice", "the password of alice") not in kept

    run(world, test())


def test_a_wrong_password_and_a_wrong_name_are_refused_in_the_same_words() -> None:
    world = World("alice")

    async def test() -> None:
        for user, password in (("alice", "wrong"), ("mallory", None), ("alice", "")):
            refused = await world.refused(user, password)
            assert (refused.status, refused.detail) == (Status.UNAUTHENTICATED, "the name or the password is wrong")
        assert world.asked == [b"alice", b"mallory", b"alice"]

    run(world, test())


@pytest.mark.parametrize("value", ["", "YWxpY2U", "!!!!", "é", base64.b64encode(b"\xff:x").decode(), "YWxpY2U=", "OnB3",
                                   base64.b64encode(b"a" * 257 + b":x").decode()])  # fmt: skip
def test_what_is_no_name_and_password_is_refused_without_a_check(value: str) -> None:
    world = World("alice")
    with pytest.raises(GatewayError, match="Basic has a name and password in UTF-8") as raised:
        world.logins.known(value, HOME)
    assert raised.value.status is Status.UNAUTHENTICATED
    assert world.asked == []


def test_a_password_may_have_colons_and_any_letters() -> None:
    world = World("zoë")

    async def test() -> None:
        assert (await world.login("zoë")).name == "basic:zoë"
        assert (await world.refused("zoë", "a:b")).status is Status.UNAUTHENTICATED

    run(world, test())


def test_guesses_are_rationed_and_those_who_are_known_come_in_all_the_same() -> None:
    world = World("alice", "bob")

    async def test() -> None:
        alice = await world.login("alice", at=CAFE)
        for number in range(FAILURES_AT_ONCE):
            assert (await world.refused("bob", f"guess {number}", CAFE)).status is Status.UNAUTHENTICATED
        checked = len(world.asked)
        late = await world.refused("bob", "guess", CAFE)
        assert (late.status, late.retry_after) == (Status.RESOURCE_EXHAUSTED, int(SECONDS_EACH))
        assert "try again in 5 seconds" in late.detail
        assert len(world.asked) == checked
        # The guesser's neighbour and the guesser's victim elsewhere.
        assert await world.login("alice", at=CAFE) is alice
        assert (await world.login("bob", at=HOME)).name == "basic:bob"
        world.now += SECONDS_EACH
        assert (await world.login("bob", at=CAFE)).name == "basic:bob"

    run(world, test())


def test_one_host_of_ipv6_has_one_ration_for_all_its_addresses() -> None:
    world = World("alice")

    async def test() -> None:
        statuses = [
            (await world.refused("alice", "wrong", Credentials({}, address=f"2001:db8::{number:x}"))).status
            for number in range(1, FAILURES_AT_ONCE + 2)
        ]
        assert statuses == [Status.UNAUTHENTICATED] * FAILURES_AT_ONCE + [Status.RESOURCE_EXHAUSTED]

    run(world, test())


def test_who_waits_in_vain_may_come_again_and_has_lost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World("alice")
    monkeypatch.setattr("gateway.access.passwords.CHECK_S", 0.01)

    async def test() -> None:
        world.verdict = Verdict.COME_AGAIN
        for _ in range(2 * FAILURES_AT_ONCE):
            late = await world.refused("alice")
            assert (late.status, late.retry_after) == (Status.RESOURCE_EXHAUSTED, 2)
        world.hangs = True
        assert (await world.refused("alice")).retry_after == 2
        world.hangs, world.verdict = False, None
        assert (await world.login("alice")).name == "basic:alice"

    run(world, test())


def test_a_reload_changes_roles_and_ends_who_has_another_password() -> None:
    world = World("alice", "bob", "carol")

    async def test() -> None:
        alice, bob, carol = [await world.login(name) for name in ("alice", "bob", "carol")]
        changed = {b"alice": entry("alice", "admin"), b"bob": entry("another hash")}
        assert set(world.logins.replace(changed)) == {bob, carol}
        assert (alice.roles, alice.is_removed) == ({"admin"}, False)
        assert (bob.is_removed, carol.is_removed) == (True, True)
        assert await world.login("alice") is alice
        # Known no more by what they showed, so that is checked anew.
        for name in ("bob", "carol"):
            assert world.logins.known(basic(name, f"the password of {name}"), HOME) is None

    run(world, test())


def test_a_password_that_changes_while_it_is_checked_is_checked_anew() -> None:
    world = World("alice")

    async def test() -> None:
        answers: list[Callable[[Verdict], None]] = []
        world.logins._ask = lambda address, user, password, answer: answers.append(answer)
        waiting = asyncio.create_task(world.refused("alice"))
        while not answers:
            await asyncio.sleep(0)
        world.logins.replace({b"alice": entry("another hash")})
        answers[0](Verdict.PERMITTED)
        assert (await waiting).status is Status.RESOURCE_EXHAUSTED
        # Nothing is remembered of the old one.
        assert world.logins.known(basic("alice", "the password of alice"), HOME) is None

    run(world, test())
