"""Which connection is too slow, and which goes when there are too many; sockets and clock are numbers here."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.access.refusals import Refusals
from gateway.config.limits import Limits
from gateway.errors import Status
from gateway.http.connections import MAX_GUESTS, ClientConnection, Connections
from gateway.http.request_head import HeadError

LIMITS = Limits(
    max_connections=100, max_connections_per_address=50, max_half_open=40, max_half_open_per_address=20,
    max_waiting_bytes=1000, max_waiting_bytes_per_address=500, head_s=10, min_bytes_per_s=100, slow_reader_s=30,
    idle_connection_s=120,
)  # fmt: skip
MINE, THEIRS = "198.51.100.1", "198.51.100.2"


class Wire:
    """A carrier whose bytes the test counts, also those that the connection is told of."""

    connection: ClientConnection

    def __init__(self) -> None:
        self._sent = self._unsent = 0
        self.is_closed = False

    @property
    def received(self) -> int:
        return self.connection.received

    @received.setter
    def received(self, count: int) -> None:
        self.connection.received = count

    @property
    def sent(self) -> int:
        return self._sent

    @sent.setter
    def sent(self, count: int) -> None:
        self._sent = count
        self.connection.handed = count + self._unsent

    @property
    def unsent(self) -> int:
        return self._unsent

    @unsent.setter
    def unsent(self, count: int) -> None:
        self._unsent = count
        self.connection.handed = self._sent + count

    def close(self) -> None:
        self.is_closed = True


class Socket:
    def __init__(self, is_unused: bool = True) -> None:
        self.is_unused = is_unused
        self.partial: bytearray | None = None
        self.told: str | None = None

    @property
    def is_evicted(self) -> bool:
        return self.told is not None

    def evict(self, reason: str) -> None:
        self.told = reason


class Table(Connections):
    """The table, with what a test does again and again."""

    def __init__(self, limits: Limits = LIMITS, most: int | None = None) -> None:
        self.refused, self.ended = Refusals(), Refusals()
        super().__init__(limits, most, self.refused, self.ended)

    def come(self, now: float = 0, address: str = MINE) -> tuple[ClientConnection, Wire]:
        wire = Wire()
        wire.connection = self.admit(wire, address, now)
        return wire.connection, wire

    def expect_body(self, connection: ClientConnection, now: float) -> None:
        self.body_grows(connection, 0, now)

    def proven(self, now: float = 0, address: str = MINE) -> tuple[ClientConnection, Wire]:
        """One that has had an answer and is silent since."""
        connection, wire = self.come(now, address)
        self.arrived(connection)
        self.expect(connection, now)
        return connection, wire

    def busy(self, address: str = MINE, now: float = 0) -> tuple[ClientConnection, Wire]:
        connection, wire = self.come(now, address)
        self.arrived(connection)
        return connection, wire

    def body(self, address: str = MINE, now: float = 0) -> tuple[ClientConnection, Wire]:
        """One of whose request the head has come."""
        connection, wire = self.come(now, address)
        self.expect_body(connection, now)
        return connection, wire

    def socket(self, is_unused: bool = True, address: str = MINE) -> Socket:
        connection, _ = self.busy(address)
        socket = Socket(is_unused)
        self.upgraded(connection, socket)
        return socket

    def are_open(self, wires: list[Wire]) -> list[bool]:
        return [not wire.is_closed for wire in wires]


# Time.


@pytest.mark.parametrize("is_proven", [False, True])
def test_who_says_nothing_is_idle(is_proven: bool) -> None:
    table = Table()
    connection, wire = table.proven(5) if is_proven else table.come(5)
    table.end_overdue(124.9)
    assert not wire.is_closed
    assert table.owing == 1
    table.end_overdue(125)
    assert wire.is_closed
    assert (len(table), table.owing, table.ended.counts) == (0, 0, {"idle": 1})
    assert connection.is_over


@pytest.mark.parametrize("is_proven", [False, True])
def test_a_head_that_has_begun_has_little_time_however_it_drips(is_proven: bool) -> None:
    table = Table()
    _, wire = table.proven() if is_proven else table.come()
    table.end_overdue(60)
    for second in range(61, 70):
        wire.received += 1
        table.end_overdue(second)
        assert not wire.is_closed
    table.end_overdue(70)
    assert wire.is_closed
    assert table.ended.counts == {"slow_head": 1}


def test_the_next_head_has_its_own_time() -> None:
    table = Table()
    connection, wire = table.proven()
    wire.received = 100
    table.end_overdue(9)
    table.arrived(connection)
    table.expect(connection, 15)
    wire.received = 200
    table.end_overdue(16)
    table.end_overdue(24.9)
    assert not wire.is_closed
    table.end_overdue(25)
    assert wire.is_closed


def test_a_body_must_keep_a_least_rate() -> None:
    table = Table()
    (slow, slow_wire), (quick, quick_wire) = table.come(), table.come()
    for connection in (slow, quick):
        table.expect_body(connection, 0)
    slow_wire.received, quick_wire.received = 400, 600
    table.end_overdue(13.9)
    assert not slow_wire.is_closed
    table.end_overdue(14)
    assert (slow_wire.is_closed, quick_wire.is_closed) == (True, False)
    table.arrived(quick)
    table.end_overdue(1e6)
    assert not quick_wire.is_closed
    assert table.ended.counts == {"slow_body": 1}


def test_a_slow_body_is_told_so_where_somebody_can() -> None:
    table, told = Table(), []
    connection, wire = table.come()
    table.expect_body(connection, 0)
    connection.give_up = told.append
    table.end_overdue(10)
    assert not wire.is_closed
    assert isinstance(told[0], HeadError)
    assert (told[0].http, table.refused.counts, table.ended.counts) == (408, {"head_s": 1}, {"slow_body": 1})


def test_a_body_of_which_nothing_comes_has_the_time_of_a_head() -> None:
    table = Table()
    connection, wire = table.come()
    table.expect_body(connection, 0)
    table.end_overdue(9.9)
    assert not wire.is_closed
    table.end_overdue(10)
    assert wire.is_closed


def test_who_reads_nothing_of_an_answer_is_closed() -> None:
    table = Table()
    connection, wire = table.busy()
    wire.unsent = 400
    table.waits(connection, 100)
    for now in (129.9, 150):
        wire.sent += 5000
        table.end_overdue(now)
        assert not wire.is_closed
    table.waits(connection, 170)
    table.end_overdue(179.9)
    assert not wire.is_closed
    table.end_overdue(180)
    assert wire.is_closed
    assert table.ended.counts == {"slow_reader": 1}


def test_who_reads_a_byte_now_and_then_is_closed_too() -> None:
    table = Table()
    connection, wire = table.busy()
    wire.unsent = 400
    table.waits(connection, 0)
    for second in range(31):
        wire.sent += 1
        table.end_overdue(second)
    assert not wire.is_closed
    table.end_overdue(31)
    assert wire.is_closed


def test_who_has_read_everything_may_think_as_long_as_the_call_takes() -> None:
    table = Table()
    connection, wire = table.busy()
    wire.unsent = 400
    table.waits(connection, 0)
    wire.unsent, wire.sent = 0, 400
    table.end_overdue(29)
    table.end_overdue(1e6)
    assert not wire.is_closed


# Room.


def test_the_silent_and_new_go_first_and_of_these_the_oldest() -> None:
    table = Table(most=8)
    busy = table.busy("a")
    used = table.socket(is_unused=False)
    proven = table.proven(0, "b")
    later = table.proven(1, "b")
    body, body_wire = table.come(2, "c")
    table.expect_body(body, 2)
    silent = table.come(3, "d")
    silent_too = table.come(4, "e")
    unused = table.socket()
    order: list[Any] = [(body, body_wire), silent, silent_too, unused, proven, later]
    for number, one in enumerate(order):
        assert not (one.is_evicted if isinstance(one, Socket) else one[1].is_closed), number
        # Each that comes is busy at once, so that it does not go itself.
        come, _ = table.busy(f"new {number}", 10)
        assert not come.is_guest
        assert one.is_evicted if isinstance(one, Socket) else one[1].is_closed, number
    assert not busy[1].is_closed
    assert not used.is_evicted
    assert len(table) == 8
    guest, wire = table.come(9, "late")
    assert guest.is_guest
    assert not wire.is_closed
    assert guest.refusal is not None
    assert guest.refusal.status is Status.UNAVAILABLE
    assert guest.refusal.detail == "8 connections are open, as many as max_connections permits: try again in 1 s"
    assert guest.refusal.retry_after == 1
    assert table.refused.counts == {"max_connections": 1}
    assert table.ended.counts == {"evicted": 6}


def test_one_address_cannot_take_the_places_of_others() -> None:
    table = Table(most=16)
    theirs = [table.proven(0, THEIRS)[1] for _ in range(2)]
    mine = [table.busy() for _ in range(14)]
    guest, _ = table.come()
    assert guest.refusal is not None
    assert guest.refusal.status is Status.RESOURCE_EXHAUSTED
    assert "14 connections are open from this address" in guest.refusal.detail
    table.expect(mine[5][0], 1)
    come, _ = table.come(5.9)
    assert come.is_guest  # a moment ago it was busy
    come, _ = table.come(6)
    assert not come.is_guest
    assert mine[5][1].is_closed
    assert table.are_open(theirs) == [True, True]


def test_an_address_has_few_connections_that_have_asked_for_nothing() -> None:
    table = Table()
    theirs = [table.come(0, THEIRS)[1] for _ in range(3)]
    wires = [table.come(number)[1] for number in range(25)]
    assert table.are_open(wires) == [False] * 5 + [True] * 20
    assert table.are_open(theirs) == [True] * 3


def test_and_so_have_all_addresses_together() -> None:
    table = Table()
    wires = [table.come(number, f"address {number}")[1] for number in range(45)]
    assert table.are_open(wires) == [False] * 5 + [True] * 40


def test_who_has_completed_a_request_is_no_more_one_of_these() -> None:
    table = Table()
    wires = [table.proven(number)[1] for number in range(25)]
    assert table.are_open(wires) == [True] * 25


def test_those_of_a_unix_socket_are_not_taken_for_one_client() -> None:
    table = Table(Limits(max_connections_per_address=2, max_half_open_per_address=2))
    wires = [table.come(0, "")[1] for _ in range(10)]
    assert table.are_open(wires) == [True] * 10


def test_there_are_few_guests() -> None:
    table = Table(most=4)
    for number in range(4):
        table.busy(str(number))
    wires = [table.come(0, f"guest {number}")[1] for number in range(MAX_GUESTS + 2)]
    assert table.are_open(wires) == [False] * 2 + [True] * MAX_GUESTS
    assert len(table) == 4 + MAX_GUESTS


def test_when_descriptors_are_short_somebody_goes_if_somebody_may() -> None:
    table = Table()
    _, busy = table.busy()
    _, idle = table.proven()
    assert table.make_room()
    assert (busy.is_closed, idle.is_closed) == (False, True)
    assert not table.make_room()


def test_a_closed_connection_takes_no_place_however_often_it_is_closed() -> None:
    table = Table(most=8)
    for _ in range(20):
        connection, _ = table.busy()
        for _ in range(2):
            table.closed(connection)
        table.arrived(connection)
        table.expect(connection, 1)
        assert table.body_grows(connection, 5, 1) is None
        table.waits(connection, 1)
        table.upgraded(connection, Socket())
    assert (len(table), table.owing) == (0, 0)
    assert not any(table.come(0, str(number))[0].is_guest for number in range(4))


def test_the_end_of_a_websocket_is_told_like_any_other() -> None:
    table = Table()
    connection, _ = table.busy()
    table.upgraded(connection, Socket())
    assert len(table) == 1
    table.closed(connection)
    assert len(table) == 0


# Bytes.


def test_the_bodies_that_have_been_coming_for_longest_go_when_too_much_waits() -> None:
    table = Table()
    theirs, their_wire = table.body(THEIRS)
    table.body_grows(theirs, 400, 0)
    bodies = [table.body(now=number) for number in range(4)]
    for connection, _ in bodies:
        assert table.body_grows(connection, 200, 5) is None
    assert table.are_open([wire for _, wire in bodies]) == [False, False, True, True]
    assert not their_wire.is_closed
    assert table.ended.counts == {"waiting_bytes": 2}


def test_a_body_is_refused_if_what_waits_is_worked_on() -> None:
    table = Table()
    for address in (MINE, THEIRS):
        working, _ = table.body(address)
        table.body_grows(working, 450, 0)
        table.arrived(working)
    refused = table.body_grows(table.body()[0], 100, 0)
    assert refused is not None
    assert refused.status is Status.RESOURCE_EXHAUSTED
    assert "500 bytes wait for this address, as many as max_waiting_bytes_per_address permits" in refused.detail
    refused = table.body_grows(table.body("third")[0], 101, 0)
    assert refused is not None
    assert refused.status is Status.UNAVAILABLE
    assert table.refused.counts == {"max_waiting_bytes_per_address": 1, "max_waiting_bytes": 1}


def test_a_body_that_is_alone_passes_whatever_its_size() -> None:
    table = Table()
    assert table.body_grows(table.body()[0], 5000, 0) is None


def test_to_announce_a_body_costs_nothing() -> None:
    table = Table()
    wires = [table.body()[1] for _ in range(20)]
    assert table.are_open(wires) == [True] * 20


def test_of_those_who_do_not_read_the_first_goes_when_too_much_waits() -> None:
    table = Table()
    wires = []
    for number in range(4):
        connection, wire = table.busy()
        wire.unsent = 200
        table.waits(connection, number)
        wires.append(wire)
    assert table.are_open(wires) == [False, False, True, True]
    assert table.ended.counts == {"waiting_bytes": 2}


def test_who_has_read_meanwhile_stays() -> None:
    table = Table()
    (first, wire), (second, other) = table.busy(), table.busy()
    wire.unsent = other.unsent = 300
    table.waits(first, 0)
    wire.unsent = 100
    table.waits(second, 1)
    assert table.are_open([wire, other]) == [True, True]


def test_over_all_addresses_the_first_goes_too() -> None:
    table = Table()
    wires = []
    for number in range(4):
        connection, wire = table.busy(f"address {number}")
        wire.unsent = 300
        table.waits(connection, number)
        wires.append(wire)
    assert table.are_open(wires) == [False, True, True, True]


def test_a_message_of_a_websocket_must_keep_a_least_rate_too() -> None:
    table = Table(Limits(head_s=10, min_bytes_per_s=100))
    slow, quick, several = (table.socket(is_unused=False) for _ in range(3))
    slow.partial, quick.partial = bytearray(100), bytearray(100)
    for second in range(12):
        several.partial = bytearray(10)  # each is another one
        quick.partial += bytes(50)
        table.end_overdue(second)
    assert [socket.told for socket in (slow, quick, several)] == [
        "the rest of a message did not come in time", None, None,
    ]  # fmt: skip
    assert table.ended.counts == {"slow_message": 1}
    quick.partial = None
    table.end_overdue(1e6)
    assert not quick.is_evicted


def test_what_has_come_of_messages_counts_as_well_and_the_oldest_go() -> None:
    table = Table()
    sockets = [table.socket(is_unused=False) for _ in range(4)]
    other = table.socket(is_unused=False, address=THEIRS)
    other.partial = bytearray(400)
    for second, socket in enumerate(sockets):
        socket.partial = bytearray(200)
        table.end_overdue(second)
    assert [socket.is_evicted for socket in (*sockets, other)] == [True, True, False, False, False]
    assert table.ended.counts == {"waiting_bytes": 2}
    for socket in sockets:
        socket.partial = None
    table.end_overdue(5)
    body, _ = table.body()
    assert table.body_grows(body, 500, 5) is None


def test_what_waits_is_let_go_with_its_request_and_with_its_connection() -> None:
    table = Table()
    for ends in (table.closed, lambda connection: table.expect(connection, 1)):
        connection, wire = table.busy()
        wire.unsent = 500
        table.waits(connection, 0)
        ends(connection)
        wire.unsent = 0
    (body, wire), (other, other_wire) = table.body(), table.body()
    assert table.body_grows(body, 400, 0) is None
    assert table.body_grows(other, 100, 0) is None
    assert table.are_open([wire, other_wire]) == [True, True]
