"""One remote peer as we know it: who it is, what it understands, and what is being answered for it. No sockets.

Our calls to it are in `cara_pseud.outgoing_calls`, what it holds of ours and we of its in `cara_pseud.references`. The
peer that owns a `Connection` sends its messages and feeds it what arrives.

What the other side understands is told by the greeting (`cara_pseud.greeting`). Until then calls are drafts:

    unknown ── greeted ──► version 2, 1 or original (0)         drafts are written and leave
       └──── 2 s of silence ──► drafts that can do without their options go bare; a late answer still counts
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from cara_pseud import batches, greeting, wire
from cara_pseud.capabilities import IncomingCall
from cara_pseud.errors import RemoteError, ResourceExhausted, RpcError, Unavailable
from cara_pseud.exports import HolderExports
from cara_pseud.greeting import ORIGINAL, Greeting
from cara_pseud.inbox import Inbox
from cara_pseud.kept_answers import KeptAnswers
from cara_pseud.outgoing_calls import Caller, CallFuture, OutgoingCalls


class Host(Caller, Protocol):
    """What a connection needs of the peer it belongs to."""

    sends_batches: bool

    def hold(self, connection: Connection) -> None:
        """See to it that the greeting is on its way, for which a call waits.

        Raises:
            RpcError: that is hopeless now; the call fails at once.
        """

    def transmit(self, connection: Connection, message: batches.Message, more: bool) -> bool:
        """Send a message now; ``more`` is whether another one follows at once. False if nobody is there.

        Raises:
            RpcError: it is not sent: too much waits already, or a security plugin would not have it.
        """

    def unreachable(self, connection: Connection) -> None:
        """Learn that nobody is there."""

    def hello(self, version: int) -> Mapping[str, Any]:
        """What it says of itself in a greeting of that version."""

    def greeted(self, connection: Connection, before: Greeting | None) -> None:
        """Learn what a peer said of itself, and what was known of it before, perhaps of an earlier connection."""

    def not_greeted(self, connection: Connection, error: RpcError) -> None:
        """Learn that a greeting was refused, or lost."""

    def successor(self, connection: Connection) -> Connection | None:
        """The newest live connection of the same process of the same user, if this one is lost."""


class Connection(OutgoingCalls):
    """A remote peer, addressed by its routing id.

    Attributes:
        user: its authenticated user, ``b""`` without authentication.
        let_in: whether its calls are answered; only a login by messages makes them wait.
        admitted: whether it is settled, too, whose objects it holds, which its first call does.
        descriptor: the file descriptor of its socket, as ZeroMQ's monitor names it.
        transport_user: who it is to ZeroMQ, which ``user`` is too unless there is a login by messages.
        inbox: messages of its batches that have not been worked off.
        heard: whether something came from it since somebody last looked.
        closed: whether it has ended for ZeroMQ; what it sent before may still be there to be read.
        running: the calls of its that are being answered, or wait for others, by uid: what to cancel.
        kept: answers that its calls may name.
        dependents: what begins when a call of its is answered, by that call's uid.
    """

    def __init__(self, host: Host, routing_id: bytes, user: bytes, exports: HolderExports, uid_prefix: bytes) -> None:
        super().__init__(host, exports, uid_prefix)
        self.host: Host = host
        self.routing_id = routing_id
        self.user = user
        self.let_in = True
        self.admitted = True
        self.transport_user = user
        self.descriptor = -1
        self.heard, self.closed = True, False
        self.silent_rounds = 0
        self.inbox = Inbox()
        self.running: dict[bytes, tuple[asyncio.Future[None], IncomingCall]] = {}
        self.kept = KeptAnswers()
        self.dependents: dict[bytes, list[Callable[[], None]]] = {}
        self._greeting_call: CallFuture | None = None
        # The objects in answers that have not left, by the uids of the calls.
        self._given: dict[bytes, tuple[int, ...]] = {}

    def give(self, uid: bytes) -> None:
        """Take note of the objects in the answer that was packed last: where it never leaves, nobody has them."""
        if self.lost:
            self.exports.roll_back()
        else:
            self._given[uid] = tuple(self.exports.journal)

    def flush(self) -> None:
        """Send what this turn had to say."""
        messages = self.outbox.take()
        if not messages:
            return
        transmit = self.host.transmit
        together = self.version == 2 and len(messages) > 1 and self.host.sends_batches
        posts = batches.together(messages) if together else batches.each_alone(messages)
        sent, count = 0, len(messages)
        for message, stands_for in posts:
            upto = sent + stands_for
            try:
                there = not self.lost and transmit(self, message, upto < count)
            except RpcError as error:
                self._not_sent(messages[sent:upto], error)
            else:
                if not there:
                    self._not_sent(messages[sent:], Unavailable("the peer is gone"))
                    self.host.unreachable(self)
                    return
                if self._given:
                    for uid, _, _ in messages[sent:upto]:
                        self._given.pop(uid, None)
            sent = upto

    def _not_sent(self, messages: Sequence[batches.Message], error: RpcError) -> None:
        for uid, kind, _ in messages:
            if kind == wire.WORK:
                self.fail_unsent(uid, error)
            for id in self._given.pop(uid, ()):
                self.exports.release(id, 1)

    # What the peer is.

    @property
    def greets(self) -> bool:
        """Whether a greeting is under way, or nobody waits for its answer any more."""
        return self._greeting_call is not None or self.silent

    def greet(self) -> bool:
        """Send the greeting, unless it is under way; False if nobody is there.

        Raises:
            RpcError: a security plugin would not have it.
        """
        if self._greeting_call is not None or self.version is not None:
            return True
        call = CallFuture(loop=self.loop)
        call.connection, call.convert, call.exported, call.uid = self, greeting.read, (), self.new_uid()
        call.slot, call.round, call.watcher = -1, -1, None
        body = self.host.codec.packb((wire.EXT_HELLO, (self.host.hello(wire.EXTENSION_VERSION),), {}))
        try:
            if not self.host.transmit(self, (call.uid, wire.WORK, body), False):
                return False
        except ResourceExhausted:
            return False
        self.pending[call.uid] = self._greeting_call = call
        call.watcher = self._greeting_ended
        return True

    def _greeting_ended(self, call: asyncio.Future[Any]) -> None:
        # Looked at in any case, or asyncio would report an error that nobody has seen.
        error = None if call.cancelled() else call.exception()
        if call is not self._greeting_call:
            return
        self._greeting_call = None
        if call.cancelled() or self.lost:
            return
        if error is None:
            self.recognise(call.result())
        elif isinstance(error, RpcError) and not isinstance(error, RemoteError):
            # Not the other side's dispatcher: a login that is refused, a peer that is being stopped, a loss.
            self.host.not_greeted(self, error)
        else:
            self.recognise(Greeting(ORIGINAL))

    def recognise(self, said: Greeting) -> None:
        """Take note of what the peer said in its answer to our greeting, and send what waited for it."""
        if self.note(said):
            self.open_up()

    def note(self, said: Greeting) -> bool:
        """Take note of what the peer said of itself; the first word counts. False if it was not the first."""
        if self.version is not None:
            return False
        # What was said before it was known leaves in the form that any peer reads.
        self.flush()
        before, self.greeting = self.greeting, said
        self.version, self.extended, self.pipelines = said.version, said.version > ORIGINAL, said.pipelines
        self.host.greeted(self, before)
        return True

    def open_up(self) -> None:
        """Send what waited for the greeting; behind the answer to it, which the peer must have before any batch."""
        self.flush()
        self.settle_homes()
        self.write_drafts()
        self.flush_dropped()

    def go_bare(self) -> None:
        """Send what means the same to any peer: it has been silent for too long."""
        if self.version is None and not self.silent:
            self.silent = True
            self.settle_homes()
            self.write_drafts(only_bare=True)

    def begin_again(self, keep_references: bool) -> None:
        """Take note that the connection was lost: the next one may lead to another process, of another kind.

        ``keep_references`` is whether the other side keeps what we hold for a while: it knows us by an authenticated
        name.
        """
        self.version = self.extended = None
        self.silent = self.pipelines = False
        self.kept.clear()
        self._greeting_call = None
        self.inbox.clear()
        # Of answers that waited to leave and went with the connection.
        given, self._given = self._given, {}
        for ids in given.values():
            for id in ids:
                self.exports.release(id, 1)
        self.note_held()
        if not keep_references:
            self.end_references()

    def sign_of_life(self) -> asyncio.Future[Any]:
        """Ask for nothing but an answer. An original peer, which cannot be asked, is believed to be alive."""
        if self.extended is False:
            alive: asyncio.Future[Any] = self.loop.create_future()
            alive.set_result(None)
            return alive
        return self.request(wire.EXT_RELEASE)

    def hold(self) -> None:
        self.host.hold(self)

    def heir(self) -> Connection | None:
        return self.host.successor(self)


