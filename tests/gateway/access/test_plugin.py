"""Somebody else's authenticator: what it may give, and that its faults are its own."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
from typing import Any

import pytest

from gateway.access.credentials import Credentials
from gateway.access.plugin import MOST_WAITING, ForeignAuthenticator
from gateway.access.principals import Principal
from gateway.errors import GatewayError, Status

SHOWN = Credentials({"Authorization": "Ticket hush"}, address="192.0.2.1")
NOW = 1_800_000_000.0


class Given:
    """Gives what a test wants."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def authenticate(self, credentials: Credentials) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def asked(authenticator: Any) -> Principal | None:
    return asyncio.run(ForeignAuthenticator(authenticator, "a.b:c", lambda: NOW).authenticate(SHOWN))


def test_whom_it_names_is_the_same_each_time_with_the_last_roles() -> None:
    foreign = ForeignAuthenticator(given := Given(Principal("ticket:alice", frozenset({"a"}))), "a.b:c", lambda: NOW)
    first = asyncio.run(foreign.authenticate(SHOWN))
    assert first is not None
    given.answer = Principal("ticket:alice", frozenset({"b"}))
    assert asyncio.run(foreign.authenticate(SHOWN)) is first
    assert first.roles == {"b"}
    # Another credential of the same one, as it ends at another time.
    given.answer = Principal("ticket:alice", frozenset({"b"}), NOW + 60)
    assert asyncio.run(foreign.authenticate(SHOWN)) is not first
    assert foreign.close()[0] is first
    assert first.is_removed


def test_it_may_know_nothing_of_what_is_shown() -> None:
    assert asked(Given(None)) is None


def test_it_may_refuse_in_its_own_words() -> None:
    with pytest.raises(GatewayError) as raised:
        asked(Given(GatewayError(Status.UNAUTHENTICATED, "the ticket is used")))
    assert (raised.value.status, raised.value.detail) == (Status.UNAUTHENTICATED, "the ticket is used")


def test_who_has_expired_is_refused() -> None:
    with pytest.raises(GatewayError, match="expired") as raised:
        asked(Given(Principal("a", expires_at=NOW)))
    assert raised.value.status is Status.UNAUTHENTICATED


class Sync:
    def authenticate(self, credentials: Credentials) -> Principal:
        return Principal("a")


@pytest.mark.parametrize(
    ("authenticator", "said"),
    [
        (Given(RuntimeError("hush")), "the authenticator a.b:c failed: RuntimeError at "),
        (Given(SystemExit("hush")), "the authenticator a.b:c failed: SystemExit at "),
        (Given(KeyboardInterrupt("hush")), "the authenticator a.b:c failed: KeyboardInterrupt at "),
        (Given(asyncio.CancelledError("hush")), "the authenticator a.b:c failed: CancelledError at "),
        (Given("alice"), "the authenticator a.b:c gave a str, expected a Principal with a name or None"),
        (Given(Principal(None)), "gave a Principal whose name is no printable text"),
        (Given(Principal("")), "gave a Principal whose name is no printable text"),
        (Given(Principal("a\n")), "gave a Principal whose name is no printable text"),
        (Given(Principal("a" * 257)), "gave a Principal whose name is no printable text"),
        (Given(Principal("a", {"b"})), "gave a Principal whose roles are no frozenset of texts"),  # type: ignore[arg-type]
        (Given(Principal("a", expires_at=math.nan)), "gave a Principal whose expires_at is no number"),
        (Given(Principal("a", expires_at="x")), "gave a Principal whose expires_at is no number"),  # type: ignore[arg-type]
        (Sync(), "the authenticator a.b:c failed: TypeError at "),
    ],
)
def test_its_faults_are_logged_without_secrets_and_answered_with_unavailable(
    authenticator: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(GatewayError) as raised:
        asked(authenticator)
    assert raised.value.status is Status.UNAVAILABLE
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert said in record.getMessage()
    assert "hush" not in caplog.text
    assert "hush" not in raised.value.detail


class Stubborn:
    """Does not let itself be cancelled the first time."""

    def __init__(self) -> None:
        self.cancelled = 0

    async def authenticate(self, credentials: Credentials) -> Principal | None:
        while self.cancelled < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled += 1
        return None


def test_one_that_hangs_holds_nobody_for_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.access.plugin.PLUGIN_S", 0.01)
    with pytest.raises(GatewayError) as raised:
        asked(stubborn := Stubborn())
    assert raised.value.status is Status.UNAVAILABLE
    assert "did not answer within 0.01 s" in caplog.text
    assert stubborn.cancelled >= 1


def test_what_it_says_when_it_is_asked_no_more_counts_for_nothing() -> None:
    async def test() -> None:
        foreign = ForeignAuthenticator(Given(Principal("ticket:alice")), "a.b:c", lambda: NOW)
        waiting = asyncio.create_task(foreign.authenticate(SHOWN))
        await asyncio.sleep(0)
        foreign.close()
        with pytest.raises(GatewayError) as raised:
            await waiting
        assert raised.value.status is Status.UNAVAILABLE

    asyncio.run(test())


def test_only_so_many_wait_for_it() -> None:
    async def test() -> None:
        foreign = ForeignAuthenticator(Stubborn(), "a.b:c", lambda: NOW)
        waiting = [asyncio.create_task(foreign.authenticate(SHOWN)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(GatewayError) as raised:
            await foreign.authenticate(SHOWN)
        assert raised.value.status is Status.UNAVAILABLE
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(test())


def test_nothing_is_logged_of_one_whose_asker_has_left(caplog: pytest.LogCaptureFixture) -> None:
    class Late:
        async def authenticate(self, credentials: Credentials) -> Principal | None:
            try:
                await asyncio.sleep(60)
            finally:
                raise RuntimeError("hush")

    async def main() -> None:
        asking = asyncio.ensure_future(ForeignAuthenticator(Late(), "a.b:c").authenticate(SHOWN))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())
    assert caplog.text == ""
