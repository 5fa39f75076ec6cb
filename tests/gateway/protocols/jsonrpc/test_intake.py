"""What a client sends is acted on at once where that is short, else in slices, in order, and not read on for ever."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from gateway.protocols.jsonrpc.intake import LONG_BYTES, LONG_MESSAGES, Intake
from gateway.stalls import Stalls
from gateway.turns import AT_ONCE_S, LARGE_BYTES, Turns

IN_A_STEP = 4


class Worker:
    """Acts on texts that say how many messages they are; each step takes a time that the test says."""

    def __init__(self) -> None:
        self.now = 10.0
        self.step_s = 0.0
        self.left = 0
        self.acted: list[str] = []
        self.held: list[bool] = []
        self.turns = Turns(Stalls(lambda: self.now), watched=True)
        self.intake = Intake(self, self.turns, "an address", self.held.append)

    def act_on(self, data: bytes | None) -> bool:
        if data is not None:
            assert self.left == 0
            name, _, number = data.decode().strip().partition(":")
            self.acted.append(name)
            self.left = int(number or 1)
        self.now += self.step_s
        self.left = max(self.left - IN_A_STEP, 0)
        self.acted.append(".")
        return self.left > 0

    @property
    def unworked(self) -> int:
        return self.left

    def begins_turn(self) -> None:
        self.turns.stalls.turn_begins(self.now)

    async def works(self, fakes: Any) -> None:
        """Let the loop turn until nothing is left."""
        for _ in range(1000):
            if not self.intake:
                return
            await fakes.pass_time(1)
        raise AssertionError("it never ends")


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_what_is_short_is_acted_on_at_once(worker: Worker, fakes: Any) -> None:
    async def main() -> None:
        worker.intake.put(b"a")
        worker.intake.put(b"b:9")
        assert worker.acted == ["a", ".", "b", ".", ".", "."]
        assert not worker.intake

    fakes.run(main())


def test_a_turn_that_has_no_time_left_leaves_the_rest_for_the_next_ones_in_order(worker: Worker, fakes: Any) -> None:
    async def main() -> None:
        worker.step_s = AT_ONCE_S * 0.6
        worker.begins_turn()
        worker.intake.put(b"a:20")
        worker.intake.put(b"b")
        assert worker.acted == ["a", ".", "."]
        assert worker.intake
        await worker.works(fakes)
        assert worker.acted == ["a", ".", ".", ".", ".", ".", "b", "."]

    fakes.run(main())


def test_a_large_text_waits_for_its_turn(worker: Worker, fakes: Any) -> None:
    async def main() -> None:
        worker.intake.put(b"a".ljust(LARGE_BYTES))
        worker.intake.put(b"b")
        assert worker.acted == []
        await worker.works(fakes)
        assert worker.acted == ["a", ".", "b", "."]
        assert worker.held == [True, False]

    fakes.run(main())


def test_two_clients_of_two_addresses_take_turns(worker: Worker, fakes: Any) -> None:
    async def main() -> None:
        other = Worker()
        other.turns = worker.turns
        other.intake = Intake(other, worker.turns, "another address", other.held.append)
        worker.step_s = 0.01
        worker.intake.put(b"a:400".ljust(LARGE_BYTES))
        other.intake.put(b"b".ljust(LARGE_BYTES))
        await other.works(fakes)
        assert 0 < worker.acted.count(".") < 50
        await worker.works(fakes)
        assert worker.acted.count(".") == 100

    fakes.run(main())


def test_the_socket_is_not_read_while_much_waits(worker: Worker, fakes: Any) -> None:
    async def main() -> None:
        worker.step_s = 1.1 * AT_ONCE_S
        worker.begins_turn()
        worker.intake.put(b"a:%d" % (LONG_MESSAGES + IN_A_STEP + 1))
        assert worker.held == [True]
        await worker.works(fakes)
        assert worker.held == [True, False]

    fakes.run(main())


def test_the_socket_is_read_while_little_waits(worker: Worker, fakes: Any) -> None:
    async def main() -> None:
        worker.step_s = 1.1 * AT_ONCE_S
        worker.begins_turn()
        worker.intake.put(b"a:9")
        for _ in range(10):
            worker.intake.put(b"b".ljust(LONG_BYTES // 11))
        assert worker.held == []
        worker.intake.put(b"b".ljust(LONG_BYTES // 11 * 2))
        assert worker.held == [True]
        await worker.works(fakes)
        assert worker.held == [True, False]

    fakes.run(main())


def test_what_is_forgotten_is_not_acted_on(worker: Worker, fakes: Any) -> None:
    async def main() -> None:
        worker.step_s = 1.1 * AT_ONCE_S
        worker.begins_turn()
        worker.intake.put(b"a:9")
        worker.intake.put(b"b".ljust(LONG_BYTES))
        worker.left = 0
        worker.intake.clear()
        await fakes.pass_time(1)
        assert worker.acted == ["a", "."]
        assert worker.held == [True, False]
        assert not worker.intake
        worker.begins_turn()
        worker.intake.put(b"c")
        assert worker.acted == ["a", ".", "c", "."]

    fakes.run(main())


def test_another_client_goes_on_with_its_texts_and_its_socket(worker: Worker, fakes: Any) -> None:
    async def main() -> None:
        other = Worker()
        worker.intake.put(b"a".ljust(LARGE_BYTES))
        worker.intake.put(b"b")
        other.intake.take_over(worker.intake)
        assert other.intake.lane == "an address"
        await other.works(fakes)
        assert (worker.acted, other.acted) == ([], ["a", ".", "b", "."])
        assert other.held == [False]
        assert deque(worker.held) == deque([True, False])

    fakes.run(main())


def test_of_several_texts_the_first_are_acted_on_as_long_as_there_is_time(worker: Worker, fakes: Any) -> None:
    async def main() -> None:
        assert worker.intake.put_some([b"a", b"b", b"c"]) == 3
        assert worker.acted == ["a", ".", "b", ".", "c", "."]
        worker.step_s = AT_ONCE_S / 4
        assert worker.intake.put_some([b"x"] * 20) == 8  # the time is looked at now and then
        assert not worker.intake
        worker.begins_turn()
        assert worker.intake.put_some([b"y", b"z" * LARGE_BYTES]) == 1  # what is long is not for this

    fakes.run(main())


def test_an_array_among_several_texts_holds_up_those_behind_it(worker: Worker, fakes: Any) -> None:
    async def main() -> None:
        worker.step_s = AT_ONCE_S
        assert worker.intake.put_some([b"a:9", b"b"]) == 1
        assert worker.intake.put_some([b"b"]) == 0  # what is left of the array comes before
        worker.intake.put(b"b")
        await worker.works(fakes)
        assert worker.acted == ["a", ".", ".", ".", "b", "."]

    fakes.run(main())


def test_texts_behind_one_that_brings_another_client_are_for_that_one(fakes: Any) -> None:
    class Resumed(Worker):
        def act_on(self, data: bytes | None) -> bool:
            super().act_on(data)
            other.intake.take_over(self.intake)
            return False

    async def main() -> None:
        worker = Resumed()
        assert worker.intake.put_some([b"hello", b"a"]) == 1
        assert worker.acted == ["hello", "."]

    other = Worker()
    fakes.run(main())
