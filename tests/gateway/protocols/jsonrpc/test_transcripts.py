"""The transcripts of tests/vectors/session, played from the gateway's side (see their README)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.config.limits import Limits
from gateway.errors import GatewayError, Status
from gateway.protocols.jsonrpc import events
from gateway.protocols.jsonrpc.stream import Stream

FOLDER = Path(__file__).resolve().parents[3] / "vectors" / "session"
TRANSCRIPTS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
PLAYED = [name for name, transcript in TRANSCRIPTS.items() if transcript.get("only") != "client"]
ACKNOWLEDGE_S = 1


class Edge:
    """What the gateway does around its streams: sockets, sessions, and the numbers of calls."""

    def __init__(self, transcript: Mapping[str, Any]) -> None:
        self.limits = Limits(**transcript.get("limits", {}))
        self.sockets: dict[int, Stream] = {}
        self.streams: dict[str, tuple[str, Stream]] = {}
        self.said: list[tuple[int, Any]] = []
        self.closed: list[tuple[int, int]] = []
        self.seen: list[Any] = []
        self.calls: dict[Any, tuple[Stream, int]] = {}
        self.ended: list[Stream] = []
        self.number = 0
        self.sessions: set[str] = set()
        known = transcript.get("options", {})
        if "session" in known:
            self._add_session()
            self.number = 1

    def _add_session(self) -> str:
        session = f"S{len(self.sessions) + 1}"
        self.sessions.add(session)
        return session

    def open(self, socket: int) -> None:
        self.sockets[socket] = Stream(f"T{self.number + 1}", self.limits)

    def take(self, socket: int, text: str) -> None:
        stream = self.sockets.get(socket)
        if stream is not None:
            self.run(stream, stream.receive(text))

    def run(self, stream: Stream, happened: list[events.Event]) -> None:
        for event in happened:
            socket = next((socket for socket, its in self.sockets.items() if its is stream), None)
            if isinstance(event, events.Send):
                if socket is not None:
                    self.said.append((socket, json.loads(event.data)))
            elif isinstance(event, events.Close):
                if socket is not None:
                    self.closed.append((socket, event.code))
                    del self.sockets[socket]
                self.end(stream)
            elif isinstance(event, events.Hello):
                assert socket is not None
                self.hello(socket, stream, event)
            else:
                self.pass_in(stream, event)

    def hello(self, socket: int, stream: Stream, hello: events.Hello) -> None:
        reason = None
        if hello.session is not None and hello.session not in self.sessions:
            reason = "session"
        elif hello.stream is not None:
            known = self.streams.get(hello.stream)
            assert hello.received is not None
            if known is None:
                reason = "stream"
            elif not known[1].can_resume(hello.received):
                reason = "received"
            else:
                self.resume(socket, stream, known[1], hello)
                return
        if reason is not None:
            self.run(stream, stream.fail(hello.call, GatewayError(Status.NOT_FOUND, reason, reason=reason)))
            return
        session = self._add_session() if hello.session is None else hello.session
        self.number += 1
        self.streams[stream.id] = (session, stream)
        self.run(stream, stream.welcome(hello.call, session, 60))

    def resume(self, socket: int, fresh: Stream, stream: Stream, hello: events.Hello) -> None:
        id = fresh.give_way(hello.call)
        for old in [number for number, its in self.sockets.items() if its is stream]:
            del self.sockets[old]
            self.closed.append((old, 4001))
        self.sockets[socket] = stream
        assert hello.received is not None
        self.run(stream, stream.resume(id, hello.received, 60))

    def pass_in(self, stream: Stream, event: events.Event) -> None:
        if isinstance(event, events.CallRequested):
            id = next((id for id, call in stream.ids.items() if call == event.call), None)
            target = event.target
            assert isinstance(target, events.ServiceTarget | events.HandleTarget)
            owner = target.service if isinstance(target, events.ServiceTarget) else f"@{target.token}"
            self.calls[id] = (stream, event.call)
            self.seen.append({"call": id, "method": f"{owner}.{event.method}", "params": event.params})
        elif isinstance(event, events.CancelRequested):
            self.seen.append({"cancel": self.id_of(stream, event.call)})
        elif isinstance(event, events.ReleaseRequested):
            self.seen.append({"release": event.token, "count": event.count})
        elif isinstance(event, events.CallbackAnswered):
            outcome = {"error": event.error.status.code} if event.error else {"result": event.result}
            self.seen.append({"answered": event.key, **outcome})

    def id_of(self, stream: Stream, call: int) -> Any:
        return next(id for id, (its, number) in self.calls.items() if (its, number) == (stream, call))

    def cut(self, socket: int) -> None:
        stream = self.sockets.pop(socket, None)
        if stream is None:
            return
        if stream.greeted:
            stream.counting.leave()
        else:
            self.end(stream)

    def end(self, stream: Stream) -> None:
        if stream.calls or stream.id in self.streams:  # of others nobody knew
            self.ended.append(stream)
        self.seen += [{"cancel": id} for id, call in stream.ids.items() if call in stream.calls]
        session, _ = self.streams.pop(stream.id, (None, None))
        stream.end()
        if session is not None and not any(its == session for its, _ in self.streams.values()):
            self.sessions.discard(session)
            self.sessions.add(f"ended {session}")

    def inside(self, step: Mapping[str, Any]) -> None:
        if "answer" in step:
            stream, call = self.calls.pop(step["answer"])
            if "error" in step:
                self.run(stream, stream.fail(call, GatewayError(Status.of(step["error"]), "it failed")))
            else:
                self.run(stream, stream.answer(call, step["result"]))
            return
        (stream,) = [stream for _, stream in self.streams.values()]
        if "callback" in step:
            try:
                _, happened = stream.call_callback(step["callback"], step["method"], step["params"])
            except GatewayError as error:
                self.seen.append({"refused": error.status.code})
                return
        elif "withdraw" in step:
            happened = stream.withdraw(step["withdraw"])
        else:
            happened = stream.released(**step["released"])
        self.run(stream, happened)

    def wait(self, seconds: float) -> None:
        if seconds >= ACKNOWLEDGE_S:
            for stream in list(self.sockets.values()):
                if stream.greeted:
                    self.run(stream, stream.acknowledge())


def whole(message: Any) -> Any:
    """A transcript's message as it is on the wire."""
    if isinstance(message, list):
        return [whole(one) for one in message]
    return {"jsonrpc": "2.0", **message}


