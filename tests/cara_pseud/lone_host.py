"""The peer of one connection, without a socket: what is sent over it is kept, and what comes back the test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import msgpack

from cara_pseud import batches, wire
from cara_pseud.connection import Connection
from cara_pseud.cork import Cork
from cara_pseud.deadlines import Deadlines
from cara_pseud.errors import RpcError
from cara_pseud.exports import HolderExports, Quota
from cara_pseud.greeting import Greeting
from cara_pseud.local import LocalCapability
from cara_pseud.outgoing_calls import CallFuture, OutgoingCalls


class Thing:
    """A target that counts how often it was let go."""

    let_go = 0

    def invoke(self, interface_id: int, method: int | str, args: Any, kwargs: Any, call: Any) -> None:
        """Nothing: it is only passed here."""

    def released(self) -> None:
        self.let_go += 1


class Host:
    """See `cara_pseud.connection.Host`; made in a running loop.

    Attributes:
        sent: the messages that left: uid, kind, body.
        refuses: what the next messages are refused with, if anything.
        there: whether anybody is there to be sent to.
        heard: what the connection told.
    """

    max_message_bytes = 1000
    max_calls = 100
    timeout = 5.0
    sends_batches = True

    def __init__(self) -> None:
        self.running_loop = self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self.codec = wire.BodyCodec(self._export, lambda id, user: self.connection.resolve(id, user))
        self.deadlines = Deadlines(self.running_loop, self._expired)
        self.packing_for: OutgoingCalls | None = None
        self.cork = Cork()
        self.sent: list[batches.Message] = []
        self.refuses: list[RpcError] = []
        self.there = True
        self.heard: list[Any] = []
        ids = iter(range(1, 10_000))
        self.exports = HolderExports(lambda: next(ids), Quota(100))
        self.connection = Connection(self, b"peer", b"", self.exports, b"12345678")

    def _export(self, obj: Any) -> msgpack.ExtType:
        assert self.packing_for is not None
        return self.packing_for.packed(obj, b"", False)

    def _expired(self, key: Any) -> None:
        assert isinstance(key, CallFuture)
        key.connection.expire(key)

    def why_waiting(self) -> str:
        return "the peer is silent"

    def hold(self, connection: Connection) -> None:
        if self.refuses:
            raise self.refuses.pop(0)
        self.heard.append("hold")

    def flush_later(self, connection: OutgoingCalls) -> None:
        self.cork.at_end(self.loop, connection.flush)

    def transmit(self, connection: Connection, message: batches.Message, more: bool) -> bool:
        if self.refuses:
            raise self.refuses.pop(0)
        if self.there:
            self.sent.append(message)
        return self.there

    def unreachable(self, connection: Connection) -> None:
        self.heard.append("unreachable")

    def hello(self, version: int) -> Mapping[str, Any]:
        return {"version": version}

    def greeted(self, connection: Connection, before: Greeting | None) -> None:
        self.heard.append(("greeted", connection.version, before))

    def not_greeted(self, connection: Connection, error: RpcError) -> None:
        self.heard.append(error)

    def successor(self, connection: Connection) -> Connection | None:
        return None

    # What tests say.

    def calls(self) -> list[list[Any]]:
        """What was called: name, positional and keyword arguments; those are then forgotten."""
        sent, self.sent = self.sent, []
        messages = [
            inner
            for uid, kind, body in sent
            for inner in (batches.parse(body) if kind == wire.BATCH else [(uid, kind, body)])
        ]
        return [self.codec.unpackb(body) for _, kind, body in messages if kind == wire.WORK]

    def thing(self) -> LocalCapability:
        return LocalCapability(Thing())

    async def turn(self) -> None:
        """Let what waits for the turn's end leave."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
