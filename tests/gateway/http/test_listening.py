"""Connections are taken in, a few at a time, and when the process can open no more it neither spins nor dies."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway.http.listening import Listening
from tests.clock import MovedClock


class Door:
    """A listening socket, and what came in."""

    def __init__(self, makes_room: bool = True) -> None:
        self.inside: list[socket.socket] = []
        self.asked_for_room = 0
        self._makes_room = makes_room
        bound = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = bound.getsockname()[1]
        self.listening = Listening(asyncio.get_running_loop(), bound, self.accepted, self.make_room)
        self._callers: list[socket.socket] = []

    def accepted(self, connection: socket.socket, address: Any) -> None:
        self.inside.append(connection)

    def make_room(self) -> bool:
        self.asked_for_room += 1
        if self._makes_room and self.inside:
            self.inside.pop(0).close()
            return True
        return False

    def knock(self) -> socket.socket:
        caller = socket.socket()
        self._callers.append(caller)
        caller.settimeout(5)
        caller.connect(("127.0.0.1", self.port))
        return caller

    def close(self) -> None:
        self.listening.close()
        self.listening.close()
        for one in (*self.inside, *self._callers):
            one.close()


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Nothing can be opened here, as if everything that the process may open were open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    # All descriptors below the next free one are taken, or nearly; the rest is filled up.
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, before[1]))
    filled = []
    try:
        while True:
            filled.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    try:
        yield
    finally:
        for one in filled:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def test_a_few_are_taken_in_each_turn() -> None:
    async def main() -> None:
        door = Door()
        for _ in range(20):
            door.knock()
        taken = []
        for _ in range(6):
            await asyncio.sleep(0)
            taken.append(len(door.inside))
        assert 16 in taken
        assert taken[-1] == 20
        door.close()

    asyncio.run(main())


def test_one_that_fails_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        door = Door()
        taken, door.accepted = door.accepted, None  # type: ignore[method-assign, assignment]
        door.listening._accepted = lambda connection, address: 1 / 0
        assert door.knock()
        await turns()
        assert "could not be taken in" in caplog.text
        door.listening._accepted = taken
        door.knock()
        await turns()
        assert len(door.inside) == 1
        door.close()

    asyncio.run(main())


def test_without_a_descriptor_somebody_goes_for_the_new() -> None:
    async def main() -> None:
        door = Door()
        door.knock()
        await turns()
        (first,) = door.inside
        door.knock()
        with no_more_descriptors():
            await turns()
        assert door.asked_for_room == 1
        assert first.fileno() == -1
        assert len(door.inside) == 1
        door.close()

    asyncio.run(main())


def test_if_nobody_may_go_the_new_is_told_by_its_end_and_later_ones_get_in(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        clock = MovedClock(stopped=True)
        door = Door(makes_room=False)
        first, second = door.knock(), door.knock()
        with no_more_descriptors():
            await turns(50)
            # It was looked once: the waiting second one does not make the loop spin.
            assert door.asked_for_room == 1
        assert first.recv(1) == b""
        assert door.inside == []
        assert "no connection can be taken in" in caplog.text
        await clock.advance(0.2, step_s=0.2)
        await turns()
        assert len(door.inside) == 1
        second.send(b"x")
        assert door.inside[0].recv(1) == b"x"
        door.close()

    asyncio.run(main())
