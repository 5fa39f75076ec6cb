"""Calls of a peer that name objects in the answers to earlier ones: they begin when these are there, in their order.

came ── every object is known, or promised by who answers ──► begun
  └──► waits ── the last call that it names is answered ──► begun, or failed as that one did
         └── cancelled, or the peer is stopped ──► failed
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from cara_pseud import wire
from cara_pseud.capabilities import IncomingCall, Target
from cara_pseud.connection import Connection
from cara_pseud.errors import ProtocolError, RpcError
from cara_pseud.local import Forwarder, LocalCapability
from cara_pseud.promised import Promised, fulfilled, not_kept

ReadCall: TypeAlias = "tuple[str, list[Any], dict[str, Any]]"
"""A call's name, its arguments and its keyword arguments."""


MOST_FIRSTS: Final = 256
"""Calls that one call waits for. What names more is not begun: its caller waits instead, and makes it then."""


class DependentHost(Protocol):
    """What is needed of the peer that answers."""

    @property
    def running_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that calls are answered in."""

    def send_answer(self, connection: Connection, uid: bytes, kind: bytes, body: bytes) -> None:
        """Send an answer, or drop it if nobody is there any more."""


class Dependents:
    """The dependent calls of all peers of one server or client.

    Args:
        begin: answers a call as soon as nothing stands in its way: connection, uuid, body, and what is in that.
        fail: answers one with an error.
    """

    def __init__(
        self,
        host: DependentHost,
        begin: Callable[[Connection, bytes, bytes, ReadCall], None],
        fail: Callable[[Connection, bytes, BaseException], None],
    ) -> None:
        self._host = host
        self._begin = begin
        self._fail = fail
        self._ended: deque[tuple[Connection, bytes]] = deque()
        self._is_going_on = False

    def take(
        self, connection: Connection, uid: bytes, body: bytes, work: ReadCall, promises: Sequence[Promised]
    ) -> None:
        """Begin a call, or have it wait for those that it names."""
        if not connection.pipelines:
            self._fail(connection, uid, ProtocolError("nobody said in the greeting that calls may name answers"))
            return
        firsts = {promised.uid for promised in promises if _waits(connection, promised)}
        if len(firsts) > MOST_FIRSTS:
            self._fail(connection, uid, not_kept())
            return
        if not firsts:
            self._go(connection, uid, body, work, promises)
            return
        loop = self._host.running_loop
        came_s = loop.time()
        place: asyncio.Future[None] = loop.create_future()
        connection.running[uid] = (place, IncomingCall(connection.user, connection))
        left = len(firsts)

        def one_ended() -> None:
            nonlocal left
            left -= 1
            if not left and not place.done():
                place.set_result(None)
                del connection.running[uid]
                _shorten(work, loop.time() - came_s)
                self._go(connection, uid, body, work, promises)

        def over(place: asyncio.Future[None]) -> None:
            if place.cancelled():
                connection.running.pop(uid, None)
                self._fail(connection, uid, RpcError("cancelled", "the call was cancelled before it began"))
                self.ended(connection, uid)

        place.add_done_callback(over)
        for first in firsts:
            connection.dependents.setdefault(first, []).append(one_ended)

    def _go(
        self, connection: Connection, uid: bytes, body: bytes, work: ReadCall, promises: Sequence[Promised]
    ) -> None:
        firsts: dict[bytes, IncomingCall] = {}
        try:
            for promised in promises:
                error = connection.kept.error(promised.uid)
                if error is not None:
                    connection.kept.keep(uid, error)
                    self._host.send_answer(connection, uid, wire.ERROR, error)
                    break
                _, call = connection.running.get(promised.uid, (None, None))
                if call is not None and call.promises is not None:
                    promised.capability = call.promises.promised(promised.path)
                    firsts[promised.uid] = call
                else:
                    promised.capability = connection.kept.find(promised.uid, promised.path, connection.exports)
            else:
                name, args, kwargs = work
                self._begin(connection, uid, body, (name, _fulfilled(name, args), fulfilled(kwargs)))
                _cancel_with(connection, uid, firsts)
        except RpcError as failed:
            self._fail(connection, uid, failed)
        if uid not in connection.running:
            self.ended(connection, uid)

    def ended(self, connection: Connection, uid: bytes) -> None:
        """Begin what waited for a call, which is answered now; and what waited for those, without recursion."""
        self._ended.append((connection, uid))
        if self._is_going_on:
            return
        self._is_going_on = True
        try:
            while self._ended:
                connection, uid = self._ended.popleft()
                for begin in connection.dependents.pop(uid, ()):
                    begin()
        finally:
            self._is_going_on = False


def _cancel_with(connection: Connection, uid: bytes, firsts: Mapping[bytes, IncomingCall]) -> None:
    """Give up a call that began before the answers to others, if one of these is given up."""
    running = connection.running.get(uid)
    if running is None:
        return
    place, call = running

    def ended(first: IncomingCall) -> None:
        if first.cancelled and not place.done():
            call.cancelled = True
            place.get_loop().call_soon(place.cancel)  # it may not have taken its first step

    for first, answered in firsts.items():
        connection.dependents.setdefault(first, []).append(partial(ended, answered))


def called_as_target(promised: Promised) -> Target:
    """What to call of an object that a call names as its target."""
    capability = promised.capability
    assert capability is not None  # the call begins when it is known
    return capability.target if isinstance(capability, LocalCapability) else Forwarder(capability)


def _waits(connection: Connection, promised: Promised) -> bool:
    _, call = connection.running.get(promised.uid, (None, None))
    return call is not None and call.promises is None


def _fulfilled(name: str, args: list[Any]) -> list[Any]:
    if name == wire.CALL:
        return [*args[:1], *map(fulfilled, args[1:])]
    if name == wire.EXT_CALL and len(args) == 3 and type(args[1]) is str and type(args[2]) is list:
        return [args[0], args[1], _fulfilled(args[1], args[2]) if args[1] == wire.CALL else fulfilled(args[2])]
    return [fulfilled(item) for item in args]


def _shorten(work: ReadCall, seconds: float) -> None:
    """Take the time that a call waited from what its caller gave it."""
    name, args, _ = work
    if name == wire.EXT_CALL and args and type(args[0]) is dict:
        deadline_ms = args[0].get("deadline_ms")
        if type(deadline_ms) is int:
            args[0]["deadline_ms"] = max(0, deadline_ms - int(seconds * 1000))
