"""When an issuer's keys are fetched: once for many, seldom for strangers, not at the cost of those who are known."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.access.issuer_keys import (
    FAILURE_PAUSE_S,
    FETCH_S,
    MAX_AGE_S,
    MOST_AGE_S,
    MOST_WAITING,
    PAUSE_S,
    IssuerKeys,
)
from gateway.config.jwk_set import JwkSet
from gateway.errors import GatewayError, Status
from tests.issuer import jwks, public_jwk

OLD, NEW = public_jwk("RSA", kid="old"), public_jwk("RSA", 1, kid="new")


class Issuer:
    """Publishes what the test says when it says so, and has the test's clock.

    Attributes:
        fetches: how often its keys were asked for.
        answer: the next text, or why there is none.
        holds: whether it keeps its answer back until it is told to `let_go`.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.fetches = 0
        self.answer: bytes | Exception = jwks(OLD)
        self.holds = False
        self.let_go = asyncio.Event()
        self.changes: list[JwkSet] = []
        self.keys = IssuerKeys(self.fetch, None, self.changes.append, lambda: self.now)

    async def fetch(self) -> bytes:
        self.fetches += 1
        if self.holds:
            await self.let_go.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def id_of(self, id: str) -> str | None:
        """What a token with that key id comes to."""
        found = self.keys.key_for("RS256", id) or await self.keys.key_after_fetch("RS256", id)
        return None if found is None else found.id


