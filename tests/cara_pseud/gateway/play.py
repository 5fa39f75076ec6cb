"""A transcript of tests/vectors/session, played from the side of the client in Python: see the README there."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cara_pseud
from cara_pseud.errors import RpcError
from cara_pseud.gateway.client import GatewaySession
from cara_pseud.gateway.connection import GatewayConnection
from cara_pseud.gateway.plain_objects import PlainObject
from cara_pseud.gateway.session_events import ConnectionState, StateChange
from tests.clock import MovedClock

PREFIX = "p-"


class FakeSocket:
    """A socket whose other end is the test."""

    def __init__(self, received: Callable[[str | bytes], None], lost: Callable[[int, str], None]) -> None:
        self.frames: list[Any] = []
        self.closed: int | None = None
        self.unsent = 0
        self._over = False
        self._received = received
        self._lost = lost

    def received(self, text: str) -> None:
        # As with a real one, nothing comes behind its end.
        if not self._over:
            self._received(text)

    def lost(self, code: int, reason: str) -> None:
        self._over = True
        self._lost(code, reason)

    def send(self, frame: bytes) -> None:
        self.frames.append(without_prefix(json.loads(frame)))

    def close(self, code: int, reason: str) -> None:
        if not self._over:
            self.closed = code
            self.lost(code, reason)

    async def ended(self) -> None: ...


class FakeOpener:
    """Opens sockets when the test says so."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[None]] = []
        self.sockets: list[FakeSocket] = []

    async def open(self, received: Callable[[str | bytes], None], lost: Callable[[int, str], None]) -> FakeSocket:
        asked = asyncio.get_running_loop().create_future()
        self.asked.append(asked)
        await asked
        self.sockets.append(FakeSocket(received, lost))
        return self.sockets[-1]


async def settle() -> None:
    """Let everything that is ready happen."""
    for _ in range(12):
        await asyncio.sleep(0)


class Listener:
    """A callback whose runs end when the transcript says so."""

    def __init__(self, play: Play, name: str) -> None:
        self._play = play
        self._name = name

    def changed(self, *params: Any) -> asyncio.Future[Any]:
        return self._play.run(self._name, params)


class Play:
    def __init__(self, transcript: Mapping[str, Any]) -> None:
        self._transcript = transcript
        self._clock = MovedClock(stopped=True)
        self._opener = FakeOpener()
        self._connection = GatewayConnection(
            self._opener, prefix=PREFIX, chance=lambda: 1.0, **transcript.get("options", {})
        )
        self.gateway = GatewaySession(self._connection)
        self._sockets: dict[int, FakeSocket] = {}
        self._calls: dict[str, Any] = {}
        self._runs: dict[str, asyncio.Future[Any]] = {}
        self._objects: dict[str, list[PlainObject]] = {}
        self._callbacks: dict[str, Listener] = {}
        self._seen: list[Any] = []
        self._same_session = False
        self._loop = asyncio.get_running_loop()
        self.gateway.on("reset", lambda reset: setattr(self, "_same_session", reset.same_session))
        self.gateway.on("state", self._state)
        self.gateway.on("released", lambda what: self._seen.append({"released": without_prefix(what)}))

    async def play(self) -> None:
        for step in unrolled(self._transcript["steps"]):
            if "app" in step:
                # Successive ones are in one turn of the loop.
                self._act(step["app"])
            else:
                await settle()
                await self._step(step, json.dumps(step))
                # No two things happen at one time.
                await self._clock.advance(0.001)
        await settle()
        assert self._seen == []
        assert {number: socket.frames for number, socket in self._sockets.items() if socket.frames} == {}
        await self.gateway.close()

    def run(self, name: str, params: Sequence[Any]) -> asyncio.Future[Any]:
        number = f"r{len(self._runs) + 1}"
        self._runs[number] = self._loop.create_future()
        self._seen.append({"run": number, "callback": name, "method": "changed", "params": plain(list(params))})
        return self._runs[number]

    def _state(self, change: StateChange) -> None:
        told: dict[str, Any] = {"state": change.state.value}
        if change.state is ConnectionState.OPEN:
            told["resumed"] = change.resumed
            if self._same_session:
                told["same_session"] = True
        if change.error is not None:
            told["error"] = change.error.code
        # Futures tell of calls a turn after their end; what counts is which came first.
        self._loop.call_soon(self._seen.append, told)

    async def _step(self, step: Mapping[str, Any], at: str) -> None:
        if "open" in step:
            # The client comes back by itself; how soon is not the transcript's business.
            while not self._opener.asked or self._opener.asked[-1].done():
                await self._clock.advance(0.1)
                await settle()
            self._opener.asked[-1].set_result(None)
            await settle()
            self._sockets[step["open"]] = self._opener.sockets[-1]
        elif "client" in step:
            frames = self._sockets[step["on"]].frames
            assert frames, f"nothing is written: {at}; seen {self._seen}"
            assert_fits(frames.pop(0), step["client"], at)
        elif "gateway" in step or "late" in step:
            if step.get("lost") or step.get("at") == "gateway":
                return
            message = {"jsonrpc": "2.0", **with_prefix(step.get("gateway", step.get("late")))}
            if isinstance(message.get("result"), dict) and "protocol" in message["result"]:
                limits = {"max_message_bytes": 1_000_000, **self._transcript.get("limits", {})}
                message["result"] = {**message["result"], "limits": limits}
            self._sockets[step["on"]].received(json.dumps(message))
        elif "gateway_text" in step:
            self._sockets[step["on"]].received(step["gateway_text"])
        elif "cut" in step:
            self._sockets[step["cut"]].lost(1006, "")
        elif "close" in step:
            socket = self._sockets[step["close"]]
            if step["by"] == "client":
                assert socket.closed == step["code"], at
            else:
                socket.lost(step["code"], "")
        elif "wait" in step:
            await self._clock.advance(step["wait"], step_s=0.5)
        elif "app_sees" in step:
            assert self._seen, f"the program is told nothing: {at}"
            assert self._seen.pop(0) == step["app_sees"], at

    def _act(self, app: Mapping[str, Any]) -> None:
        if "call" in app:
            target, method = self._target(app)
            if "timeout" in app:
                target = cara_pseud.with_options(target, timeout=app["timeout"])
            call = target[method](*self._value(app["params"]))
            self._calls[app["call"]] = call
            call.add_done_callback(lambda done: self._ended(app["call"], done))
        elif "cancel" in app:
            self._calls[app["cancel"]].cancel()
        elif "release" in app:
            cara_pseud.release(self._objects[app["release"]].pop(0))
        elif "return" in app:
            run = self._runs[app["return"]]
            if not run.done():
                run.set_result(app["result"])
        elif "close" in app:
            self._connection.session.close()

    def _ended(self, name: str, call: asyncio.Future[Any]) -> None:
        error = None if call.cancelled() else call.exception()
        if call.cancelled():
            self._seen.append({"call": name, "error": "cancelled"})
        elif error is not None:
            assert isinstance(error, RpcError), repr(error)
            self._seen.append({"call": name, "error": error.code})
        else:
            self._keep(call.result())
            self._seen.append({"call": name, "result": plain(call.result())})

    def _target(self, app: Mapping[str, Any]) -> tuple[Any, str]:
        on, method = app.get("on"), app["method"]
        if on is None:
            service, _, name = method.partition(".")
            return self.gateway.service(service), name
        if "$handle" in on:
            return self._objects[on["$handle"]][-1], method
        return self._place(on), method

    def _place(self, of: Mapping[str, Any]) -> Any:
        place = self._calls[of["call"]]
        for name in of["path"]:
            place = place[name]
        return place

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$callback" in value:
            return self._callbacks.setdefault(value["$callback"], Listener(self, value["$callback"]))
        if "$handle" in value:
            return self._objects[value["$handle"]][-1]
        if "$result" in value:
            return self._place(value["$result"])
        return {name: self._value(item) for name, item in value.items()}

    def _keep(self, value: Any) -> None:
        """Remember the objects of a result by their tokens."""
        if isinstance(value, PlainObject):
            self._objects.setdefault(token_of(value), []).append(value)
        elif isinstance(value, list | dict):
            for item in value.values() if isinstance(value, dict) else value:
                self._keep(item)


