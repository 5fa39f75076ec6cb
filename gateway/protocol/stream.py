"""One client's ordered conversation: texts in, events out. Knows no socket, loop, service or clock.

    fresh ── any message but hello ──► plain ──────────────────────────────► closed
      │ ▲                                                                      ▲
      │ └──── refused ────┐                                                    │
      └── rpc.hello ──► greeting ── welcome() ──► counted ── bad frame ────────┘

A plain stream is JSON-RPC 2.0 as in the specification. A counted one numbers its messages, may be told `rpc.released`,
and answers each message as it is ready. A stream outlives no socket yet, but nothing here would mind if it did.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.errors import GatewayError, Status
from gateway.limits import Limits
from gateway.protocol import messages
from gateway.protocol.control import Ack, Cancel, Control, Describe, Greeting, Release, read_control
from gateway.protocol.counting import Counting
from gateway.protocol.events import (
    AnswerDropped,
    CallbackAnswered,
    CallRequested,
    CancelRequested,
    Close,
    DescribeRequested,
    Event,
    Hello,
    ReleaseRequested,
    Send,
)
from gateway.protocol.json_text import JSON, dump, parse
from gateway.protocol.messages import Answer, Id, Invalid, Request
from gateway.protocol.targets import read_target

BAD_MESSAGE: Final = 4000
PROTOCOL: Final = 1


class _State(enum.Enum):
    FRESH = "fresh"
    GREETING = "greeting"
    PLAIN = "plain"
    COUNTED = "counted"
    CLOSED = "closed"


@dataclass(slots=True)
class _Batch:
    """The calls of one array, which are answered by one array."""

    answers: list[bytes] = field(default_factory=list)
    waiting: int = 0


class _Call(NamedTuple):
    id: Id
    notification: bool
    batch: _Batch | None


class Stream:
    """The state machine of one stream.

    Attributes:
        id: its name within the session.
        unbox: whether single results stand for themselves, as the client said in its hello.
        counting: its message counters.
    """

    def __init__(self, id: str, limits: Limits) -> None:
        self.id = id
        self.unbox = False
        self.counting = Counting()
        self._limits = limits
        self._state = _State.FRESH
        self._calls: dict[int, _Call] = {}
        self._ids: dict[Id, int] = {}
        self._last_call = 0
        self._requests: set[str] = set()
        self._last_request = 0

    @property
    def greeted(self) -> bool:
        """Whether the client said hello and was welcomed."""
        return self._state is _State.COUNTED

    @property
    def calls(self) -> Collection[int]:
        """The calls in flight."""
        return self._calls.keys()

    @property
    def requests(self) -> Collection[str]:
        """The requests to the client that it has not answered."""
        return self._requests

    def receive(self, text: str | bytes) -> list[Event]:
        """Take one text message of the client."""
        if self._is_closed():
            return []
        assert self._state is not _State.GREETING  # the edge answers hello before it reads on
        try:
            obj = parse(text)
        except GatewayError as error:
            return self._unreadable(error)
        events: list[Event] = []
        counted = self.greeted
        if isinstance(obj, list):
            self._batch(obj, events)
        else:
            self._message(obj, None, events)
        if counted and not self._is_closed():
            self.counting.take(0, len(text))
            if self.counting.is_due:
                events += self.acknowledge()
        return events

    def answer(self, call: int, result: JSON) -> list[Event]:
        """End a call with its result.

        A result that cannot be sent (too large, no JSON) is replaced by an error; then, and where nobody waits for it,
        the events have an `AnswerDropped`.
        """
        record = self._end(call)
        if record is None or record.notification:
            return [AnswerDropped(call)]
        try:
            data = dump(messages.result(record.id, result))
            self._check_size(data, "the result")
        except GatewayError as error:
            return [*self._reply(record, dump(messages.error(record.id, error))), AnswerDropped(call)]
        return self._reply(record, data)

    def fail(self, call: int, error: GatewayError) -> list[Event]:
        """End a call with an error; a call that nobody waits for, quietly."""
        record = self._end(call)
        if self._state is _State.GREETING:
            self._state = _State.FRESH
            self.unbox = False
        if record is None or record.notification:
            return []
        return self._reply(record, dump(messages.error(record.id, error)))

    def welcome(self, call: int, session_id: str, resume_window_s: float = 0) -> list[Event]:
        """Answer hello: the stream is in that session now, and counted."""
        record = self._end(call)
        assert record is not None  # hello is answered once, by the edge it was given to
        result = {
            "protocol": PROTOCOL,
            "session": session_id,
            "stream": self.id,
            "received": self.counting.received,
            "resumed": False,
            "resume_window_s": resume_window_s,
            "limits": self._limits.public(),
        }
        self._state = _State.COUNTED
        return [Send(dump(messages.result(record.id, result)))]

    def call_callback(self, name: str, method: str, params: list[JSON]) -> tuple[str, list[Event]]:
        """Ask the client's object ``name`` to run a method; the key comes back in `CallbackAnswered`.

        Raises:
            GatewayError: TOO_LARGE or INTERNAL, the parameters cannot be sent; nothing was.
        """
        key = f"{messages.OUR_IDS}{self._last_request + 1}"
        data = dump(messages.request(key, f"!{name}.{method}", params))
        self._check_size(data, "the call")
        self._last_request += 1
        self._requests.add(key)
        return key, self._send(data)

    def forget(self, key: str) -> None:
        """Wait no longer for the client's answer to a request; one that comes all the same is ignored."""
        self._requests.discard(key)

    def released(
        self, *, handle: str | None = None, callback: str | None = None, code: str, reason: str
    ) -> list[Event]:
        """Tell a client that said hello that one of its handles or callbacks is no more."""
        if not self.greeted:
            return []
        what = {"handle": handle} if handle is not None else {"callback": callback}
        return self._send(dump(messages.notification("rpc.released", {**what, "code": code, "reason": reason})))

    def acknowledge(self) -> list[Event]:
        """Confirm what was taken, if anything was since the last time; to be called every second."""
        received = self.counting.confirm()
        if received is None:
            return []
        return [Send(dump(messages.notification("rpc.ack", {"received": received})))]

    def _is_closed(self) -> bool:
        return self._state is _State.CLOSED

    def _unreadable(self, error: GatewayError) -> list[Event]:
        if self.greeted:  # how many messages it was cannot be known
            return [self._close("the message is no JSON")]
        self._state = _State.PLAIN
        return [Send(dump(messages.error(None, error)))]

    def _close(self, reason: str) -> Close:
        self._state = _State.CLOSED
        return Close(BAD_MESSAGE, reason)

    def _batch(self, objs: list[JSON], events: list[Event]) -> None:
        if not objs:
            if self._state is _State.FRESH:
                self._state = _State.PLAIN
            events += self._send(dump(messages.error(None, GatewayError.bad_request("the batch is empty"))))
        elif self.greeted:
            for obj in objs:
                self._message(obj, None, events)
        else:
            self._state = _State.PLAIN
            # One more than the calls, so that it is not finished before all of its messages were looked at.
            batch = _Batch(waiting=1)
            for obj in objs:
                self._message(obj, batch, events)
            events += self._finish_one(batch)

    def _message(self, obj: JSON, batch: _Batch | None, events: list[Event]) -> None:
        if self._is_closed():
            return
        message = messages.parse(obj)
        control = read_control(message) if isinstance(message, Request) else None
        if isinstance(message, Request) and isinstance(control, Greeting) and self._state is _State.FRESH:
            self._greet(message, control, events)
            return
        if self._state is _State.FRESH:
            self._state = _State.PLAIN
        if self.greeted and not isinstance(control, Ack | Greeting):
            self.counting.take(1, 0)
        if isinstance(message, Answer):
            self._answered(message, events)
        elif isinstance(message, Invalid):
            self._invalid(message, batch, events)
        elif message.id is not None and message.id in self._ids:
            error = GatewayError.bad_request("a call with this id is under way")
            events += self._refuse(message, batch, error)
        elif control is not None:
            self._control(message, control, batch, events)
        else:
            self._call(message, batch, events)

    def _greet(self, message: Request, hello: Greeting, events: list[Event]) -> None:
        if hello.error is not None:  # the stream stays fresh: the client may say hello again
            events += self._refuse(message, None, hello.error)
            return
        call = self._begin(message, None)
        self._state = _State.GREETING
        self.unbox = hello.unbox
        events.append(Hello(call, hello.session, hello.stream, hello.received, hello.token))

    def _answered(self, message: Answer, events: list[Event]) -> None:
        # An answer that is late, repeated or to no question of ours is forgotten.
        if isinstance(message.id, str) and message.id in self._requests:
            self._requests.discard(message.id)
            events.append(CallbackAnswered(message.id, message.result, message.error))

    def _invalid(self, message: Invalid, batch: _Batch | None, events: list[Event]) -> None:
        if isinstance(message.id, str) and message.id in self._requests:
            self._requests.discard(message.id)
            error = GatewayError(Status.UNKNOWN, f"the client's answer is malformed: {message.error.detail}")
            events.append(CallbackAnswered(message.id, None, error))
        else:
            record = _Call(message.id, False, batch)
            events += self._reply_at_once(record, dump(messages.error(message.id, message.error)))

    def _call(self, message: Request, batch: _Batch | None, events: list[Event]) -> None:
        target = read_target(message.method)
        if isinstance(target, GatewayError):
            events += self._refuse(message, batch, target)
            return
        call = self._begin(message, batch)
        where, method = target
        events.append(CallRequested(call, message.notification, where, method, message.params, message.meta))

    def _control(self, message: Request, control: Control, batch: _Batch | None, events: list[Event]) -> None:
        error = control.error
        if isinstance(control, Greeting) and error is None:
            error = GatewayError(
                Status.FAILED_PRECONDITION, "rpc.hello must be the first message and alone in its frame"
            )
        if error is not None:
            events += self._refuse(message, batch, error)
        elif isinstance(control, Ack):
            if self.greeted and not self.counting.acknowledge(control.received):
                events.append(self._close("rpc.ack of a message that was not sent"))
        elif isinstance(control, Describe):
            call = self._begin(message, batch)
            events.append(DescribeRequested(call, control.kind, control.name, control.service))
        else:
            if isinstance(control, Release):
                events.append(ReleaseRequested(control.handle, control.count))
            elif isinstance(control, Cancel) and control.id in self._ids:
                events.append(CancelRequested(self._ids[control.id]))
            if not message.notification:
                record = _Call(message.id, False, batch)
                events += self._reply_at_once(record, dump(messages.result(message.id, {})))

    def _begin(self, message: Request, batch: _Batch | None) -> int:
        self._last_call += 1
        self._calls[self._last_call] = _Call(message.id, message.notification, batch)
        if message.id is not None:
            self._ids[message.id] = self._last_call
        if batch is not None and not message.notification:
            batch.waiting += 1
        return self._last_call

    def _end(self, call: int) -> _Call | None:
        record = self._calls.pop(call, None)
        if record is not None and record.id is not None:
            del self._ids[record.id]
        return record

    def _refuse(self, message: Request, batch: _Batch | None, error: GatewayError) -> list[Event]:
        if message.notification:
            return []
        record = _Call(message.id, False, batch)
        return self._reply_at_once(record, dump(messages.error(message.id, error)))

    def _reply_at_once(self, record: _Call, data: bytes) -> list[Event]:
        """Answer a message that never became a call."""
        if record.batch is None:
            return self._send(data)
        record.batch.answers.append(data)
        return []

    def _reply(self, record: _Call, data: bytes) -> list[Event]:
        if record.batch is None:
            return self._send(data)
        record.batch.answers.append(data)
        return self._finish_one(record.batch)

    def _finish_one(self, batch: _Batch) -> list[Event]:
        batch.waiting -= 1
        if batch.waiting or not batch.answers:
            return []
        return self._send(b"[" + b",".join(batch.answers) + b"]")

    def _send(self, data: bytes) -> list[Event]:
        if self._is_closed():
            return []
        if self.greeted:
            self.counting.sent += 1
        return [Send(data)]

    def _check_size(self, data: bytes, what: str) -> None:
        if len(data) > self._limits.max_message_bytes:
            raise GatewayError(
                Status.TOO_LARGE,
                f"{what} has {len(data)} bytes, more than the {self._limits.max_message_bytes} of one message",
            )
