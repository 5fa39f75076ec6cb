"""A ROUTER socket in an asyncio loop: whole messages out and in, without waiting for either.

ZeroMQ's file descriptor signals edges only: after every send and every read, also those that fail, and after every bind
and connect the socket must be looked at until it is empty, or a message lies there unnoticed. Knows frames, not what
they mean.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter, deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Protocol

import zmq
import zmq.backend

from cara_pseud import wire
from cara_pseud.backlog import RETRY_S, Backlog, Queue
from cara_pseud.cork import Cork

_LOG: Final = logging.getLogger(__name__)

# Messages handled per wake-up before other work of the loop gets its turn.
_BATCH: Final = 256
_HANDLING_S: Final = 0.02
"""After so much time for handling them other work gets its turn even so: what is cheap to send may be dear to read."""
_AHEAD: Final = 2048
"""Messages read per wake-up where they are only kept."""
# A message of the protocol has six frames with its routing id; more are read and thrown away.
_MAX_FRAMES: Final = 8
_REAPED_S: Final = 1.0
"""How long ZeroMQ may take to close a socket after its linger is over; a few milliseconds mostly."""
# Plain numbers: pyzmq's are enum members, and every use of one in a call or with & costs as much as a frame.
_NOBLOCK: Final = int(zmq.NOBLOCK)
_MORE: Final = int(zmq.SNDMORE | zmq.NOBLOCK)
_EVENTS: Final = int(zmq.EVENTS)
_POLLIN: Final = int(zmq.POLLIN)


class Receiver(Protocol):
    """Who takes what the transport reads. Nothing it raises stops the reader."""

    def wants_metadata(self, routing_id: bytes) -> bool:
        """Whether user and file descriptor of this sender's message are needed; looking them up has a price."""

    def on_message(self, frames: list[bytes], user: str | None, descriptor: int) -> None:
        """Take a message: its frames (routing id first), its authenticated user, its connection's file descriptor."""

    def on_event(self, event: int, value: int) -> None:
        """Take an event of the socket's monitor (zmq.EVENT_…)."""

    def on_drained(self, more: bool) -> None:
        """Learn that a stretch of reading is over, and whether more is there."""

    def on_gone(self, routing_id: bytes) -> None:
        """Learn that a peer for which messages waited is not there any more."""


