"""One ROUTER socket and real peers, in a loop whose clock stands still until the test moves it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import zmq

from cara_pseud import transport as transports
from cara_pseud.cork import Cork
from cara_pseud.errors import ResourceExhausted
from cara_pseud.transport import Transport, for_endpoint
from cara_pseud.wire import DELIMITER, VERSION

WAIT_MS = 10_000
INSIDE = "inproc://transport"
BACKLOG = 400_000
MESSAGE_BYTES = 512
BODY = b"x" * 1000
SIZE = len(b"slow" + VERSION + b"u" + b"k") + len(BODY) + MESSAGE_BYTES
"""What one message to `slow` counts in the backlog."""


@dataclass
class Timer:
    due: float
    action: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class StillLoop:
    """The part of a loop that a transport uses; nothing happens in it by itself."""

    now: float = 100.0
    soon: list[Callable[[], None]] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    readers: set[int] = field(default_factory=set)

    def time(self) -> float:
        return self.now

    def call_soon(self, action: Callable[[], None]) -> None:
        self.soon.append(action)

    def call_later(self, delay_s: float, action: Callable[[], None]) -> Timer:
        return self.call_at(self.now + delay_s, action)

    def call_at(self, due: float, action: Callable[[], None]) -> Timer:
        self.timers.append(Timer(due, action))
        return self.timers[-1]

    def add_reader(self, descriptor: int, action: Callable[[], None]) -> None:
        self.readers.add(descriptor)

    def remove_reader(self, descriptor: int) -> None:
        self.readers.discard(descriptor)

    def is_closed(self) -> bool:
        return False

    def run_soon(self) -> None:
        soon, self.soon = self.soon, []
        for action in soon:
            action()

    def fire(self) -> float:
        """Put the clock to the next timer and run it; how long that took."""
        (timer,) = [timer for timer in self.timers if not timer.cancelled]
        self.timers.clear()
        waited, self.now = timer.due - self.now, timer.due
        timer.action()
        return waited


@dataclass
class Taken:
    """A receiver that keeps what it is told."""

    wants: bool = False
    messages: list[list[bytes]] = field(default_factory=list)
    senders: list[tuple[str | None, int]] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    drained: list[bool] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    on_each: Callable[[], None] = lambda: None

    def wants_metadata(self, routing_id: bytes) -> bool:
        return self.wants

    def on_message(self, frames: list[bytes], user: str | None, descriptor: int) -> None:
        self.messages.append(frames)
        self.senders.append((user, descriptor))
        self.on_each()

    def on_event(self, event: int, value: int) -> None:
        self.events.append(event)

    def on_drained(self, more: bool) -> None:
        self.drained.append(more)

    def on_gone(self, routing_id: bytes) -> None:
        self.gone.append(routing_id)


class Stage:
    """A transport that is bound, and peers of it; `moment` is what handling a message seems to take."""

    def __init__(
        self, zmq_context: zmq.Context[Any], stack: ExitStack, backlog: int = BACKLOG, started: bool = True
    ) -> None:
        self.loop, self.taken, self.dropped = StillLoop(), Taken(), Counter[str]()
        self.transport = Transport(self.taken, self.dropped, backlog, Cork())
        self._context, self._stack = zmq_context, stack
        self.socket = self.transport.open(zmq_context, b"here", 100_000)
        stack.callback(self.transport.close)
        # One message in ZeroMQ's own queues, so that ours are filled soon.
        self.socket.setsockopt(zmq.SNDHWM, 1)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.transport.monitor(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self.socket.bind("tcp://127.0.0.1:*")
        self.tcp = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        # Within the process all that was sent is there at once, and nothing but ZeroMQ's own queues has room.
        self.socket.bind(INSIDE)
        if started:
            self.transport.start(self.loop)  # type: ignore[arg-type]
            self.loop.run_soon()
        self.taken.drained.clear()

    def peer(self, name: bytes, endpoint: str = INSIDE) -> zmq.Socket[bytes]:
        """A peer that has said a word, so that the transport knows it, and that reads when the test says so."""
        peer = self.connected(name, endpoint)
        peer.send_multipart([b"", b"hello"])
        self.read()
        self.taken.messages.clear()
        self.taken.senders.clear()
        self.taken.drained.clear()
        return peer

    def connected(self, name: bytes, endpoint: str) -> zmq.Socket[bytes]:
        peer = self._context.socket(zmq.DEALER)
        self._stack.callback(peer.close, 0)
        peer.setsockopt(zmq.ROUTING_ID, name)
        peer.setsockopt(zmq.RCVHWM, 1)
        peer.setsockopt(zmq.RCVTIMEO, WAIT_MS)
        peer.setsockopt(zmq.SNDHWM, 0)
        peer.connect(endpoint)
        return peer

    def read(self) -> list[list[bytes]]:
        """Wait until there is something, and have all of it handed over; what came."""
        assert self.socket.poll(WAIT_MS)
        self.transport.drain()
        return self.taken.messages

    def says(self, peer: zmq.Socket[bytes], *messages: list[bytes]) -> None:
        """Have a peer send, and wait until it has come; nothing is handed over."""
        for message in messages:
            peer.send_multipart(message)
        assert self.socket.poll(WAIT_MS)

    def fill(self, name: bytes, body: bytes = BODY) -> None:
        """Send to a peer that does not read, until ZeroMQ takes no more and one message waits here."""
        while not self.transport._queues.get(name):
            assert self.transport.send(name, b"u", b"k", body)


@pytest.fixture
def make_stage() -> Iterator[Callable[..., Stage]]:
    with zmq.Context() as zmq_context, ExitStack() as stack:
        yield lambda **options: Stage(zmq_context, stack, **options)


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage()


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """How much time seems to pass while a message is handled; none unless it is called."""
    now = [0.0, 0.0]

    def monotonic() -> float:
        now[0] += now[1]
        return now[0]

    monkeypatch.setattr(transports, "monotonic", monotonic)

    def passes(seconds: float) -> None:
        now[1] = seconds

    return passes


def test_a_message_is_handed_over_with_its_sender(stage: Stage) -> None:
    peer = stage.peer(b"ann")
    stage.says(peer, [b"", b"a", b"b"])
    assert stage.read() == [[b"ann", b"", b"a", b"b"]]
    assert stage.taken.senders == [(None, -1)]


def test_the_descriptor_is_looked_up_where_it_is_wanted(stage: Stage) -> None:
    peer = stage.peer(b"ann", stage.tcp)
    stage.taken.wants = True
    stage.says(peer, [b"", b"a"])
    stage.read()
    ((user, descriptor),) = stage.taken.senders
    assert user is None
    assert descriptor > 2


def test_of_a_long_message_eight_frames_are_kept(stage: Stage) -> None:
    peer = stage.peer(b"ann")
    stage.says(peer, [b"%d" % number for number in range(12)])
    assert stage.read() == [[b"ann", b"0", b"1", b"2", b"3", b"4", b"5", b"6"]]
    stage.says(peer, [b"next"])
    assert stage.read()[1:] == [[b"ann", b"next"]]


def test_a_receiver_that_fails_is_counted_and_gets_the_next_message(stage: Stage) -> None:
    def fail() -> None:
        raise ValueError

    peer = stage.peer(b"ann")
    stage.taken.on_each = fail
    for sender in (None, b"ann"):
        stage.transport.only_sender = sender
        stage.dropped.clear()
        stage.taken.messages.clear()
        for number in (b"1", b"2"):
            stage.says(peer, [DELIMITER, VERSION, b"u", b"k", number])
            stage.read()
        assert [frames[-1] for frames in stage.taken.messages] == [b"1", b"2"]
        assert stage.dropped == {"internal error": 2}


def test_nothing_is_read_during_a_pause(stage: Stage) -> None:
    peer = stage.peer(b"ann")
    stage.transport.paused = True
    stage.says(peer, [b"a"])
    stage.transport.drain()
    assert stage.taken.messages == []
    stage.loop.soon.clear()
    stage.transport.resume()
    assert not stage.transport.paused
    stage.loop.run_soon()
    assert stage.taken.messages == [[b"ann", b"a"]]
    assert stage.taken.drained == [False]
    stage.transport.resume()
    assert stage.loop.soon == []


def test_a_pause_that_begins_while_messages_are_read_ends_the_stretch(stage: Stage) -> None:
    peer = stage.peer(b"ann")

    def pause() -> None:
        stage.transport.paused = True

    stage.taken.on_each = pause
    for number in range(3):
        stage.says(peer, [b"%d" % number])
    stage.transport.look_soon()
    stage.loop.run_soon()
    assert (stage.taken.messages, stage.taken.drained) == ([[b"ann", b"0"]], [False])
    assert stage.loop.soon == []
    stage.transport.resume()
    stage.loop.run_soon()
    assert stage.taken.messages[1:] == [[b"ann", b"1"]]


@pytest.mark.parametrize(
    ("only_sender", "ahead", "batch"), [(None, False, 256), (b"ann", False, 256), (b"ann", True, 2048)]
)
def test_other_work_gets_its_turn_after_a_batch(
    stage: Stage, moment: Callable[[float], None], only_sender: bytes | None, ahead: bool, batch: int
) -> None:
    peer = stage.peer(b"ann")
    stage.transport.only_sender, stage.transport.ahead = only_sender, ahead
    turn, count = stage.transport.turn, 2 * batch + 1
    for number in range(count):
        peer.send_multipart(six(b"%d" % number))
    stage.transport.look_soon()
    taken = []
    for _ in range(3):
        stage.loop.run_soon()
        taken.append(len(stage.taken.messages))
    assert taken == [batch, 2 * batch, count]
    assert stage.taken.drained == [True, True, False]
    assert (stage.transport.turn, stage.loop.soon) == (turn + 3, [])
    assert [int(frames[-1]) for frames in stage.taken.messages] == list(range(count))


@pytest.mark.parametrize("only_sender", [None, b"ann"])
def test_other_work_gets_its_turn_after_some_time(
    stage: Stage, moment: Callable[[float], None], only_sender: bytes | None
) -> None:
    peer = stage.peer(b"ann")
    stage.transport.only_sender = only_sender
    for number in range(6):
        stage.says(peer, [DELIMITER, VERSION, b"u", b"k", b"%d" % number])
    moment(0.008)
    stage.transport.look_soon()
    stage.loop.run_soon()
    # Three take 24 ms, more than 20.
    assert (len(stage.taken.messages), stage.taken.drained) == (3, [True])


def six(body: bytes) -> list[bytes]:
    """A message without its routing id, which has six frames with it."""
    return [DELIMITER, VERSION, b"u", b"k", body]


def test_the_only_sender_s_messages_have_six_frames(stage: Stage) -> None:
    peer = stage.peer(b"ann")
    stage.transport.only_sender = b"ann"
    stage.says(peer, six(b"1"))
    assert stage.read() == [[b"ann", *six(b"1")]]
    assert stage.dropped == {}


def test_a_message_of_the_only_sender_with_fewer_frames_is_dropped(stage: Stage) -> None:
    peer = stage.peer(b"ann")
    stage.transport.only_sender = b"ann"
    stage.says(peer, [b"short"])
    assert stage.read() == []
    stage.says(peer, six(b"2"))
    assert stage.read() == [[b"ann", *six(b"2")]]
    assert stage.dropped == {"wrong number of frames": 1}


def test_a_message_of_the_only_sender_with_more_frames_is_dropped(stage: Stage) -> None:
    peer = stage.peer(b"ann")
    stage.transport.only_sender = b"ann"
    stage.says(peer, [*six(b"1"), b"too", b"much"])
    assert stage.read() == []
    stage.says(peer, six(b"2"))
    assert stage.read() == [[b"ann", *six(b"2")]]
    assert stage.dropped == {"wrong number of frames": 1}


def test_a_message_reaches_a_peer_that_is_there(stage: Stage) -> None:
    peer = stage.peer(b"ann")
    assert stage.transport.send(b"ann", b"u", b"k", b"body")
    assert peer.recv_multipart() == six(b"body")


def test_a_peer_that_is_not_there_is_told(stage: Stage) -> None:
    assert stage.loop.soon == []
    assert not stage.transport.send(b"nobody", b"u", b"k", b"body")
    # The send may have swallowed the signal that something came.
    assert len(stage.loop.soon) == 1
    assert stage.dropped == {}


def test_what_a_peer_does_not_read_waits_and_is_sent_in_order(stage: Stage) -> None:
    peer = stage.peer(b"slow")
    sent = 0
    while sent < 500 and not stage.transport._queues:
        assert stage.transport.send(b"slow", b"u", b"k", b"%d " % sent + BODY)
        sent += 1
    assert stage.transport._queues
    for _ in range(3):
        assert stage.transport.send(b"slow", b"u", b"k", b"%d " % sent + BODY)
        sent += 1
    assert len(stage.loop.timers) == 1
    got = []
    while len(got) < sent:
        got.append(peer.recv_multipart())
        while stage.loop.timers and not peer.poll(20):
            stage.loop.fire()
    assert got == [six(b"%d " % number + BODY) for number in range(sent)]
    assert (stage.transport._queues, stage.transport._backlog._bytes, stage.loop.timers) == ({}, 0, [])
    assert stage.dropped == {}


def test_a_peer_that_does_not_read_is_tried_again_less_and_less_often(stage: Stage) -> None:
    stage.peer(b"slow")
    stage.fill(b"slow")
    waits = [stage.loop.fire() for _ in range(7)]
    assert waits == pytest.approx([0.005, 0.01, 0.02, 0.04, 0.08, 0.08, 0.08])


def test_one_peer_may_take_a_quarter_of_the_backlog(stage: Stage) -> None:
    stage.peer(b"slow")
    stage.fill(b"slow")
    for _ in range(BACKLOG // 4 // SIZE - 1):
        assert stage.transport.send(b"slow", b"u", b"k", BODY)
    with pytest.raises(ResourceExhausted, match=f"{BACKLOG // 4} bytes wait for this peer already"):
        stage.transport.send(b"slow", b"u", b"k", BODY)
    assert stage.dropped == {"backlog full": 1}
    # What it counts is exact: as much as still fits is taken, and not a byte more.
    room = BACKLOG // 4 - stage.transport._backlog._bytes - (SIZE - len(BODY))
    assert stage.transport._backlog._bytes == BACKLOG // 4 // SIZE * SIZE
    if room >= 0:
        with pytest.raises(ResourceExhausted):
            stage.transport.send(b"slow", b"u", b"k", b"x" * (room + 1))
        assert stage.transport.send(b"slow", b"u", b"k", b"x" * room)


def test_a_message_that_is_larger_than_the_share_waits_alone(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(backlog=10_000)
    stage.peer(b"slow")
    stage.fill(b"slow", b"x" * 5000)
    with pytest.raises(ResourceExhausted):
        stage.transport.send(b"slow", b"u", b"k", b"")


def test_where_all_is_full_the_peer_goes_for_which_most_waits(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(backlog=20_000)
    sizes = {b"ann": 3000, b"bob": 4000, b"cid": 3000, b"dan": 3000, b"eve": 3000}
    for name, size in sizes.items():
        stage.peer(name)
        stage.fill(name, b"x" * size)
    assert stage.transport._queues.keys() == sizes.keys()
    stage.peer(b"fay")
    stage.fill(b"fay", b"x" * 3000)
    assert stage.transport._queues.keys() == {b"ann", b"cid", b"dan", b"eve", b"fay"}
    assert stage.dropped == {"backlog full": 1}
    waiting = sum(queue.bytes for queue in stage.transport._queues.values())
    assert stage.transport._backlog._bytes == waiting == 5 * (3000 + SIZE - len(BODY) - 1)


def test_what_waits_for_a_peer_that_is_forgotten_is_dropped(stage: Stage) -> None:
    stage.peer(b"slow")
    stage.fill(b"slow")
    stage.transport.forget(b"slow")
    assert (stage.transport._queues, stage.transport._backlog._bytes) == ({}, 0)
    stage.transport.forget(b"slow")
    assert stage.transport._backlog._bytes == 0
    stage.loop.fire()
    assert (stage.loop.timers, stage.taken.gone) == ([], [])


def test_a_peer_that_goes_while_messages_wait_is_told(stage: Stage) -> None:
    peer = stage.peer(b"slow")
    stage.fill(b"slow")
    peer.close(0)
    for _ in range(10_000):
        stage.loop.fire()
        if stage.taken.gone:
            break
        stage.socket.poll(1)
    assert stage.taken.gone == [b"slow"]
    assert (stage.transport._queues, stage.transport._backlog._bytes, stage.loop.timers) == ({}, 0, [])


def test_events_of_the_socket_are_told(stage: Stage) -> None:
    stage.peer(b"ann", stage.tcp)
    monitor = stage.transport._monitor
    assert monitor is not None
    while not stage.taken.events:
        assert monitor.poll(WAIT_MS)
        stage.transport.drain_monitor()
    assert stage.taken.events == [zmq.EVENT_HANDSHAKE_SUCCEEDED]


def test_what_happened_before_the_start_is_looked_for(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(started=False)
    peer = stage.connected(b"ann", stage.tcp)
    peer.send_multipart(six(b"early"))
    monitor = stage.transport._monitor
    assert monitor is not None
    assert monitor.poll(WAIT_MS)
    assert stage.socket.poll(WAIT_MS)
    stage.transport.start(stage.loop)  # type: ignore[arg-type]
    stage.loop.run_soon()
    assert stage.taken.events == [zmq.EVENT_HANDSHAKE_SUCCEEDED]
    assert stage.taken.messages == [[b"ann", *six(b"early")]]


def test_it_is_looked_for_messages_once_in_a_turn(stage: Stage) -> None:
    stage.transport.look_soon()
    stage.transport.look_soon()
    assert len(stage.loop.soon) == 1
    stage.loop.run_soon()
    stage.transport.look_soon()
    assert len(stage.loop.soon) == 1


@pytest.mark.parametrize(("options", "looks"), [({}, 1), ({"more": False}, 1), ({"more": True}, 0)])
def test_a_send_looks_for_what_came_in_unless_another_follows(
    stage: Stage, options: dict[str, Any], looks: int
) -> None:
    peer = stage.peer(b"ann")
    assert stage.transport.send(b"ann", b"u", b"k", b"body", **options)
    assert stage.loop.soon == []
    peer.recv_multipart()
    stage.says(peer, six(b"1"))
    assert stage.transport.send(b"ann", b"u", b"k", b"body", **options)
    assert len(stage.loop.soon) == looks


def test_the_other_side_knows_the_socket_by_its_routing_id(stage: Stage) -> None:
    with stage.socket.context.socket(zmq.ROUTER) as other:
        other.linger = 0
        other.setsockopt(zmq.ROUTING_ID, b"other")
        other.setsockopt(zmq.RCVTIMEO, WAIT_MS)
        other.bind("inproc://other")
        stage.socket.connect("inproc://other")
        while not stage.transport.send(b"other", b"u", b"k", b"body"):
            stage.socket.poll(1)
        assert other.recv_multipart() == [b"here", *six(b"body")]


def test_closing_leaves_nothing_behind_and_may_be_repeated(stage: Stage) -> None:
    stage.peer(b"slow")
    stage.fill(b"slow")
    assert len(stage.loop.readers) == 2
    (timer,) = stage.loop.timers
    stage.transport.close()
    stage.transport.close()
    assert (stage.loop.readers, timer.cancelled, stage.socket.closed) == (set(), True, True)
    stage.loop.soon.clear()
    stage.transport.look_soon()
    stage.transport.drain()
    assert stage.loop.soon == []


def test_what_was_never_started_can_be_closed(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(started=False)
    stage.transport.close()
    assert stage.socket.closed


def test_who_answers_while_messages_are_read_has_no_second_look_at_them(stage: Stage) -> None:
    peer = stage.peer(b"ann")
    stage.taken.on_each = lambda: stage.transport.send(b"ann", b"u", b"k", b"answer")
    stage.says(peer, six(b"1"), six(b"2"), six(b"3"))
    stage.transport.drain()
    assert len(stage.taken.messages) == 3
    assert stage.loop.soon == []


def test_each_peer_that_does_not_read_is_left_alone_for_as_long(stage: Stage) -> None:
    for name in (b"slow", b"late"):
        stage.peer(name)
        stage.fill(name)
        assert stage.transport._queues[name].due == stage.loop.now + 0.005
        stage.loop.now += 0.003


def test_a_socket_lingers_until_all_that_waits_is_sent() -> None:
    async def main(zmq_context: zmq.Context[Any], stack: ExitStack) -> None:
        transport = Transport(Taken(), Counter(), 1_000_000, Cork())
        socket = transport.open(zmq_context, b"here", 100_000)
        socket.setsockopt(zmq.SNDHWM, 1)
        transport.monitor(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        socket.bind("tcp://127.0.0.1:*")
        transport.start(asyncio.get_running_loop())
        descriptor = socket.fileno()
        peer = zmq_context.socket(zmq.DEALER)
        stack.callback(peer.close, 0)
        for option, value in ((zmq.RCVHWM, 1), (zmq.RCVBUF, 4096), (zmq.RCVTIMEO, WAIT_MS)):
            peer.setsockopt(option, value)
        peer.setsockopt(zmq.ROUTING_ID, b"slow")
        peer.connect(socket.getsockopt_string(zmq.LAST_ENDPOINT))
        sent = 0
        while not transport._queues:
            sent += transport.send(b"slow", b"u", b"k", BODY)
            if not sent:
                await asyncio.sleep(0.001)
        reading = asyncio.to_thread(lambda: [peer.recv_multipart() for _ in range(sent)])
        got, _ = await asyncio.gather(reading, transport.finish(60.0))
        assert got == [six(BODY)] * sent
        assert socket.closed
        assert not asyncio.get_running_loop().remove_reader(descriptor)

    with zmq.Context() as zmq_context, ExitStack() as stack:
        # Less than it may linger: it ends as soon as all is sent.
        asyncio.run(asyncio.wait_for(main(zmq_context, stack), 20))


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [("tcp://[::1]:5000", 1), ("tcp://127.0.0.1:5000", 0), ("tcp://localhost:5000", 0), ("ipc://[x", 0)],
)
def test_only_an_address_of_ipv6_is_looked_for_there(stage: Stage, endpoint: str, expected: int) -> None:
    assert for_endpoint(stage.socket, endpoint) is stage.socket
    assert stage.socket.getsockopt(zmq.IPV6) == expected
