"""What batches hold beyond what one turn permits waits until it is its peer's turn again."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

import pytest

from cara_pseud.batches import Message
from cara_pseud.cork import Cork
from cara_pseud.inbox import IN_ONE_TURN, Inbox, Inboxes
from tests.clock import MovedClock


class Peer:
    def __init__(self, name: str) -> None:
        self.name = name
        self.inbox = Inbox()
        self.lost = False


def messages(count: int, first: int = 0) -> list[Message]:
    return [(number.to_bytes(16, "big"), b"\x03", b"body") for number in range(first, first + count)]


class Desk:
    """Inboxes whose messages are noted as they are handled, with the number of the loop's turn."""

    def __init__(self, then: Callable[[Peer, int], None] = lambda peer, number: None) -> None:
        self.cork, self.loop, self.told = Cork(), asyncio.get_running_loop(), 0
        self.handled: list[tuple[str, int]] = []
        self.dropped: Counter[str] = Counter()
        self._then = then
        self.inboxes = Inboxes(self._handle, self.dropped, self._tell)

    def _handle(self, peer: Peer, uid: bytes, kind: bytes, body: bytes) -> None:
        number = int.from_bytes(uid, "big")
        self.handled.append((peer.name, number))
        self._then(peer, number)

    def _tell(self) -> None:
        self.told += 1

    def take_in(self, peer: Peer, batch: list[Message], number: int = 1) -> None:
        self.inboxes.take_in(peer, batch, number, self.cork, self.loop)

    def of(self, peer: Peer) -> list[int]:
        return [number for name, number in self.handled if name == peer.name]


def test_a_turn_s_share_is_handled_at_once_and_the_rest_in_later_turns() -> None:
    async def main() -> None:
        desk, peer = Desk(), Peer("a")
        desk.take_in(peer, messages(200))
        assert len(desk.handled) == IN_ONE_TURN
        assert (len(peer.inbox), len(desk.inboxes)) == (200 - IN_ONE_TURN, 200 - IN_ONE_TURN)
        shares = []
        while peer.inbox:
            before = len(desk.handled)
            await asyncio.sleep(0)
            shares.append(len(desk.handled) - before)
        assert max(shares) == IN_ONE_TURN
        assert desk.of(peer) == list(range(200))
        assert peer.inbox.bytes == 0

    asyncio.run(main())


def test_large_messages_are_handled_by_the_clock_and_in_later_turns() -> None:
    async def main() -> None:
        clock = MovedClock(stopped=True)

        def take_time(peer: Peer, number: int) -> None:
            clock._ahead_s += 0.003

        desk, peer = Desk(take_time), Peer("a")
        desk.inboxes.take_in(peer, messages(6), 1, desk.cork, desk.loop, large=True)
        desk.take_in(peer, messages(1, 6))
        assert desk.handled == []
        shares = []
        while peer.inbox:
            before = len(desk.handled)
            await asyncio.sleep(0)
            shares.append(len(desk.handled) - before)
        assert (max(shares), desk.of(peer)) == (2, list(range(7)))

    asyncio.run(main())


def test_several_batches_of_a_turn_share_its_share() -> None:
    async def main() -> None:
        desk, peer = Desk(), Peer("a")
        for first in range(0, 90, 30):
            desk.take_in(peer, messages(30, first))
        assert len(desk.handled) == IN_ONE_TURN
        other = Peer("b")
        desk.take_in(other, messages(10))
        assert desk.of(other) == list(range(10))

    asyncio.run(main())


def test_what_comes_later_stays_behind_what_waits() -> None:
    async def main() -> None:
        desk, peer = Desk(), Peer("a")
        desk.take_in(peer, messages(100), number=1)
        desk.take_in(peer, messages(5, first=100), number=2)
        desk.inboxes.put(peer, messages(1, first=105), desk.cork, desk.loop)
        while peer.inbox:
            await asyncio.sleep(0)
        assert desk.of(peer) == list(range(106))

    asyncio.run(main())


def test_a_peer_that_is_lost_meanwhile_is_served_no_more() -> None:
    async def main() -> None:
        def lose(peer: Peer, number: int) -> None:
            if number == 3:
                peer.lost = True
                desk.inboxes.forget(peer)

        desk, peer = Desk(lose), Peer("a")
        desk.take_in(peer, messages(200))
        await asyncio.sleep(0)
        assert len(desk.handled) == IN_ONE_TURN
        assert len(desk.inboxes) == 0

    asyncio.run(main())


def test_what_one_message_raises_ends_only_that_message(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Desk:
        def fail(peer: Peer, number: int) -> None:
            if number % 2:
                raise KeyError(number)

        desk = Desk(fail)
        desk.take_in(Peer("a"), messages(10))
        return desk

    with caplog.at_level(logging.ERROR):
        desk = asyncio.run(main())
    assert len(desk.handled) == 10
    assert desk.dropped == {"internal error": 5}
    assert "could not be handled" in caplog.text


def test_finish_handles_all_that_waits() -> None:
    async def main() -> None:
        desk, peer = Desk(), Peer("a")
        desk.take_in(peer, messages(300))
        desk.inboxes.finish(peer, desk.cork)
        assert desk.of(peer) == list(range(300))
        assert not peer.inbox

    asyncio.run(main())