class Transport:
    """One ROUTER socket; ``dropped`` counts what had to be thrown away.

    Attributes:
        only_sender: the routing id of the one peer that this socket is connected to, if there can be no other: its
            messages are read in a way that takes less than half the time, but could take one peer's frames for
            another's.
        paused: whether nothing is read: what was read before is to be worked off first.
        ahead: whether what is read is only kept for later.
        turn: counts the stretches of reading.
    """

    def __init__(self, receiver: Receiver, dropped: Counter[str], max_backlog_bytes: int, cork: Cork) -> None:
        self._receiver = receiver
        self._cork = cork
        self._dropped = dropped
        self._backlog = Backlog(max_backlog_bytes, dropped)
        self._queues = self._backlog.queues
        self._retry: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drain_soon = False
        self._monitor: zmq.Socket[bytes] | None = None
        self._monitor_loop: asyncio.AbstractEventLoop | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._gone: asyncio.Future[None] | None = None
        self.only_sender: bytes | None = None
        self.paused = False
        self.ahead = False
        self.turn = 0

    def open(self, zmq_context: zmq.Context[Any], routing_id: bytes | None, max_frame_bytes: int) -> zmq.Socket[bytes]:
        """Make the socket; options that must precede bind and connect are still to be set."""
        # Not context.socket(): of a zmq.asyncio context that would be a socket with a reader of its own.
        self._socket = socket = zmq.Socket(zmq_context, zmq.ROUTER)
        if routing_id:
            socket.setsockopt(zmq.ROUTING_ID, routing_id)
        socket.setsockopt(zmq.ROUTER_MANDATORY, True)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, max_frame_bytes)
        return socket

    def monitor(self, events: int) -> None:
        """Have the receiver told of these events."""
        assert self._socket is not None
        # Random, because ZeroMQ frees such an address only some time after it was closed.
        address = f"inproc://cara-monitor-{secrets.token_hex(8)}"
        self._socket.monitor(address, events | zmq.EVENT_MONITOR_STOPPED)
        self._monitor = zmq.Socket(self._socket.context, zmq.PAIR)
        self._monitor.linger = 0
        # ZeroMQ's threads wait where it is full.
        self._monitor.rcvhwm = 0
        self._monitor.connect(address)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read in this loop from now on."""
        socket, monitor = self._socket, self._monitor
        assert socket is not None
        assert monitor is not None
        self._loop = self._monitor_loop = loop
        # The backend's methods, without pyzmq's Python layer: half the cost of a frame.
        self._receive = _backend_method(socket, "recv")
        self._send_frame = _backend_method(socket, "send")
        self._get_option = _backend_method(socket, "get")
        loop.add_reader(socket.fileno(), self._drain)
        loop.add_reader(monitor.fileno(), self.drain_monitor)
        # The descriptors signal changes only: what came before has to be looked for.
        loop.call_soon(self.drain_monitor)
        self.look_soon()

    async def finish(self, linger_s: float) -> None:
        """Stop reading, and close the socket once everything sent is on the wire, or after ``linger_s`` seconds."""
        loop, socket = self._loop, self._socket
        if loop is not None and socket is not None and self._monitor is not None and linger_s > 0:
            try:
                await self._close_when_sent(loop, socket, linger_s)
            finally:
                self.close()
        else:
            self.close()

    async def _close_when_sent(
        self, loop: asyncio.AbstractEventLoop, socket: zmq.Socket[bytes], linger_s: float
    ) -> None:
        until = loop.time() + linger_s
        # Nothing tells when ZeroMQ has room again, so the timer that sends what waits cannot do better either.
        while self._queues and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(RETRY_S)
        self._gone = loop.create_future()
        loop.remove_reader(socket.fileno())
        # ZeroMQ closes it on a thread of its own, and ends the monitor when nothing is left to be sent.
        remaining_s = max(until - loop.time(), RETRY_S)
        socket.close(linger=int(remaining_s * 1000))
        await asyncio.wait([self._gone], timeout=remaining_s + _REAPED_S)

    def drain(self) -> None:
        """Hand over all that has arrived, now."""
        with self._cork:
            while self._loop is not None and self._drain_batch():
                """Each round takes a batch."""

    def close(self) -> None:
        """Stop reading and close the socket; what was not sent is dropped."""
        loop, self._loop = self._loop, None
        if self._retry is not None:
            self._retry.cancel()
        if self._socket is None:
            return
        if not self._socket.closed:
            if loop is not None and not loop.is_closed():
                loop.remove_reader(self._socket.fileno())
            if self._monitor is not None:
                self._socket.monitor(None, 0)
            self._socket.close(linger=0)
        self._socket = None
        # One that is being closed by ZeroMQ may still have something to tell. The thread that closes it, and every
        # other socket of the process, would wait for ever for somebody who listens.
        if self._gone is None or self._gone.done():
            self._close_monitor()

    def _close_monitor(self) -> None:
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            loop = self._monitor_loop
            if loop is not None and not loop.is_closed():
                loop.remove_reader(monitor.fileno())
            monitor.close(linger=0)

    def send(self, routing_id: bytes, uid: bytes, kind: bytes, body: bytes, more: bool = False) -> bool:
        """Send a message or put it behind others that wait for room.

        Args:
            more: whether the next one is sent at once.

        Returns:
            False if the remote peer is not there.

        Raises:
            ResourceExhausted: too much waits already.
        """
        queues = self._queues
        if queues and routing_id in queues:
            self._keep([routing_id, wire.DELIMITER, wire.VERSION, uid, kind, body])
            return True
        send = self._send_frame
        try:
            send(routing_id, _MORE)
        except zmq.ZMQError as error:
            # A send that fails may have swallowed the signal as well.
            self.look_soon()
            if error.errno == zmq.EAGAIN:
                self._keep([routing_id, wire.DELIMITER, wire.VERSION, uid, kind, body])
                return True
            return False
        # After the first frame the message has its place: the rest cannot fail.
        send(wire.DELIMITER, _MORE)
        send(wire.VERSION, _MORE)
        send(uid, _MORE)
        send(kind, _MORE)
        send(body, _NOBLOCK)
        # The send may have swallowed the signal that something came in. To look costs half as much as to send.
        if not more and not self._drain_soon and self._get_option(_EVENTS) & _POLLIN:
            self.look_soon()
        return True

    def _keep(self, frames: list[bytes]) -> None:
        loop = self._loop
        self._backlog.keep(frames, 0.0 if loop is None else loop.time())
        if self._retry is None and loop is not None:
            self._retry = loop.call_later(RETRY_S, self._send_queues)

    def forget(self, routing_id: bytes) -> None:
        """Drop what waits for a peer that is gone."""
        self._backlog.forget(routing_id)

    def _send_queues(self) -> None:
        self._retry = None
        loop = self._loop
        if loop is None:
            return
        now = loop.time()
        for routing_id, queue in self._backlog.due(now):
            self._send_queue(routing_id, queue, now)
        self.look_soon()
        due = self._backlog.next_time(now)
        if due is not None:
            self._retry = loop.call_at(due, self._send_queues)

    def _send_queue(self, routing_id: bytes, queue: Queue, now: float) -> None:
        sent = False
        while queue.messages:
            frames = queue.messages[0]
            try:
                self._send_frame(routing_id, _MORE)
            except zmq.ZMQError as error:
                if error.errno == zmq.EAGAIN:
                    queue.put_off(now, sent)
                    return
                self._backlog.forget(routing_id)
                self._receiver.on_gone(routing_id)
                return
            for frame in frames[1:-1]:
                self._send_frame(frame, _MORE)
            self._send_frame(frames[-1], _NOBLOCK)
            self._backlog.take(queue)
            sent = True
        self._backlog.forget(routing_id)

    def look_soon(self) -> None:
        """Look for messages in the loop's next turn: whatever is done with a ZeroMQ socket may swallow the signal."""
        if self._loop is not None and not self._drain_soon:
            self._drain_soon = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        if self._loop is not None:
            self.turn += 1
            with self._cork:
                more = self._drain_batch()
            if more and self._loop is not None:
                self._loop.call_soon(self._drain)
            self._receiver.on_drained(more)

    def resume(self) -> None:
        """Read again after a pause."""
        if self.paused:
            self.paused = False
            self.look_soon()

    def _drain_batch(self) -> bool:
        """Hand over the next messages. False once there are none, or while it is paused."""
        self._drain_soon = True
        try:
            return not self.paused and self._drain_some()
        except zmq.ZMQError:
            # Empty, or the socket or its context was closed under us.
            self._drain_soon = False
            return False
        except BaseException:
            # Whatever it is ends what runs the loop; where that goes on, so does the reader.
            self._drain_soon = False
            self.look_soon()
            raise
        finally:
            if self.paused:
                self._drain_soon = False

    def _drain_some(self) -> bool:
        receive = self._receive
        if self.only_sender is not None:
            return self._drain_batch_of(self.only_sender)
        spent_s = 0.0
        for _ in range(_BATCH):
            # Frames instead of bytes: they know whether more follow, for which bytes would have to ask the socket.
            frame = receive(_NOBLOCK, False)
            frames = [frame.bytes]
            user, descriptor = None, -1
            if self._receiver.wants_metadata(frames[0]):
                user, descriptor = _metadata(frame)
            while frame.more:
                frame = receive(_NOBLOCK, False)
                if len(frames) < _MAX_FRAMES:
                    frames.append(frame.bytes)
            begun = monotonic()
            self._hand_over(frames, user, descriptor)
            spent_s += monotonic() - begun
            if self._loop is None or self.paused:
                return False
            if spent_s > _HANDLING_S:
                break
        return True

    def _drain_batch_of(self, sender: bytes) -> bool:
        """As `_drain_batch`, where all messages are of one sender."""
        receive, on_message = self._receive, self._receiver.on_message
        spent_s = 0.0
        for _ in range(_AHEAD if self.ahead else _BATCH):
            frames = [receive(_NOBLOCK)]
            try:
                # Most have six frames. Bytes do not know whether more follow, so only the last one is a frame.
                frames += receive(_NOBLOCK), receive(_NOBLOCK), receive(_NOBLOCK), receive(_NOBLOCK)
                last = receive(_NOBLOCK, False)
            except zmq.ZMQError:
                # Messages arrive as a whole, so this one was shorter.
                self._dropped["wrong number of frames"] += 1
                raise
            frames.append(last.bytes)
            if last.more:
                # It, or one before it that was shorter, has not six frames. If the one that ends here has, it is whole.
                self._dropped["wrong number of frames"] += 1
                frames = self._last_six(frames)
                if frames[:3] != [sender, wire.DELIMITER, wire.VERSION]:
                    continue
            begun = monotonic()
            try:
                on_message(frames, None, -1)
            except Exception:
                self._log_failure()
            spent_s += monotonic() - begun
            if self._loop is None:
                return False
            if spent_s > _HANDLING_S:
                break
        return True

    def _last_six(self, begun: list[bytes]) -> list[bytes]:
        """Read on to where a message ends; its last six frames, or those of it and of what came before it."""
        frames = deque(begun, maxlen=6)
        more = True
        while more:
            frame = self._receive(_NOBLOCK, False)
            more = frame.more
            frames.append(frame.bytes)
        return list(frames)

    def _hand_over(self, frames: list[bytes], user: str | None, descriptor: int) -> None:
        try:
            self._receiver.on_message(frames, user, descriptor)
        except Exception:
            self._log_failure()

    def _log_failure(self) -> None:
        self._dropped["internal error"] += 1
        _LOG.exception("a message could not be handled")

    def drain_monitor(self) -> None:
        """Have the receiver told of all events up to now."""
        monitor = self._monitor
        while monitor is not None and not monitor.closed:
            try:
                frames = monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.ZMQError:
                return
            event = int.from_bytes(frames[0][:2], "little")
            if event == zmq.EVENT_MONITOR_STOPPED:
                if self._gone is not None and not self._gone.done():
                    self._gone.set_result(None)
                if self._socket is None:
                    self._close_monitor()
                    return
                continue
            self._receiver.on_event(event, int.from_bytes(frames[0][2:6], "little"))


def for_endpoint(socket: zmq.Socket[bytes], endpoint: str) -> zmq.Socket[bytes]:
    """The socket, set for an endpoint that is bound or connected next."""
    # Not for all: with it ZeroMQ takes a name that stands for both families for an IPv6 address only.
    socket.setsockopt(zmq.IPV6, str(endpoint).startswith("tcp://["))
    return socket


def _backend_method(socket: zmq.Socket[bytes], name: str) -> Callable[..., Any]:
    method: Callable[..., Any] = getattr(zmq.backend.Socket, name).__get__(socket)
    return method


def _metadata(frame: zmq.Frame) -> tuple[str | None, int]:
    try:
        user = frame.get("User-Id")
    except zmq.ZMQError:
        user = None
    try:
        descriptor = frame.get(zmq.SRCFD)
    except zmq.ZMQError:
        descriptor = -1
    return (user if isinstance(user, str) else None), (descriptor if isinstance(descriptor, int) else -1)
