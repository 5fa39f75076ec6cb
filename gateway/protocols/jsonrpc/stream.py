"""One client's ordered conversation: texts in, events out. Knows no socket, loop, service or clock.

    fresh ── any message but hello ──► plain ──────────────────────────────► closed
      │ ▲                                                                      ▲
      │ └──── refused ────┐                          bad frame                 │
      └── rpc.hello ──► greeting ── welcome() ──► counted ─────────────────────┤
                          │                        │   ▲                       │
                          │                        └───┘ resume()              │
                          └── give_way(): another stream goes on here ─────────┘

A plain stream is JSON-RPC 2.0 as in the specification. A counted one numbers its messages, may be told `rpc.released`,
answers each message as it is ready, and outlives its socket: while there is none, what it says is kept, and `resume`
repeats on the next socket what the client has not received.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from gateway.client import StreamRecord
from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.json.text import JSON, dump, dump_marked
from gateway.json.value_count import check_values
from gateway.protocols import close_codes
from gateway.protocols.jsonrpc import messages
from gateway.protocols.jsonrpc.batch import Batch, BatchPlace
from gateway.protocols.jsonrpc.call_table import CallRecord, CallTable
from gateway.protocols.jsonrpc.client_requests import check_size
from gateway.protocols.jsonrpc.control import (
    Ack,
    Cancel,
    Cast,
    Control,
    Describe,
    HelloParams,
    Release,
    read_control,
    welcome,
)
from gateway.protocols.jsonrpc.events import (
    NO_OBJECTS,
    AnswerDropped,
    CallbackAnswered,
    CallRequested,
    CallWaits,
    CancelRequested,
    CastRequested,
    Close,
    DescribeRequested,
    Event,
    FollowRequested,
    Hello,
    Outcome,
    ReleaseRequested,
    ResultTarget,
    Send,
    WaitEnded,
)
from gateway.protocols.jsonrpc.frame import Frame, read
from gateway.protocols.jsonrpc.messages import Answer, Id, Invalid, Message, Request
from gateway.protocols.jsonrpc.outbound import Outbound
from gateway.protocols.jsonrpc.pipeline import Pipeline, Progress, may_refer
from gateway.protocols.jsonrpc.stream_state import StreamState
from gateway.protocols.jsonrpc.targets import CONTROL, read_target
from gateway.protocols.jsonrpc.usual_calls import UsualCalls
from gateway.sessions.kept_bytes import KeptBytes

_CLOSED: Final = StreamState.CLOSED
_COUNTED: Final = StreamState.COUNTED
_FRESH: Final = StreamState.FRESH
_GREETING: Final = StreamState.GREETING
_STRANGER: Final = "nobody knows who this is: rpc.hello with a token comes first", close_codes.UNAUTHENTICATED
IN_ONE_STEP: Final = 16
"""Messages of an array that are looked at before anything else can happen; few, for each may be a call."""


class Stream:
    """The state machine of one stream.

    Attributes:
        id: its name within the session.
        unbox: whether single results stand for themselves, as the client said in its hello.
        must_greet: whether its first message must be hello, as nobody knows yet whose it is.
        counting: its message counters.
        out: what it says, and what of that waits for the client.
        calls: the calls in flight.
        ids: the same by their JSON-RPC ids.
        requests: those to the client that it has not answered.
        follows: whether its edge can begin calls before the answers that they refer to are there.
        pipeline: what calls wait for.
        frame: what is left of the last text; None if nothing is.
    """

    def __init__(
        self,
        id: str,
        limits: Limits,
        read_control: Callable[[Request], Control | None] = read_control,
        kept: KeptBytes | None = None,
        record: StreamRecord | None = None,
    ) -> None:
        self.id = id
        self._read_control = read_control
        self.unbox = self._may_refer = self.must_greet = self.follows = False
        over_all = KeptBytes(limits.max_kept_bytes_over_all) if kept is None else kept
        self.out = Outbound(limits, over_all, record)
        self._send, self.counting, self._requests = self.out.send, self.out.counting, self.out.requests
        self._limits = limits
        self._state = StreamState.FRESH
        self._table = table = CallTable()
        self._calls, self._ids = table.by_number, table.by_id
        self.calls: Collection[int] = self._calls.keys()
        self.ids: Mapping[Id, int] = self._ids
        self.frame: Frame | None = None
        self.pipeline = Pipeline(limits.max_remembered_answers)
        self._session_id = ""
        self.requests: Collection[str] = self._requests.keys
        self._small_bytes = min(limits.max_message_bytes, 2 * limits.max_values)
        self._usual_calls = UsualCalls(table, self.pipeline, limits.max_values)

    @classmethod
    def restored(
        cls, id: str, record: StreamRecord, session_id: str, limits: Limits, kept: KeptBytes | None = None
    ) -> Stream:
        """The stream of a record; to be gone on with by `resume`."""
        stream = cls(id, limits, kept=kept, record=record)
        stream.unbox = record.unbox
        stream._state = StreamState.COUNTED
        stream._session_id = session_id
        return stream

    def record(self) -> StreamRecord:
        """What of it is plain data; calls and requests under way are not."""
        return self.counting.record(self.unbox, self._requests.made)

    @property
    def greeted(self) -> bool:
        """Whether the client said hello and was welcomed."""
        return self._state is StreamState.COUNTED

    def hold(self) -> None:
        """The socket takes no more: what is said from now on is given by `out.next`, when it does."""
        if self._state is _COUNTED or self._state is StreamState.PLAIN:  # what is said before is not counted
            self.counting.hold()

    def receive(self, text: str | bytes) -> list[Event]:
        """Take one text message of the client."""
        state = self._state
        if state is _CLOSED:
            return []
        assert state is not _GREETING  # the edge answers hello before it reads on
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        if state is not _FRESH and (usual := self._usual_calls.read(data)) is not None:
            if state is not _COUNTED:
                return [usual]
            counting, events = self.counting, list[Event]([usual])
            counting.take(1, len(data))
            return events if counting.received < counting.due_at else self._and_confirmed(events)
        try:
            text_read = read(data, self._limits.max_values, self._limits.max_depth)
        except GatewayError as error:
            return self._unreadable(error)
        events = []
        self._may_refer = may_refer(data)
        if state is _COUNTED:
            self.counting.take(0, len(data))
        if isinstance(text_read, Frame):
            self._open(text_read, events)
            return events + self.work_on()
        self._message(text_read[0], None, events, text_read[1])
        return self._and_confirmed(events) if state is _COUNTED else events

    @property
    def unworked(self) -> int:
        """How many messages of the last text were not looked at yet; `work_on` does, before the next text is taken."""
        return 0 if self.frame is None else len(self.frame)

    def work_on(self) -> list[Event]:
        """Look at the next messages of the last text, a few."""
        events: list[Event] = []
        frame = self.frame
        if frame is None:
            return events
        batch, is_counted, are_plain = frame.batch, self._state is _COUNTED, not self._may_refer
        for obj, fault in frame.take(IN_ONE_STEP):
            if is_counted and are_plain and fault is None and (usual := self._usual_calls.begin(obj)) is not None:
                self.counting.received += 1
                events.append(usual)
            elif is_counted and type(obj) is not dict:
                return [*events, self._close("an element of an array is no object, so no message")]
            else:
                self._message(obj, None if batch is None else batch.place(), events, fault)
                if self._state is _CLOSED:
                    return events
        if not len(frame) or self.frame is None:
            self.drop_unworked()
            if batch is not None:
                events += self.out.finish_one(batch)
        return self._and_confirmed(events) if self._state is _COUNTED else events

    def drop_unworked(self) -> None:
        """Forget what was not looked at: it was not received."""
        self.frame = None
        if self._state is StreamState.PLAIN:
            self.pipeline.forget(0)  # what could be called into from the same array only

    def _and_confirmed(self, events: list[Event]) -> list[Event]:
        if self._state is not _CLOSED and self.counting.is_due:
            events += self.acknowledge()
        return events

    def answer(self, call: int, result: JSON, may_hold_objects: bool = True) -> list[Event]:
        """End a call with its result; `AnswerDropped` comes where nobody waits for it.

        Args:
            may_hold_objects: whether there may be handles in the result, that is, whether others can call into it.

        Raises:
            GatewayError: the result is too large, or no JSON, or too much waits for the client already. The call is
                still to be ended.
        """
        record = self._calls.get(call)
        # Taken apart once: each look at a member of a named tuple takes as long.
        id, notification, place = (None, True, None) if record is None else record
        if notification:
            self._table.end(call)
            return [AnswerDropped(call)]
        data = (dump_marked if self.unbox else dump)({"jsonrpc": "2.0", "id": id, "result": result})
        if len(data) > self._small_bytes:
            check_size(data, self._limits.max_message_bytes, "the result")
            check_values(data, result, self._limits.max_values, "the result")
        if place is None:
            events = self.out.answer(data)
            self._table.end(call)
        else:
            place.batch.check_answer(data, self._limits.max_message_bytes)
            self._table.end(call)
            events = self.out.reply(place, data)
        # Else nobody can have called into it, or will.
        if self._state is _COUNTED or self.frame is not None or self.pipeline.waiting:
            step = self._ended(call, id, Outcome(result) if may_hold_objects else NO_OBJECTS)
            if step is not None:
                self._go_on(step, events)
        return events

    def fail(self, call: int, error: GatewayError) -> list[Event]:
        """End a call with an error; a call that nobody waits for, quietly."""
        record = self._table.end(call)
        if self._state is StreamState.GREETING:
            self._state = StreamState.FRESH
            self.unbox = False
        return [] if record is None else self._failed(call, record, error)

    def welcome(self, call: int, session_id: str, resume_window_s: float = 0) -> list[Event]:
        """Answer hello: the stream is in that session now, and counted."""
        record = self._table.end(call)
        assert record is not None  # hello is answered once, by the edge it was given to
        self._state, self.out.counts, self.must_greet = StreamState.COUNTED, True, False
        self._session_id = session_id
        return [self._greeting(record.id, False, resume_window_s)]

    def give_way(self, call: int) -> Id:
        """Leave hello, and the socket, to the stream that goes on: this one is over. The id of hello."""
        record = self._table.end(call)
        assert record is not None
        self._state = StreamState.CLOSED
        return record.id

    def can_resume(self, received: int) -> bool:
        """Whether what the client lacks, having received so many messages, can be sent to it."""
        return self.greeted and self.counting.can_repeat(received)

    def resume(self, hello: Id, received: int, resume_window_s: float) -> list[Event]:
        """Go on over a new socket (see `can_resume`): hello's answer, and some of what the client lacks."""
        counting = self.counting
        self.drop_unworked()
        # What the client repeats may call into what it has received: only rpc.ack says that it needs no more.
        counting.acknowledge(received)
        counting.confirm()
        return [self._greeting(hello, True, resume_window_s), *self.out.repeat()]

    def end(self) -> None:
        """The stream is over."""
        self._state = StreamState.CLOSED
        self.frame = None
        self.out.close()

    def _greeting(self, id: Id, resumed: bool, resume_window_s: float) -> Send:
        received = self.counting.received
        result = welcome(self._session_id, self.id, received, resumed, resume_window_s, self._limits.public())
        return Send(dump(messages.result(id, result)))

    def call_callback(
        self, name: str, method: str, params: list[JSON], traceparent: str | None = None
    ) -> tuple[str, list[Event]]:
        """Ask the client's object ``name`` to run a method; the key comes back in `CallbackAnswered`.

        Raises:
            GatewayError: TOO_LARGE or INTERNAL, it cannot be sent; RESOURCE_EXHAUSTED, too much waits. Nothing was.
        """
        return self.out.request(name, method, params, traceparent, marked=self.unbox)

    def withdraw(self, key: str) -> list[Event]:
        """Give a request up: it is not written, which `RequestDropped` says, or called off; its answer is ignored."""
        return self.out.withdraw(key)

    def released(
        self, *, handle: str | None = None, callback: str | None = None, code: str, reason: str
    ) -> list[Event]:
        """Tell a client that said hello that one of its handles or callbacks is no more."""
        if not self.greeted:
            return []
        what = {"handle": handle} if handle is not None else {"callback": callback}
        return self._send(dump(messages.notification("rpc.released", {**what, "code": code, "reason": reason})))

    def acknowledge(self, *, last: bool = False) -> list[Event]:
        """Confirm what was taken, if anything was since the last time; to be called every second, and when it ends."""
        received = self.counting.confirm(last=last and self.greeted)
        told = {"received": received, "last": True} if last else {"received": received}
        return [] if received is None else [Send(dump(messages.notification("rpc.ack", told)))]

    def _unreadable(self, error: GatewayError) -> list[Event]:
        if self.greeted:  # how many messages it was cannot be known
            return [self._close("the message is no JSON")]
        if self.must_greet:
            return [self._close(*_STRANGER)]
        self._state = StreamState.PLAIN
        return self._send(self.out.error(None, error))

    def _close(self, reason: str, code: int = close_codes.BAD_MESSAGE) -> Close:
        self.end()
        return Close(code, reason)

    def _open(self, frame: Frame, events: list[Event]) -> None:
        """Begin with an array, whose messages `work_on` looks at."""
        if not self.greeted:
            if self.must_greet:
                return events.append(self._close(*_STRANGER))
            self._state = StreamState.PLAIN
            frame.batch = Batch()
        error = frame.fault(self._limits.max_batch_messages)
        if error is None:
            self.frame = frame
        else:
            events += self._send(self.out.error(None, error))

    def _message(
        self, obj: JSON, place: BatchPlace | None, events: list[Event], fault: GatewayError | None = None
    ) -> None:
        state = self._state
        if state is _CLOSED:
            return
        message: Message | None = (parsed := messages.parse(obj))
        control = None
        if type(message) is Request and message.method.startswith(CONTROL):
            control = self._read_control(message)
        # The gateway's own methods look at little, however much there is.
        refused = fault if fault is None or control is None or fault.status is not Status.TOO_LARGE else None
        if state is _COUNTED:
            if control is None or (type(control) is not Ack and type(control) is not HelloParams):
                self.counting.received += 1
        elif state is _FRESH:
            if isinstance(message, Request) and isinstance(control, HelloParams):
                self._greet(message, control if refused is None else HelloParams(error=refused), events)
                return
            if self.must_greet:
                return events.append(self._close(*_STRANGER))
            self._state = StreamState.PLAIN
        if refused is not None:
            message = messages.refused(parsed, refused)
        if type(message) is Request:  # as most are
            if message.id is not None and message.id in self._ids:
                error = GatewayError.bad_request("a call with this id is under way")
                events += self._refuse(message, place, error)
            elif control is not None:
                self._control(message, control, place, events)
            else:
                self._call(message, place, events)
        elif isinstance(message, Answer):
            self._answered(message, events)
        elif isinstance(message, Invalid):
            self._invalid(message, place, events)

    def _greet(self, message: Request, hello: HelloParams, events: list[Event]) -> None:
        if hello.error is not None:  # the stream stays fresh: the client may say hello again
            events += self._refuse(message, None, hello.error)
            return
        call = self._table.begin(message, None)
        self._state = StreamState.GREETING
        self.unbox = hello.unbox
        events.append(Hello(call, hello.session, hello.stream, hello.received, hello.token, hello.anew))

    def _answered(self, message: Answer, events: list[Event]) -> None:
        # An answer that is late, repeated or to no question of ours is forgotten.
        if isinstance(message.id, str) and self._requests.end(message.id) is not None:
            events.append(CallbackAnswered(message.id, message.result, message.error))

    def _invalid(self, message: Invalid, place: BatchPlace | None, events: list[Event]) -> None:
        if isinstance(message.id, str) and self._requests.end(message.id) is not None:
            error = GatewayError(Status.UNKNOWN, f"the client's answer is malformed: {message.error.detail}")
            events.append(CallbackAnswered(message.id, None, error))
        else:
            events += self.out.put(place, self.out.error(message.id, message.error, place))

    def _call(self, message: Request, place: BatchPlace | None, events: list[Event]) -> None:
        _, notification, method, params, meta = message
        target = read_target(method)
        if isinstance(target, GatewayError):
            events += self._refuse(message, place, target)
            return
        where, method = target
        call = self._table.begin(message, place)
        request = tuple.__new__(CallRequested, (call, notification, where, method, params, meta, None))
        if self._may_refer or type(where) is ResultTarget or self.pipeline.waiting:
            refers = self._may_refer
            # Before hello what an array has answered is forgotten at its end, before its edge would look at this.
            follows = self.follows and self._state is _COUNTED
            events += [FollowRequested(request, refers)] if follows else self.place(request, refers)
        else:
            events.append(request)

    def place(self, request: CallRequested, refers: bool) -> list[Event]:
        """Begin a call, or let it wait for those that it refers to and for those before it."""
        pipeline = self.pipeline
        if len(pipeline.waiting) >= self._limits.max_calls_per_session:
            detail = f"{len(pipeline.waiting)} calls of the stream wait for others already"
            return self.fail(request.call, GatewayError(Status.RESOURCE_EXHAUSTED, detail))
        step = pipeline.arrive(request, self._ids, refers)
        if step is None:
            return [CallWaits(request.call, request.meta.timeout_s)]
        return [*step.started, *[event for call, error in step.failed for event in self.fail(call, error)]]

    def _control(self, message: Request, control: Control, place: BatchPlace | None, events: list[Event]) -> None:
        error = control.error
        if isinstance(control, HelloParams) and error is None:
            error = GatewayError(
                Status.FAILED_PRECONDITION, "rpc.hello must be the first message and alone in its frame"
            )
        if error is not None:
            events += self._refuse(message, place, error)
        elif isinstance(control, Ack) and self.greeted and not self.counting.acknowledge(control.received):
            events.append(self._close("rpc.ack of a message that was not sent"))
        elif isinstance(control, Describe):
            call = self._table.begin(message, place)
            events.append(DescribeRequested(call, control.kind, control.name, control.service))
        elif isinstance(control, Cast):
            call, to = self._table.begin(message, place), control.target
            cast = CastRequested(call, message.notification, to, control.interface, None, message.meta)
            events += self.place(cast, self._may_refer)
        else:
            if isinstance(control, Ack) and self.greeted:
                self.pipeline.forget(control.received)
            elif isinstance(control, Release):
                events.append(ReleaseRequested(control.handle, control.count))
            elif isinstance(control, Cancel) and control.id in self._ids:
                self._cancel(self._ids[control.id], events)
            if not message.notification:
                events += self.out.put(place, dump(messages.result(message.id, {})))

    def _cancel(self, call: int, events: list[Event]) -> None:
        if self.pipeline.is_waiting(call):
            events += self.fail(call, GatewayError(Status.CANCELLED, "the call was cancelled"))
        else:
            events.append(CancelRequested(call))

    def _failed(self, call: int, record: CallRecord, error: GatewayError) -> list[Event]:
        events: list[Event] = []
        withdrawn = self.pipeline.withdraw(call)
        if withdrawn is not None:
            events.append(WaitEnded(call))
            events += withdrawn.started
        if not record.notification:
            events += self.out.reply(record.place, self.out.error(record.id, error, record.place))
        self._go_on(self._ended(call, record.id, Outcome(None, error)), events)
        return events

    def _ended(self, call: int, id: Id, outcome: Outcome) -> Progress | None:
        if id is not None and (self._state is _COUNTED or self.frame is not None):
            self.pipeline.remember(id, outcome, self.counting.sent)
        return self.pipeline.ended(call, outcome) if self.pipeline.waiting else None

    def _go_on(self, step: Progress | None, events: list[Event]) -> None:
        """Begin the calls that waited for one that ended; what called into a failed one fails too, and so on."""
        failing = [] if step is None else list(step.failed)
        events += () if step is None else step.started
        for call, error in failing:
            events.append(WaitEnded(call))
            record = self._table.end(call)
            assert record is not None  # it waited
            if not record.notification:
                events += self.out.reply(record.place, self.out.error(record.id, error, record.place))
            more = self._ended(call, record.id, Outcome(None, error))
            if more is not None:
                events += more.started
                failing += more.failed

    def _refuse(self, message: Request, place: BatchPlace | None, error: GatewayError) -> list[Event]:
        return [] if message.notification else self.out.put(place, self.out.error(message.id, error, place))
