"""A stream and a client over sockets that lose what is on its way, as hypothesis has it: each message arrives once."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols.jsonrpc import events
from gateway.protocols.jsonrpc.stream import Stream

LIMITS = Limits()


class Model(RuleBasedStateMachine):
    """The client is the model: it keeps, counts and repeats as PROTOCOL.md says, with a few lines of its own."""

    @initialize()
    def begin(self) -> None:
        self.stream = Stream("T", LIMITS)
        self.connected = False
        # What is on its way, in order; a cut loses a part from its end.
        self.to_gateway: deque[list[Any]] = deque()
        self.to_client: deque[Any] = deque()
        self.kept: list[Any] = []
        self.kept_from = 0
        self.received = 0
        self.next_id = 1
        self.unanswered: dict[int, Any] = {}
        self.answers: dict[int, Any] = {}
        self.begun: list[Any] = []
        self.running: dict[int, Any] = {}
        self.notified = 0
        self.requests_made = 0
        self.requests_heard: list[str] = []
        self.withdrawn: set[str] = set()
        self.never_to_be_heard: set[str] = set()
        self.open_requests: list[str] = []
        self.answered: list[str] = []
        self.connect()

    # The gateway's edge.

    def act(self, happened: list[events.Event]) -> None:
        for event in happened:
            if isinstance(event, events.Send):
                if self.connected:
                    self.to_client.append(json.loads(event.data))
            elif isinstance(event, events.CallRequested):
                (mark,) = event.params or [None]  # type: ignore[misc]
                self.begun.append(mark)
                self.running[event.call] = mark
            elif isinstance(event, events.CallbackAnswered):
                assert event.error is None
                self.answered.append(event.key)
            elif isinstance(event, events.CancelRequested):
                if event.call in self.running:
                    del self.running[event.call]
                    self.act(self.stream.fail(event.call, GatewayError(Status.CANCELLED, "cancelled")))
            else:
                raise AssertionError(event)

    # The client.

    def connect(self) -> None:
        params: dict[str, Any] = {"protocol": 1}
        first = not self.stream.greeted
        if not first:
            params |= {"session": "S", "stream": "T", "received": self.received}
        hello = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "rpc.hello", "params": params})
        fresh = self.stream if first else Stream("other", LIMITS)
        (asked,) = fresh.receive(hello)
        assert isinstance(asked, events.Hello)
        self.connected = True
        if first:
            self.act(fresh.welcome(asked.call, "S", 60))
        else:
            assert self.stream.can_resume(self.received)
            self.act(self.stream.resume(fresh.give_way(asked.call), self.received, 60))
        greeting = self.to_client.popleft()["result"]
        assert greeting["resumed"] is not first
        self.confirm(greeting["received"])
        for message in self.kept:
            self.to_gateway.append([message])

    def confirm(self, received: int) -> None:
        assert received >= self.kept_from
        del self.kept[: received - self.kept_from]
        self.kept_from = received

    def post(self, *messages: Any) -> None:
        self.kept += messages
        if self.connected:
            self.to_gateway.append(list(messages))

    @rule(count=st.integers(1, 5), notify=st.booleans())
    def call(self, count: int, notify: bool) -> None:
        messages = []
        for _ in range(count):
            id, self.next_id = self.next_id, self.next_id + 1
            message: dict[str, Any] = {"jsonrpc": "2.0", "method": "a.b", "params": [id]}
            if not notify:
                message["id"] = id
                self.unanswered[id] = message
            messages.append(message)
        self.post(*messages)

    @precondition(lambda self: self.unanswered)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.unanswered)))
        self.post({"jsonrpc": "2.0", "method": "rpc.cancel", "params": {"id": id}})

    @precondition(lambda self: self.open_requests)
    @rule(data=st.data())
    def answer_request(self, data: st.DataObject) -> None:
        key = self.open_requests.pop(data.draw(st.integers(0, len(self.open_requests) - 1)))
        self.post({"jsonrpc": "2.0", "id": key, "result": {}})

    @precondition(lambda self: self.to_client)
    @rule(count=st.integers(1, 10), acknowledge=st.booleans())
    def client_reads(self, count: int, acknowledge: bool) -> None:
        for _ in range(min(count, len(self.to_client))):
            message = self.to_client.popleft()
            if message.get("method") == "rpc.ack":
                self.confirm(message["params"]["received"])
                continue
            self.received += 1
            if message.get("method") == "rpc.void":
                continue
            if message.get("method") == "rpc.cancel":
                key = message["params"]["id"]
                assert key in self.withdrawn
                if key in self.open_requests:
                    self.open_requests.remove(key)
            elif "method" in message:
                self.requests_heard.append(message["id"])
                self.open_requests.append(message["id"])
            else:
                assert message["id"] in self.unanswered, "answered twice, or never asked"
                del self.unanswered[message["id"]]
                self.answers[message["id"]] = message
        if acknowledge and self.connected:
            ack = {"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": self.received}}
            self.to_gateway.append([ack])

    # The gateway's side.

    @precondition(lambda self: self.to_gateway)
    @rule(count=st.integers(1, 10))
    def gateway_reads(self, count: int) -> None:
        for _ in range(min(count, len(self.to_gateway))):
            frame = self.to_gateway.popleft()
            self.act(self.stream.receive(json.dumps(frame[0] if len(frame) == 1 else frame)))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def service_answers(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(sorted(self.running)))
        mark = self.running.pop(call)
        self.act([event for event in self.stream.answer(call, mark) if not isinstance(event, events.AnswerDropped)])

    @rule()
    def service_calls_back(self) -> None:
        self.requests_made += 1
        self.act(self.stream.call_callback("c", "changed", [])[1])

    @precondition(lambda self: self.stream.requests)
    @rule(data=st.data())
    def service_withdraws(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.stream.requests)))
        self.withdrawn.add(key)
        if not self.connected and key not in self.requests_heard:
            self.never_to_be_heard.add(key)
        happened = self.stream.withdraw(key)
        if happened == [events.RequestDropped(key)]:
            assert key in self.never_to_be_heard
        else:
            self.act(happened)

    @rule()
    def a_second_passes(self) -> None:
        if self.connected:
            self.act(self.stream.acknowledge())

    # The network.

    @precondition(lambda self: self.connected)
    @rule(arrives_there=st.integers(0, 8), arrives_here=st.integers(0, 8))
    def cut(self, arrives_there: int, arrives_here: int) -> None:
        if self.to_gateway:
            self.gateway_reads(arrives_there)
        if arrives_here and self.to_client:
            self.client_reads(arrives_here, False)
        self.connected = False
        self.stream.counting.leave()
        self.to_gateway.clear()
        self.to_client.clear()

    @precondition(lambda self: not self.connected)
    @rule()
    def reconnect(self) -> None:
        self.connect()

    @invariant()
    def nothing_runs_twice_or_out_of_order(self) -> None:
        if hasattr(self, "begun"):
            assert self.begun == sorted(set(self.begun))
            assert len(set(self.answered)) == len(self.answered)
            assert not self.withdrawn & set(self.answered)
            assert not self.never_to_be_heard & set(self.requests_heard)
            numbers = [int(key[2:]) for key in self.requests_heard]
            assert numbers == sorted(set(numbers))

    def teardown(self) -> None:
        """When the network is well again, everything that was asked for has run once and is answered once."""
        if not hasattr(self, "begun"):
            return
        if not self.connected:
            self.connect()
        for _ in range(3):
            self.client_reads(0, True)
            while self.to_gateway:
                self.gateway_reads(10)
            for call, mark in sorted(self.running.items()):
                self.act([e for e in self.stream.answer(call, mark) if not isinstance(e, events.AnswerDropped)])
            self.running.clear()
            while self.to_client:
                self.client_reads(10, True)
            for key in self.open_requests:
                self.post({"jsonrpc": "2.0", "id": key, "result": {}})
            self.open_requests.clear()
        self.act(self.stream.acknowledge())
        while self.to_client:
            self.client_reads(10, True)
        assert self.begun == list(range(1, self.next_id))
        assert self.unanswered == {}
        every = {f"g:{number}" for number in range(1, self.requests_made + 1)}
        assert set(self.requests_heard) >= every - self.withdrawn
        assert set(self.answered) == every - self.withdrawn
        assert self.kept == []
        assert self.stream.counting.kept_bytes == 0


TestStreams = Model.TestCase
TestStreams.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