def fits(said: Any, expected: Any) -> bool:
    """Whether a message is the expected one; of an error counts what the transcript names, of hello all but limits."""
    if isinstance(expected, list):
        return isinstance(said, list) and len(said) == len(expected) and all(map(fits, said, expected))
    said = dict(said)
    if isinstance(said.get("result"), dict) and "resume_window_s" in said["result"]:
        said["result"] = {name: value for name, value in said["result"].items() if name != "limits"}
    if "error" in expected and "error" in said:
        return said["id"] == expected["id"] and _within(expected["error"], said["error"])
    return bool(said == whole(expected))


def _within(part: Any, of: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(of, dict) and all(name in of and _within(value, of[name]) for name, value in part.items())
    return bool(part == of)


def unrolled(steps: list[Any]) -> list[Any]:
    played = []
    for step in steps:
        if "repeat" in step:
            for number in range(1, step["repeat"] + 1):
                played += unrolled(_filled(step["steps"], number))
        else:
            played.append(_filled(step, None))
    return played


def _filled(value: Any, number: int | None) -> Any:
    if isinstance(value, dict):
        return {name: _filled(member, number) for name, member in value.items()}
    if isinstance(value, list):
        return [_filled(member, number) for member in value]
    if not isinstance(value, str):
        return value
    if value == "{n}" and number is not None:
        return number
    if value.startswith("{x*") and value.endswith("}"):
        return "x" * int(value[3:-1])
    return value if number is None else value.replace("{n}", str(number))


@pytest.mark.parametrize("name", PLAYED)
def test_the_gateway_plays_its_part(name: str) -> None:
    edge = Edge(TRANSCRIPTS[name])
    for place, step in enumerate(unrolled(TRANSCRIPTS[name]["steps"])):
        where = f"step {place}: {json.dumps(step)[:200]}"
        if "open" in step:
            edge.open(step["open"])
        elif "client" in step:
            if not step.get("lost"):
                edge.take(step["on"], json.dumps(whole(step["client"])))
        elif "late" in step:
            if step["at"] == "gateway":
                edge.take(step["on"], json.dumps(whole(step["late"])))
        elif "client_text" in step:
            edge.take(step["on"], step["client_text"])
        elif "gateway" in step:
            assert edge.said, where
            socket, said = edge.said.pop(0)
            assert socket == step["on"], where
            assert fits(said, step["gateway"]), f"{where}\n{json.dumps(said)}"
        elif "cut" in step:
            if step.get("seen_by") != "client":
                edge.cut(step["cut"])
        elif "close" in step:
            if step["by"] == "client":
                edge.cut(step["close"])
            else:
                assert edge.closed.pop(0) == (step["close"], step["code"]), where
        elif "service" in step:
            edge.inside(step["service"])
        elif "service_sees" in step:
            assert edge.seen, where
            assert edge.seen.pop(0) == step["service_sees"], where
        elif "wait" in step:
            edge.wait(step["wait"])
        elif "stream_ends" in step:
            if not edge.ended:  # told by the window's timer, which is not the state machine's
                ((_, stream),) = edge.streams.values()
                edge.end(stream)
            edge.ended.pop(0)
        else:
            assert "app" in step or "app_sees" in step, where
    assert (edge.said, edge.seen, edge.closed, edge.ended) == ([], [], [], []), name