def run(test: Callable[[Issuer], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        issuer = Issuer()
        try:
            await test(issuer)
        finally:
            issuer.keys.close()

    asyncio.run(asyncio.wait_for(main(), 10))


async def unavailable(issuer: Issuer, id: str = "old") -> int:
    """Be told that nobody can tell; in how many seconds to come again."""
    with pytest.raises(GatewayError) as raised:
        await issuer.id_of(id)
    assert raised.value.status is Status.UNAVAILABLE
    assert raised.value.retry_after is not None
    return raised.value.retry_after


def test_many_wait_for_one_fetch() -> None:
    async def test(issuer: Issuer) -> None:
        issuer.holds = True
        waiting = [asyncio.create_task(issuer.id_of("old")) for _ in range(100)]
        await asyncio.sleep(0)
        issuer.let_go.set()
        assert await asyncio.gather(*waiting) == ["old"] * 100
        assert issuer.fetches == 1

    run(test)


def test_an_unknown_key_is_worth_one_fetch_and_then_a_pause() -> None:
    async def test(issuer: Issuer) -> None:
        await issuer.id_of("old")
        issuer.now += PAUSE_S
        for number in range(50):
            assert await issuer.id_of(f"made-up-{number}") is None
        assert issuer.fetches == 2
        issuer.now += PAUSE_S - 0.1
        assert await issuer.id_of("made-up") is None
        assert issuer.fetches == 2
        issuer.now += 0.2
        issuer.answer = jwks(OLD, NEW)
        assert await issuer.id_of("new") == "new"
        assert issuer.fetches == 3

    run(test)


def test_who_is_known_waits_for_no_fetch_that_hangs() -> None:
    async def test(issuer: Issuer) -> None:
        await issuer.id_of("old")
        issuer.now += PAUSE_S
        issuer.holds = True
        stranger = asyncio.create_task(issuer.id_of("made-up"))
        while issuer.fetches < 2:
            await asyncio.sleep(0)
        assert issuer.keys.key_for("RS256", "old") is not None
        issuer.let_go.set()
        assert await stranger is None

    run(test)


def test_one_who_gives_up_does_not_end_the_fetch_of_the_others() -> None:
    async def test(issuer: Issuer) -> None:
        issuer.holds = True
        first, second = (asyncio.create_task(issuer.id_of("old")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        issuer.let_go.set()
        assert await second == "old"
        assert issuer.fetches == 1

    run(test)


def test_not_more_wait_than_there_may() -> None:
    async def test(issuer: Issuer) -> None:
        issuer.holds = True
        waiting = [asyncio.create_task(issuer.id_of("old")) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        await unavailable(issuer)
        issuer.let_go.set()
        assert set(await asyncio.gather(*waiting)) == {"old"}

    run(test)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ValueError("http://id redirects"), "http://id redirects"),
        (b"<html>no</html>", "it is no JSON"),
        (b'{"keys": []}', "no key of it can be used"),
        (b" " * 300_000, "it has more than 262144 bytes"),
        (RuntimeError("a fault of ours"), "the gateway failed"),
    ],
)
def test_while_there_are_no_keys_nobody_can_tell(
    answer: bytes | Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(issuer: Issuer) -> None:
        issuer.answer = answer
        for _ in range(5):
            assert 1 <= await unavailable(issuer) <= FAILURE_PAUSE_S
        assert issuer.fetches == 1
        issuer.now += FAILURE_PAUSE_S
        await unavailable(issuer)
        assert issuer.fetches == 2
        issuer.now += FAILURE_PAUSE_S
        issuer.answer = jwks(OLD)
        assert await issuer.id_of("old") == "old"

    run(test)
    # Said once, however often it happens.
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith(f"the issuer's keys could not be fetched: {reason}")


def test_when_the_issuer_fails_later_its_known_keys_are_used() -> None:
    async def test(issuer: Issuer) -> None:
        await issuer.id_of("old")
        issuer.answer = ValueError("it is away")
        issuer.now += PAUSE_S
        # Whether this is a new key nobody can tell.
        await unavailable(issuer, "new")
        assert await issuer.id_of("old") == "old"
        assert issuer.fetches == 2

    run(test)


async def settled(issuer: Issuer, fetches: int) -> None:
    while issuer.fetches < fetches:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_old_keys_are_fetched_anew_while_they_are_used_on() -> None:
    async def test(issuer: Issuer) -> None:
        await issuer.id_of("old")
        issuer.now += MAX_AGE_S - 1
        issuer.keys.refresh()
        assert await issuer.id_of("old") == "old"
        assert issuer.fetches == 1
        issuer.now += 1
        issuer.answer = jwks(NEW)
        assert issuer.keys.key_for("RS256", "old") is not None
        await settled(issuer, 2)
        # It was withdrawn.
        assert issuer.keys.key_for("RS256", "old") is None
        assert issuer.keys.key_for("RS256", "new") is not None
        assert [[key.id for key in change.keys] for change in issuer.changes] == [["old"], ["new"]]

    run(test)


def test_keys_that_cannot_be_fetched_for_a_day_are_used_no_more() -> None:
    async def test(issuer: Issuer) -> None:
        await issuer.id_of("old")
        issuer.answer = ValueError("it is away")
        issuer.now += MOST_AGE_S
        assert await issuer.id_of("old") == "old"
        await settled(issuer, 2)
        issuer.now += 1
        await unavailable(issuer)
        assert [len(change.keys) for change in issuer.changes] == [1, 0]

    run(test)


def test_the_same_keys_again_are_no_change() -> None:
    async def test(issuer: Issuer) -> None:
        await issuer.id_of("old")
        issuer.now += MAX_AGE_S
        issuer.keys.refresh()
        await settled(issuer, 2)
        assert len(issuer.changes) == 1

    run(test)


def test_a_fetch_that_hangs_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.access.issuer_keys.FETCH_S", 0.005)
    monkeypatch.setattr("gateway.access.issuer_keys.MARGIN_S", 0.005)

    async def test(issuer: Issuer) -> None:
        issuer.holds = True
        await unavailable(issuer)

    assert FETCH_S <= 10
    run(test)


def test_who_waits_when_it_is_closed_is_told_at_once() -> None:
    async def test(issuer: Issuer) -> None:
        issuer.holds = True
        waiting = asyncio.create_task(issuer.id_of("old"))
        await asyncio.sleep(0)
        issuer.keys.close()
        with pytest.raises(GatewayError) as raised:
            await waiting
        assert raised.value.status is Status.UNAVAILABLE

    run(test)
