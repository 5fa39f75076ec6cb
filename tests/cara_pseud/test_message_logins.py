"""Logins by message: who waits for a verdict how long, and who has to go; with a loop's clock that the tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

from cara_pseud.connection import Connection
from cara_pseud.logins import Verdict
from cara_pseud.message_logins import MessageLogins
from tests.clock import MovedClock


class Client:
    """What is looked at of a connection: whether it is lost, and its key and address as ZeroMQ's user."""

    def __init__(self, address: bytes = b"127.0.0.1", key: bytes = b"k") -> None:
        self.transport_user = key * 40 + address
        self.lost = False


class Desk:
    """Logins of a server; whoever checks them is the test."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes]] = []
        self.answers: list[Callable[[Verdict], None]] = []
        self.told: list[tuple[bytes, Verdict]] = []
        self.users: set[bytes] = set()
        self.logins = MessageLogins(asyncio.get_running_loop(), self._check, self._tell)

    def _check(self, user: bytes, login: bytes, password: bytes, answer: Callable[[Verdict], None]) -> None:
        self.users.add(user)
        self.asked.append((login, password))
        self.answers.append(answer)

    def _tell(self, connection: Any, uid: bytes, login: bytes, verdict: Verdict) -> None:
        self.told.append((uid, verdict))

    def ask(self, client: Client, uid: bytes, login: bytes = b"ann") -> None:
        self.logins.ask(cast(Connection, client), uid, login, b"secret")

    async def answer(self, verdict: Verdict) -> None:
        self.answers.pop(0)(verdict)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def run(main: Coroutine[Any, Any, None]) -> None:
    async def watched() -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, failure: failures.append(failure))
        await asyncio.wait_for(main, 120)
        assert failures == []

    asyncio.run(watched())


def test_a_login_is_checked_and_told() -> None:
    async def main() -> None:
        desk, client = Desk(), Client()
        desk.ask(client, b"1")
        assert (desk.asked, desk.users) == ([(b"ann", b"secret")], {client.transport_user})
        await desk.answer(Verdict.PERMITTED)
        assert desk.told == [(b"1", Verdict.PERMITTED)]

    run(main())


def test_a_login_that_comes_twice_is_checked_once() -> None:
    async def main() -> None:
        desk, client = Desk(), Client()
        for uid in (b"1", b"1", b"2"):
            desk.ask(client, uid)
        assert len(desk.asked) == 2

    run(main())


def test_who_has_to_come_again_is_asked_for_again_five_times_a_second() -> None:
    async def main() -> None:
        clock, desk = MovedClock(), Desk()
        desk.ask(Client(), b"1")
        await desk.answer(Verdict.COME_AGAIN)
        await clock.advance(0.19)
        assert len(desk.asked) == 1
        await clock.advance(0.02)
        assert (len(desk.asked), desk.told) == (2, [])
        await desk.answer(Verdict.REFUSED)
        assert desk.told == [(b"1", Verdict.REFUSED)]

    run(main())


def test_after_five_seconds_whoever_still_has_to_come_again_is_told_so() -> None:
    async def main() -> None:
        clock, desk = MovedClock(), Desk()
        desk.ask(Client(), b"1")
        await clock.advance(4.9)
        await desk.answer(Verdict.COME_AGAIN)
        assert desk.told == []
        await clock.advance(0.25)
        await desk.answer(Verdict.COME_AGAIN)
        assert desk.told == [(b"1", Verdict.COME_AGAIN)]

    run(main())


def test_five_seconds_are_over_when_they_are_over() -> None:
    async def main() -> None:
        clock, desk = MovedClock(stopped=True), Desk()
        desk.ask(Client(), b"1")
        await clock.advance(5.0)
        await desk.answer(Verdict.COME_AGAIN)
        assert desk.told == [(b"1", Verdict.COME_AGAIN)]

    run(main())


def test_for_who_is_gone_nobody_asks_again() -> None:
    async def main() -> None:
        clock, desk, client = MovedClock(), Desk(), Client()
        desk.ask(client, b"1")
        client.lost = True
        await desk.answer(Verdict.COME_AGAIN)
        await clock.advance(1)
        assert (len(desk.asked), desk.told) == (1, [(b"1", Verdict.COME_AGAIN)])

    run(main())


def test_of_one_address_256_may_wait_and_the_oldest_has_to_go() -> None:
    async def main() -> None:
        desk = Desk()
        other = Client(b"227.0.0.1")
        desk.ask(other, b"other")
        clients = [Client(key=key) for key in (b"a", b"b")]
        for number in range(256):
            desk.ask(clients[number % 2], b"%d" % number)
        assert desk.told == []
        desk.ask(clients[0], b"256")
        assert desk.told == [(b"0", Verdict.COME_AGAIN)]
        # Those that were told make room again.
        await desk.answer(Verdict.PERMITTED)
        desk.answers.pop(0)
        await desk.answer(Verdict.PERMITTED)
        assert [uid for uid, _ in desk.told] == [b"0", b"other", b"1"]
        desk.ask(clients[1], b"257")
        assert len(desk.told) == 3

    run(main())


def test_over_all_4096_may_wait_and_the_oldest_has_to_go() -> None:
    async def main() -> None:
        desk = Desk()
        for number in range(4096):
            desk.ask(Client(b"10.0.%d.%d" % divmod(number // 16, 256)), b"%d" % number)
        assert desk.told == []
        desk.ask(Client(b"10.1.0.0"), b"last")
        assert desk.told == [(b"0", Verdict.COME_AGAIN)]

    run(main())


def test_an_address_that_nobody_waits_at_is_forgotten() -> None:
    # There are as many as a network has.
    async def main() -> None:
        desk = Desk()
        for number in range(10):
            desk.ask(Client(b"10.0.0.%d" % number), b"1")
            await desk.answer(Verdict.REFUSED)
        assert len(desk.logins._of_source) == 0

    run(main())


def test_who_had_to_go_is_not_asked_for_again() -> None:
    async def main() -> None:
        clock, desk, client = MovedClock(), Desk(), Client()
        desk.ask(client, b"0")
        await desk.answer(Verdict.COME_AGAIN)
        for number in range(1, 257):
            desk.ask(client, b"%d" % number)
        assert desk.told == [(b"0", Verdict.COME_AGAIN)]
        asked = len(desk.asked)
        await clock.advance(1)
        assert len(desk.asked) == asked

    run(main())


def test_once_closed_nothing_is_asked_or_told() -> None:
    async def main() -> None:
        clock, desk = MovedClock(), Desk()
        desk.ask(Client(), b"1")
        desk.ask(Client(), b"2")
        await desk.answer(Verdict.COME_AGAIN)
        desk.logins.close()
        await desk.answer(Verdict.PERMITTED)
        await clock.advance(1)
        assert (len(desk.asked), desk.told) == (2, [])

    run(main())


def test_a_verdict_that_comes_after_the_loop_s_end_disturbs_nobody() -> None:
    desks: list[Desk] = []

    async def main() -> None:
        desks.append(Desk())
        desks[0].ask(Client(), b"1")

    run(main())
    desks[0].answers[0](Verdict.PERMITTED)
    assert desks[0].told == []