def token_of(obj: PlainObject) -> str:
    capability: Any = obj.__capability__
    token: str = capability.target.token
    return token


def plain(value: Any) -> Any:
    """What the program got, with objects as the transcripts write them."""
    if isinstance(value, PlainObject):
        capability: Any = value.__capability__
        return {"$handle": token_of(value), "interface": capability.target.interface}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def without_prefix(obj: Any) -> Any:
    """A message as the transcripts write it: ids are numbers, callbacks c1, c2 …"""
    if isinstance(obj, list):
        return [without_prefix(item) for item in obj]
    if isinstance(obj, dict):
        return {name: without_prefix(item) for name, item in obj.items()}
    if not isinstance(obj, str):
        return obj
    if re.fullmatch(rf"{PREFIX}\d+", obj):
        return int(obj.removeprefix(PREFIX))
    return re.sub(rf"^(#?){PREFIX}(?=c?\d)", r"\1", obj)


def with_prefix(message: Any) -> Any:
    """The other way; hello is 0 for every client."""
    said = dict(message)
    if isinstance(said.get("id"), int) and said["id"] > 0 and "method" not in said:
        said["id"] = f"{PREFIX}{said['id']}"
    if str(said.get("method", "")).startswith("!c"):
        said["method"] = f"!{PREFIX}{said['method'][1:]}"
    if said.get("method") == "rpc.released" and "callback" in said["params"]:
        said["params"] = {**said["params"], "callback": PREFIX + said["params"]["callback"]}
    return said


def assert_fits(written: Any, expected: Any, at: str) -> None:
    """Of an error counts what stands in the transcript."""
    if isinstance(expected, list):
        assert isinstance(written, list), at
        assert len(written) == len(expected), f"{at}: {written}"
        for message, wanted in zip(written, expected, strict=True):
            assert_fits(message, wanted, at)
        return
    message = dict(written)
    assert message.pop("jsonrpc") == "2.0", at
    if "error" in expected and "error" in message:
        code, data = message["error"]["code"], message["error"]["data"]
        assert {"id": message["id"], "error": {"code": code, "data": {"code": data["code"]}}} == expected, at
    else:
        assert message == expected, at


def unrolled(steps: Sequence[Any], number: int | None = None) -> Iterator[Any]:
    for step in steps:
        if "repeat" in step:
            for index in range(step["repeat"]):
                yield from unrolled([filled(inner, index + 1) for inner in step["steps"]])
        else:
            yield filled(step, number)


def filled(value: Any, number: int | None) -> Any:
    if isinstance(value, str):
        letters = re.fullmatch(r"\{x\*(\d+)\}", value)
        if letters:
            return "x" * int(letters[1])
        return value if number is None else number if value == "{n}" else value.replace("{n}", str(number))
    if isinstance(value, list):
        return [filled(item, number) for item in value]
    if isinstance(value, dict):
        return {name: filled(item, number) for name, item in value.items()}
    return value
