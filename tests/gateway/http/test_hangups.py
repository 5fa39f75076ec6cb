"""Clients that left behind bytes that nobody reads."""

from __future__ import annotations

import asyncio
import socket

from gateway.http.hangups import Hangups


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_end_behind_unread_bytes_is_told_once() -> None:
    async def main() -> None:
        hangups, told = Hangups(), []
        ours, theirs = socket.socketpair()
        hangups.watch(ours.fileno(), lambda: told.append("left"))
        theirs.send(b"unread")
        await turns()
        assert told == []
        theirs.close()
        await turns()
        assert told == ["left"]
        assert len(hangups) == 0
        assert ours.recv(10) == b"unread"
        ours.close()
        hangups.close()

    asyncio.run(main())


def test_what_is_forgotten_is_told_no_more() -> None:
    async def main() -> None:
        hangups, told = Hangups(), []
        ours, theirs = socket.socketpair()
        for _ in range(2):
            hangups.watch(ours.fileno(), lambda: told.append("left"))
            hangups.forget(ours.fileno())
            hangups.forget(ours.fileno())
        theirs.close()
        await turns()
        assert told == []
        ours.close()
        hangups.close()
        hangups.close()

    asyncio.run(main())


def test_many_that_leave_at_once_are_all_told() -> None:
    async def main() -> None:
        hangups, told = Hangups(), []
        pairs = [socket.socketpair() for _ in range(100)]
        for number, (ours, _) in enumerate(pairs):
            hangups.watch(ours.fileno(), lambda number=number: told.append(number))  # type: ignore[misc]
        for _, theirs in pairs:
            theirs.close()
        await turns()
        assert sorted(told) == list(range(100))
        for ours, _ in pairs:
            ours.close()
        hangups.close()

    asyncio.run(main())
