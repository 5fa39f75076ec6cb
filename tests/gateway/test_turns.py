"""Large work takes turns: by address, a few milliseconds in each turn of the loop, and never all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.stalls import Stalls
from gateway.turns import AT_ONCE_S, PIECES_S, Turns


class Work:
    """Pieces of work that take a time which the test says, and are noted by name."""

    def __init__(self) -> None:
        self.now = 50.0
        self.done: list[str] = []
        self.turns = Turns(Stalls(lambda: self.now), watched=True)

    def pieces(self, name: str, number: int, seconds: float = 0.001) -> Callable[[], bool]:
        left = iter(range(number - 1, -1, -1))

        def piece() -> bool:
            self.now += seconds
            self.done.append(name)
            return bool(next(left))

        return piece


@pytest.fixture
def work() -> Work:
    return Work()


def alternating(names: Iterator[str] | str, number: int) -> list[str]:
    return list(names) * number


def test_addresses_take_turns_however_much_each_brings(work: Work, fakes: Any) -> None:
    async def main() -> None:
        for _ in range(3):
            work.turns.add("a", work.pieces("a", 2))
        work.turns.add("b", work.pieces("b", 3))
        await fakes.settle()
        assert work.done == [*alternating("ab", 3), "a", "a", "a"]
        assert len(work.turns) == 0

    fakes.run(main())


def test_the_loop_turns_after_a_few_milliseconds_of_pieces(work: Work, fakes: Any) -> None:
    async def main() -> None:
        work.turns.add("a", work.pieces("a", 100, PIECES_S / 3.5))
        assert work.done == []
        await asyncio.sleep(0)
        assert len(work.done) == 4
        await asyncio.sleep(0)
        assert len(work.done) == 8
        for _ in range(30):
            await asyncio.sleep(0)
        assert len(work.done) == 100

    fakes.run(main())


def test_after_a_piece_that_took_long_the_others_have_time(work: Work, fakes: Any) -> None:
    async def main() -> None:
        work.turns.add("a", work.pieces("a", 2, 0.03))
        await fakes.settle()
        assert work.done == ["a"]
        await fakes.pass_time(0.029)
        assert work.done == ["a"]
        await fakes.pass_time(0.002)
        assert work.done == ["a", "a"]

    fakes.run(main())


def test_work_that_fails_ends_itself_only(work: Work, fakes: Any, caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> bool:
        raise ValueError("of work")

    async def main() -> None:
        work.turns.add("a", fails)
        work.turns.add("a", work.pieces("a", 2))
        await fakes.settle()
        assert work.done == ["a", "a"]

    fakes.run(main())
    assert caplog.messages == ["a piece of work failed, and the rest of it is not done"]


def test_small_things_have_time_at_the_beginning_of_a_turn(work: Work) -> None:
    work.turns.stalls.turn_begins(work.now)
    assert work.turns.has_time()
    work.now += AT_ONCE_S * 1.01
    assert not work.turns.has_time()
    work.turns.stalls.turn_begins(work.now)
    assert work.turns.has_time()


def test_a_loop_that_is_not_watched_has_time() -> None:
    now = [0.0]
    turns = Turns(Stalls(lambda: now[0]))
    now[0] = 5.0
    assert turns.has_time()

