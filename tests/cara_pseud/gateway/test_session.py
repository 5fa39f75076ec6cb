"""What the transcripts do not show of the protocol's client side: refusals, tokens, limits, and bad gateways."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from cara_pseud.errors import RpcError
from cara_pseud.gateway.calls import Prepared
from cara_pseud.gateway.greeting import Resumption
from cara_pseud.gateway.requests import CallbackReply
from cara_pseud.gateway.session import StreamSession
from cara_pseud.gateway.session_events import Reset, StateChange
from tests.cara_pseud.gateway.moved_time import FakeClock

HELLO = {"protocol": 1, "session": "S1", "stream": "T1", "received": 0, "resumed": False, "resume_window_s": 60}


class Ended:
    """How a call ended, once."""

    callbacks: Sequence[str] = ()

    def __init__(self, method: str, params: Any, generation: int | None) -> None:
        self.prepared = Prepared(method, params, 1, generation)
        self.outcomes: list[Any] = []

    def prepare(self) -> Prepared:
        return self.prepared

    def resolve(self, result: Any) -> None:
        self.outcomes.append(result)

    def reject(self, error: BaseException) -> None:
        assert isinstance(error, RpcError)
        self.outcomes.append(error)

    @property
    def outcome(self) -> Any:
        (outcome,) = self.outcomes
        return outcome.code if isinstance(outcome, RpcError) else outcome


class Stage:
    """A session; the test is its gateway and its owner."""

    def __init__(self, limits: Mapping[str, Any] | None = None, token: Any = None, **options: Any) -> None:
        self.clock = FakeClock()
        self.limits = limits or {}
        self.token = token
        self.frames: list[Any] = []
        self.closed: int | None = None
        self.states: list[StateChange] = []
        self.resets: list[Reset] = []
        self.unclaimed_values: list[Any] = []
        self.again: bool | None = None
        self.session = StreamSession(self, self.clock, "p-", **options)

    def connect(self, hello: Mapping[str, Any] | None = HELLO) -> Stage:
        self.frames = []
        self.session.connected(self)
        if hello is not None:
            self.says(id=0, result={**hello, "limits": self.limits})
            self.frames = []
        return self

    def says(self, **message: Any) -> None:
        self.session.received(json.dumps({"jsonrpc": "2.0", **message}))

    def call(self, method: str, params: Any = (), timeout: float | None = None, generation: int | None = None) -> Ended:
        ended = Ended(method, list(params), generation)
        self.session.call(ended, ended, timeout)
        self.clock.advance()
        return ended

    @property
    def written(self) -> list[str]:
        """The methods of what was written, but for acknowledgements."""
        methods = [message.get("method", "") for message in self.frames]
        return [method for method in methods if method != "rpc.ack"]

    # Its socket.

    def send(self, frame: bytes) -> None:
        obj = json.loads(frame)
        self.frames += obj if isinstance(obj, list) else [obj]

    def close(self, code: int, reason: str) -> None:
        self.closed = code
        self.again = self.session.disconnected(code, reason)

    # Its events.

    def ask_token(self, answer: Callable[[str | None, BaseException | None], None]) -> None:
        if isinstance(self.token, BaseException):
            answer(None, self.token)
        else:
            answer(self.token, None)

    def state_changed(self, change: StateChange) -> None:
        self.states.append(change)

    def reset(self, reset: Reset) -> None:
        self.resets.append(reset)

    def released(self, what: Mapping[str, Any]) -> None: ...

    def session_lost(self) -> None: ...

    def callback(self, name: str, method: str, params: list[Any], reply: CallbackReply) -> None:
        reply.give([name, method, *params], ())

    def settled(self, callbacks: Sequence[str], accepted: bool) -> None: ...

    def unclaimed(self, value: Any) -> None:
        self.unclaimed_values.append(value)


def test_a_call_that_was_refused_for_now_is_made_again_in_time() -> None:
    stage = Stage().connect()
    first, second = stage.call("a.b"), stage.call("a.c")
    refusal = {"code": -32008, "message": "slow down", "data": {"code": "resource_exhausted", "retry_after": 2}}
    stage.says(id="p-1", error=refusal)
    third = stage.call("a.d")
    assert (first.outcomes, stage.written) == ([], ["a.b", "a.c"])
    stage.says(id="p-2", result=7)
    stage.clock.advance(1.9)
    assert second.outcome == 7
    assert stage.written == ["a.b", "a.c"]
    stage.clock.advance(0.2)
    assert stage.written == ["a.b", "a.c", "a.b", "a.d"]
    stage.says(id="p-1", result=1)
    stage.says(id="p-3", result=2)
    assert (first.outcome, third.outcome) == (1, 2)


def test_one_that_would_have_to_wait_long_is_told() -> None:
    stage = Stage().connect()
    call = stage.call("a.b")
    data = {"code": "resource_exhausted", "retry_after": 90}
    stage.says(id="p-1", error={"code": -32008, "message": "m", "data": data})
    assert call.outcome == "resource_exhausted"


def test_no_more_calls_are_under_way_than_the_gateway_takes() -> None:
    stage = Stage({"max_calls_per_session": 2}).connect()
    calls = [stage.call("a.b", [number]) for number in range(5)]
    stage.session.release("H1", stage.session.generation)
    stage.clock.advance()
    assert [message.get("params") for message in stage.frames] == [[0], [1]]
    for number in range(5):
        stage.says(id=f"p-{number + 1}", result=number)
        stage.clock.advance()
    # What must not overtake calls waited with them.
    assert stage.written == ["a.b"] * 5 + ["rpc.release"]
    assert [call.outcome for call in calls] == [0, 1, 2, 3, 4]


def test_calls_that_a_gateway_takes_no_more_are_made_in_the_next_session() -> None:
    stage = Stage().connect()
    taken = stage.call("a.taken")
    stage.says(method="rpc.ack", params={"received": 1, "last": True})
    later, of_the_old = stage.call("a.later"), stage.call("@H1.m", generation=stage.session.generation)
    stage.close(1001, "")
    assert stage.again
    stage.connect(None)
    stage.says(id=0, error={"code": -32005, "message": "gone", "data": {"code": "not_found"}})
    stage.says(id=0, result={**HELLO, "session": "S2"})
    assert taken.outcome == "outcome_unknown"
    assert of_the_old.outcome == "unavailable"
    assert later.outcomes == []
    assert stage.written[-1] == "a.later"
    assert [reset.same_session for reset in stage.resets] == [False]


def test_a_gateway_that_does_not_answer_hello_is_left() -> None:
    stage = Stage().connect(None)
    stage.clock.advance(10.1)
    assert (stage.closed, stage.again, stage.states) == (4000, True, [])


def test_a_token_is_sent_and_its_lack_told() -> None:
    stage = Stage(token="secret").connect(None)
    assert stage.frames[0]["params"]["token"] == "secret"
    missing = Stage(token=OSError("no keyring"), renews=True).connect(None)
    assert missing.frames == []
    assert missing.session.failure is not None
    assert str(missing.session.failure) == "there is no token: no keyring"


@pytest.mark.parametrize(("renews", "again"), [(False, False), (True, True)])
def test_a_token_that_ended_is_asked_for_again_where_there_may_be_another(renews: bool, again: bool) -> None:
    stage = Stage(token="t", renews=renews).connect()
    assert stage.session.disconnected(4401, "expired") is again
    assert stage.states[-1].state.value == ("reconnecting" if again else "closed")


ODD = [
    "5", '"x"', "[]", "[null, 5]", '{"id": {}, "result": 1}', '{"method": "rpc.ack"}', "{}",
    '{"id": "g:1", "method": "!c1.m", "params": 5}', '{"method": "rpc.cancel", "params": [1]}',
    '{"id": 5, "method": "x"}', '{"id": "p-1", "error": 5}', '{"method": "rpc.released", "params": 5}',
    '{"method": "rpc.void", "params": {}}',
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_nothing_that_a_gateway_says_ends_the_session(text: str) -> None:
    stage = Stage().connect()
    stage.session.received(text)
    call = stage.call("a.b")
    stage.says(id="p-1", result=7)
    assert call.outcome == 7


def test_what_is_no_json_closes_the_socket() -> None:
    stage = Stage().connect()
    stage.session.received("{")
    assert stage.closed == 4000


def test_a_call_without_a_time_of_its_own_ends_all_the_same() -> None:
    stage = Stage()
    unsent = stage.call("a.b")
    stage.clock.advance(61)
    assert unsent.outcome == "unavailable"
    stage.connect()
    sent = stage.call("a.b")
    for _ in range(40):
        stage.clock.advance(10)
    assert sent.outcome == "outcome_unknown"


def test_late_answers_are_nobody_s() -> None:
    stage = Stage().connect()
    call = stage.call("a.b", timeout=1)
    stage.clock.advance(1.5)
    assert call.outcome == "deadline_exceeded"
    assert stage.written == ["a.b", "rpc.cancel"]
    stage.says(id="p-1", result={"$handle": "H1", "interface": None})
    assert stage.unclaimed_values == [{"$handle": "H1", "interface": None}]


def test_an_object_of_a_lost_session_is_not_called() -> None:
    stage = Stage().connect()
    before = stage.session.generation
    stage.close(4002, "")
    stage.connect({**HELLO, "session": "S2"})
    assert stage.session.generation == before + 1
    with pytest.raises(RpcError, match="belonged to a session that was lost"):
        stage.call("@H1.m", generation=before)
    stage.session.release("H1", before)
    stage.clock.advance()
    assert stage.written == []


def test_what_is_called_off_in_the_frame_that_asks_for_it_is_not_begun() -> None:
    stage = Stage().connect()
    request = {"jsonrpc": "2.0", "id": "g:1", "method": "!c1.m", "params": [{"$handle": "H1", "interface": None}]}
    stage.session.received(json.dumps([request, {"jsonrpc": "2.0", "method": "rpc.cancel", "params": {"id": "g:1"}}]))
    stage.clock.advance()
    assert stage.unclaimed_values == [request["params"]]
    assert stage.written == []
    stage.session.received(json.dumps([{**request, "id": "g:2"}]))
    stage.clock.advance()
    assert [message["result"] for message in stage.frames if "result" in message] == [["c1", "m", *request["params"]]]


def test_nothing_runs_on_after_the_end() -> None:
    stage = Stage().connect()
    stage.call("a.b")
    stage.says(id="g:1", method="!c1.m", params=[1])
    stage.session.close()
    assert stage.closed == 1000
    stage.clock.advance()
    assert stage.clock.waiting == 0
    with pytest.raises(RpcError, match="closed by its user"):
        stage.call("a.c")


@pytest.mark.parametrize("written", [
    {"session": "s", "stream": "t", "received": 3}, ("s", "t", 3), ["s", "t", 3], Resumption("s", "t", 3),
])  # fmt: skip
def test_a_resumption_may_have_been_written_down(written: Any) -> None:
    stage = Stage(resume=written).connect(None)
    params = stage.frames[0]["params"]
    assert (params["session"], params["stream"], params["received"]) == ("s", "t", 3)


@pytest.mark.parametrize("written", [{}, "text", ("s", "t"), {"session": "s", "stream": "t", "received": -1}, 5])
def test_one_that_is_none_begins_anew_and_tells(written: Any) -> None:
    stage = Stage(resume=written).connect()
    assert [reset.reason for reset in stage.resets] == ["no resumption"]
