"""The connections that there are: what each owes, which is too slow, and which goes when there are too many.

    (accept) ─► silent ─► heads ─► bodies ─► an answer is made ─► idle ─► heads ─► bodies …
                   └─────────┴────────────────►┘    │              └────────────────►┘
                                                    └─► sockets: WebSockets, until they end

Knows no clock and no socket: times are handed in, and what carries a connection is a `Carrier`. When there is no room,
the idle and the new go before the busy and the old, and of these those first that have waited longest without a word.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Final, Protocol

from gateway.access.refusals import Refusals
from gateway.access.shares import Shares
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.http.request_head import HeadError

MAX_GUESTS: Final = 16
"""So many connections above the bound are heard all the same, to be told that there is no room, and to be answered
whether the gateway is well. They stand in the reserve of descriptors."""
_OTHERS_PART: Final = 8
"""One place in so many is left for other addresses, however few places there are."""
_HALF_OPEN_PART: Final = 4
"""An address may have at most one in so many of all places for connections that have not completed a request."""
_ROUND_TRIP_S: Final = 1.0
"""So long a new connection may take to send its request before it goes rather than one that is idle."""
_RETRY_S: Final = 1
_TOO_SLOW: Final = {"slow_head": "head", "slow_body": "body"}
"""What of a request does not come in time, by the reason for which its connection goes."""
_TOLD: Final = {
    "slow_message": "the rest of a message did not come in time",
    "waiting_bytes": "too much waits, and the rest of a message did not come",
}


class Carrier(Protocol):
    """What a connection's bytes travel on.

    Attributes:
        sent: how many are with the kernel.
    """

    sent: int

    def close(self) -> None:
        """End the connection at once."""


class Upgraded(Protocol):
    """What became of a connection that is no more HTTP."""

    @property
    def is_unused(self) -> bool:
        """Whether its client never asked for anything."""

    @property
    def partial(self) -> bytearray | None:
        """What has come of a message that is not whole yet; another object for each message."""

    def evict(self, reason: str) -> None:
        """End it, and say why."""


class ClientConnection:
    """One connection.

    Attributes:
        address: whose it is in the bounds.
        requests: how many were complete.
        received, handed: how many bytes have come, and how many were to be sent; counted by who reads and writes.
        refusal: why there is no room for it; None if there is.
        give_up: answers what has come of a request with an error, and ends; None where nothing of one has.
        is_over: whether it is closed.
    """

    __slots__ = (
        "_came_at", "_carrier", "_mark", "_partial", "_place", "_reserved", "_sent_at", "_sent_mark", "_since",
        "_unsent", "_unsent_mark", "_unsent_since", "_upgraded", "address", "give_up", "handed", "is_over", "received",
        "refusal", "requests",
    )  # fmt: skip

    def __init__(self, carrier: Carrier, address: str, now: float) -> None:
        self.address = address
        self.requests = self.received = self.handed = 0
        self.refusal: GatewayError | None = None
        self.give_up: Callable[[GatewayError], None] | None = None
        self.is_over = False
        self._carrier = carrier
        self._upgraded: Upgraded | None = None
        self._partial: bytearray | None = None
        # The table of those that wait for the same; None while an answer is made, and for WebSockets.
        self._place: dict[ClientConnection, None] | None = None
        self._came_at = self._since = now
        self._mark = 0
        # Bytes that are counted for its body, and for what it does not read.
        self._reserved = self._unsent = 0
        self._unsent_since = self._sent_at = now
        self._unsent_mark = self._sent_mark = 0

    @property
    def is_guest(self) -> bool:
        return self.refusal is not None


class Connections:
    """All connections of all doors.

    Args:
        most: how many there may be, as far as descriptors permit; None: as many as the limits say.
        refusals: where it is counted what was refused.
        closings: where it is counted why connections were closed.
    """

    def __init__(
        self,
        limits: Limits,
        most: int | None = None,
        refusals: Refusals | None = None,
        closings: Refusals | None = None,
    ) -> None:
        self._limits = limits
        self._all, self._fresh, self._bytes = Shares(0, 0), Shares(0, 0), Shares(0, 0)
        self.rebound(limits.max_connections if most is None else most)
        self._refusals = Refusals() if refusals is None else refusals
        self._closings = Refusals() if closings is None else closings
        self._looked_at = 0.0
        # Each in the order of its times, as what begins is put at the end.
        self._unproven: dict[ClientConnection, None] = {}
        self._silent: dict[ClientConnection, None] = {}
        self._heads: dict[ClientConnection, None] = {}
        self._idle: dict[ClientConnection, None] = {}
        self._bodies: dict[ClientConnection, None] = {}
        self._slow: dict[ClientConnection, None] = {}
        self._sockets: dict[ClientConnection, None] = {}
        # Of these, those on which nothing was asked for when somebody looked.
        self._unused: dict[ClientConnection, None] = {}
        self._guests: dict[ClientConnection, None] = {}

    def rebound(self, most: int) -> None:
        """Hold the limits as they are now; those that are open stay, even if there are too many of them.

        Args:
            most: how many there may be, as far as descriptors permit.
        """
        limits, most = self._limits, min(most, self._limits.max_connections)
        self._all.rebound(most, min(limits.max_connections_per_address, max(1, most - most // _OTHERS_PART)))
        self._fresh.rebound(
            max(1, min(limits.max_half_open, most // 2)),
            max(1, min(limits.max_half_open_per_address, most // _HALF_OPEN_PART)),
        )
        self._bytes.rebound(limits.max_waiting_bytes, limits.max_waiting_bytes_per_address)

    def __len__(self) -> int:
        """How many there are, guests included."""
        return self._all.total + len(self._guests)

    @property
    def most(self) -> int:
        """How many there may be."""
        return self._all.limit

    @property
    def owing(self) -> int:
        """How many owe a request or a part of one."""
        return len(self._silent) + len(self._heads) + len(self._idle) + len(self._bodies)

    # Coming and going.

    def admit(self, carrier: Carrier, address: str, now: float) -> ClientConnection:
        """Take a new connection in; one for which there is no room is a guest."""
        connection = ClientConnection(carrier, address, now)
        connection.refusal = self._refusal(address, now)
        if connection.refusal is None:
            self._all.take(address)
            self._fresh.take(address)
            self._unproven[connection] = None
        else:
            if len(self._guests) >= MAX_GUESTS:
                self._end(next(iter(self._guests)), "guest")
            self._guests[connection] = None
        self._enter(connection, self._silent)
        self._keep_fresh_within(address)
        return connection

    def closed(self, connection: ClientConnection) -> None:
        """Forget a connection; idempotent."""
        if connection.is_over:
            return
        connection.is_over = True
        connection.give_up = None
        self._enter(connection, None)
        for table in (self._slow, self._sockets, self._unused):
            table.pop(connection, None)
        self._settle(connection)
        if connection.is_guest:
            self._guests.pop(connection, None)
            return
        self._all.give(connection.address)
        self._proven(connection)

    def shakes_hands(self, connection: ClientConnection, now: float) -> None:
        """A connection has to agree on TLS before its first request, in the time of a head."""
        if not connection.is_over:
            connection._since = now
            self._enter(connection, self._heads)

    def has_shaken_hands(self, connection: ClientConnection, now: float) -> None:
        """A connection owes its first request now."""
        if not connection.is_over:
            connection._since = now
            self._enter(connection, self._silent)

    def make_room(self) -> bool:
        """End a connection that may go, as the process can open no more; False if there is none."""
        return self._evict(self._evictable())

    # A request.

    def expect(self, connection: ClientConnection, now: float) -> None:
        """Wait for the head of a connection's next request."""
        if connection.is_over or not connection.requests:
            return
        if connection._reserved or connection._unsent:
            self._settle(connection)
        connection._mark, connection._since = connection.received, now
        idle = connection._place = self._idle
        idle[connection] = None

    def body_grows(self, connection: ClientConnection, size: int, now: float) -> GatewayError | None:
        """A piece of a body of that size came, maybe an empty one, and it was not the last: wait for the rest.

        Only what has come counts: to announce a large body costs nothing. When there is too much of it, the bodies go
        that have been coming for longest.

        Returns:
            Why the rest may not come, if what waits is worked on already: RESOURCE_EXHAUSTED or UNAVAILABLE.
        """
        if connection.is_over:
            return None
        if connection._place is not self._bodies:
            self._enter(connection, self._bodies)
            connection._mark, connection._since = connection.received, now
        shares, address = self._bytes, connection.address
        shares.take(address, size)
        connection._reserved += size
        if not shares.is_full_for(address, 0) and not shares.is_full(0):
            return None
        self._count_waiting(now)
        self._end_slowest(address, but=connection)
        # What is alone passes whatever its size: only `max_message_bytes` says how large one may be.
        if shares.is_full_for(address, 0) and shares.of(address) > connection._reserved:
            return self._refused("max_waiting_bytes_per_address", shares.limit_each, "bytes wait for this address")
        if shares.is_full(0) and shares.total > connection._reserved:
            return self._refused("max_waiting_bytes", shares.limit, "bytes wait")
        return None

    def arrived(self, connection: ClientConnection) -> None:
        """A request is complete."""
        place = connection._place
        if place is None:
            return
        del place[connection]
        connection._place = None
        connection.requests += 1
        if connection.requests == 1:
            self._proven(connection)

    def upgraded(self, connection: ClientConnection, upgraded: Upgraded) -> None:
        """A connection is a WebSocket from now on; `closed` tells of its end."""
        if connection.is_over:
            return
        self._enter(connection, None)
        self._settle(connection)
        connection._upgraded = upgraded
        self._sockets[connection] = self._unused[connection] = None

    def waits(self, connection: ClientConnection, now: float) -> None:
        """Bytes of a connection's answer could not be sent at once; look whether there are too many of these."""
        if connection.is_over:
            return
        if connection not in self._slow:
            self._slow[connection] = None
            sent = connection._carrier.sent
            connection._unsent_since = connection._sent_at = now
            connection._unsent_mark = connection._sent_mark = sent
        self._count_unsent(connection)
        shares, address = self._bytes, connection.address
        if shares.is_full(0) or shares.is_full_for(address, 0):
            self._count_waiting(now)
            self._end_slowest(address, but=connection)

    # Time.

    def end_overdue(self, now: float) -> None:
        """End every connection that is too slow; where something of a request has come, with an answer."""
        for connection, reason in [*self._overdue(now)]:
            if reason in _TOO_SLOW and connection.give_up is not None:
                self._closings.count(reason)
                self._refusals.count("head_s")
                connection.give_up(self._too_slow(reason))
            else:
                self._end(connection, reason)
        self._looked_at = now

    def _overdue(self, now: float) -> Iterator[tuple[ClientConnection, str]]:
        limits = self._limits
        for table in (self._silent, self._idle):
            for connection in [one for one in table if one.received != one._mark or one.give_up is not None]:
                # A part of the head has come since the last look; to note each first byte would cost more.
                self._enter(connection, self._heads)
                connection._since = max(connection._since, self._looked_at)
            yield from _older(table, now - limits.idle_connection_s, "idle")
        yield from _older(self._heads, now - limits.head_s, "slow_head")
        rate = limits.min_bytes_per_s
        for connection in self._bodies:
            late_s = now - connection._since - limits.head_s
            if late_s >= 0 and connection.received - connection._mark <= late_s * rate:
                yield connection, "slow_body"
        yield from self._slow_messages(now)
        self._count_waiting(now)
        for connection in self._slow:
            stalled_s = now - connection._sent_at
            late_s = now - connection._unsent_since - limits.slow_reader_s
            if stalled_s >= limits.slow_reader_s or connection._carrier.sent - connection._unsent_mark < late_s * rate:
                yield connection, "slow_reader"

    def _slow_messages(self, now: float) -> Iterator[tuple[ClientConnection, str]]:
        """Look at what WebSockets have sent of messages that are not whole."""
        shares, limits = self._bytes, self._limits
        for connection in self._sockets:
            assert connection._upgraded is not None
            partial = connection._upgraded.partial
            if partial is not connection._partial:
                connection._partial, connection._since = partial, now
                self._settle(connection)
            if partial is not None:
                size = len(partial)
                if size > connection._reserved:
                    shares.take(connection.address, size - connection._reserved)
                    connection._reserved = size
                late_s = now - connection._since - limits.head_s
                if late_s >= 0 and size <= late_s * limits.min_bytes_per_s:
                    yield connection, "slow_message"
        for address in {one.address for one in self._sockets if one._partial}:
            self._end_slowest(address)

    def _too_slow(self, reason: str) -> GatewayError:
        limits = self._limits
        detail = f"the {_TOO_SLOW[reason]} did not come in time: it may take {limits.head_s:g} s (head_s)"
        if reason == "slow_body":
            detail += f", and longer at {limits.min_bytes_per_s} bytes a second at the least (min_bytes_per_s)"
        return HeadError(Status.DEADLINE_EXCEEDED, detail, HTTPStatus.REQUEST_TIMEOUT)

    # Room.

    def _refusal(self, address: str, now: float) -> GatewayError | None:
        shares = self._all
        if shares.is_full_for(address) and not self._evict(self._evictable(now, address)):
            detail = "connections are open from this address"
            return self._refused("max_connections_per_address", shares.limit_each, detail)
        if shares.is_full() and not self._evict(self._evictable(now)):
            return self._refused("max_connections", shares.limit, "connections are open")
        return None

    def _refused(self, name: str, limit: int, what: str) -> GatewayError:
        self._refusals.count(name)
        status = Status.RESOURCE_EXHAUSTED if name.endswith("_per_address") else Status.UNAVAILABLE
        detail = f"{limit} {what}, as many as {name} permits: try again in {_RETRY_S} s"
        return GatewayError(status, detail, retry_after=_RETRY_S)

    def _keep_fresh_within(self, address: str) -> None:
        shares = self._fresh
        while shares.is_full_for(address, 0) and self._evict(self._first_fresh(address)):
            pass
        while shares.is_full(0) and self._evict(self._first_fresh()):
            pass

    def _evict(self, connection: ClientConnection | None) -> bool:
        if connection is None:
            return False
        self._end(connection, "evicted")
        return True

    def _evictable(self, now: float = math.inf, address: str | None = None) -> ClientConnection | None:
        """Who goes first, of all or of one address."""
        fresh = self._first_fresh(address)
        if fresh is not None and now - fresh._came_at >= _ROUND_TRIP_S:
            return fresh
        unused = self._unused_socket(address)
        if unused is not None:
            return unused
        idle = next((one for one in self._idle if address is None or one.address == address), None)
        if idle is not None and now - idle._since >= self._limits.in_use_s:
            return idle
        return fresh

    def _first_fresh(self, address: str | None = None) -> ClientConnection | None:
        """The connection that has waited longest of those that never completed a request."""
        return next((one for one in self._unproven if address is None or one.address == address), None)

    def _unused_socket(self, address: str | None = None) -> ClientConnection | None:
        used, found = [], None
        for one in self._unused:
            if one._upgraded is None or not one._upgraded.is_unused:
                used.append(one)
            elif address is None or one.address == address:
                found = one
                break
        for one in used:
            # It never becomes unused again, so nobody need look at it twice.
            del self._unused[one]
        return found

    def _end_slowest(self, address: str, but: ClientConnection | None = None) -> None:
        """While too many bytes wait, end who has been reading or writing for longest."""
        shares = self._bytes
        slow = [one for one in (*self._slow, *self._bodies) if one is not but and one._reserved + one._unsent]
        slow += [one for one in self._sockets if one._partial]
        slow.sort(key=lambda one: one._unsent_since if one._unsent else one._since)
        for one in slow:
            if shares.is_full_for(address, 0):
                if one.address == address:
                    self._end(one, "waiting_bytes")
            elif shares.is_full(0):
                self._end(one, "waiting_bytes")
            else:
                return

    def _end(self, connection: ClientConnection, reason: str) -> None:
        self._closings.count(reason)
        upgraded = connection._upgraded
        self.closed(connection)
        if upgraded is None:
            connection._carrier.close()
        else:
            upgraded.evict(_TOLD.get(reason, "there is no room, and nothing was asked for"))

    # Tables.

    def _enter(self, connection: ClientConnection, place: dict[ClientConnection, None] | None) -> None:
        if connection._place is not None:
            del connection._place[connection]
        connection._place = place
        if place is not None:
            place[connection] = None

    def _proven(self, connection: ClientConnection) -> None:
        if connection in self._unproven:
            del self._unproven[connection]
            self._fresh.give(connection.address)

    def _settle(self, connection: ClientConnection) -> None:
        self._slow.pop(connection, None)
        counted = connection._reserved + connection._unsent
        if counted:
            self._bytes.give(connection.address, counted)
            connection._reserved = connection._unsent = 0

    def _count_unsent(self, connection: ClientConnection) -> None:
        unsent = connection.handed - connection._carrier.sent
        if unsent > connection._unsent:
            self._bytes.take(connection.address, unsent - connection._unsent)
        elif unsent < connection._unsent:
            self._bytes.give(connection.address, connection._unsent - unsent)
        connection._unsent = unsent

    def _count_waiting(self, now: float) -> None:
        """Look how far those have read that did not read at once."""
        for connection in list(self._slow):
            self._count_unsent(connection)
            sent = connection._carrier.sent
            if not connection._unsent:
                del self._slow[connection]
            elif sent != connection._sent_mark:
                connection._sent_mark, connection._sent_at = sent, now


def _older(table: Iterable[ClientConnection], than: float, reason: str) -> Iterator[tuple[ClientConnection, str]]:
    for connection in table:
        if connection._since > than:
            return
        yield connection, reason
