"""A peer of version 2 written from docs/wire.md alone: pyzmq, msgpack and asyncio, nothing of cara_pseud.

It proves that the page suffices. What the page does not say, it does not know; whoever has to change it for a new
feature should have changed the page first.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgpack
import zmq
import zmq.asyncio

OK, HELLO, WORK, AUTHENTICATED, HEARTBEAT, ERROR, UNAUTHORIZED, BATCH = (
    bytes.fromhex(byte) for byte in ("01", "02", "03", "04", "06", "10", "11", "21")
)
MAX_IN_BATCH = 256
MAX_BATCH_BYTES = 64 * 1024
HEAD_BYTES = 32
SEND_AGAIN_S = 0.005

Method = Callable[..., Any]
"""Gets arguments on wire values, gives a wire value or an awaitable of one."""


class Failure(Exception):
    """An ERROR: its class and status."""

    def __init__(self, name: str, message: str, detail: str = "") -> None:
        super().__init__(f"{name}: {message}")
        self.name, self.message, self.code, self.details = name, message, "unknown", None
        if name == "RpcError" and detail.startswith("cara-error:"):
            status = json.loads(detail.removeprefix("cara-error:"))
            self.code, self.details = status["code"], status["details"]
        elif name == "ServiceNotFoundError":
            self.code = "unimplemented"

    @property
    def is_status(self) -> bool:
        return self.name == "RpcError" and self.code != "unknown"


def status(code: str, message: str) -> tuple[str, str, str]:
    return "RpcError", message, "cara-error:" + json.dumps({"code": code, "details": None})


class Own:
    """An object that lives here: its methods by interface id and method id."""

    def __init__(self, methods: dict[tuple[int, int | str], Method]) -> None:
        self.methods = methods
        self.released = asyncio.Event()


class Theirs:
    """An object that lives at the other side."""

    def __init__(self, line: Line, id: int) -> None:
        self.line, self.id, self.received = line, id, 0

    def call(self, interface_id: int, method: int | str, *args: Any) -> asyncio.Future[Any]:
        return self.line.call("call", self.id, interface_id, method, list(args), {})

    def release(self) -> None:
        """Give back all that was received."""
        received, self.received = self.received, 0
        self.line.theirs.pop(self.id, None)
        self.line.call("cara:release", [self.id, received])


class Line:
    """What is between us and one other peer."""

    def __init__(self, transmit: Callable[[list[bytes]], Awaitable[None]], is_client: bool, user: str | None) -> None:
        self._transmit = transmit
        self._is_client = is_client
        self._user = user
        self._prefix = secrets.token_bytes(8)
        self._numbers = itertools.count(1)
        self._waiting: dict[bytes, asyncio.Future[Any]] = {}
        self._running: dict[bytes, asyncio.Task[None]] = {}
        self._outgoing: list[tuple[bytes, bytes, bytes]] = []
        self._senders: set[asyncio.Task[None]] = set()
        self._order = asyncio.Lock()
        self._greetings: set[bytes] = set()
        self._found: list[int] = []
        self._credentials: tuple[bytes, bytes] | None = None
        self._refused: dict[bytes, bytes] = {}
        self.methods: dict[str, Method] = {}
        self.incarnation = b""
        self.own: dict[int, Own] = {}
        self.counts: Counter[int] = Counter()
        self.theirs: dict[int, Theirs] = {}
        self.version: int | None = None
        self.their_incarnation: bytes | None = None
        self.received: list[bytes] = []
        self.sent: list[bytes] = []
        self.metadata: list[dict[str, Any]] = []

    # Bodies.

    def _default(self, obj: Any) -> Any:
        if isinstance(obj, Theirs):
            id = obj.id
        elif isinstance(obj, Own):
            id = next((id for id, own in self.own.items() if own is obj), 0) or secrets.randbits(64)
            self.own[id] = obj
            self.counts[id] += 1
        else:
            raise TypeError(f"{obj!r} has no form on the wire")
        return msgpack.ExtType(100, msgpack.packb([id, self._user] if self._is_client else id))

    def pack(self, value: Any) -> bytes:
        packed: bytes = msgpack.packb(value, default=self._default)
        return packed

    def _ext(self, kind: int, content: bytes) -> Any:
        assert kind in (100, 101), kind
        inner = msgpack.unpackb(content)
        id = inner if isinstance(inner, int) else inner[0]
        if id in self.own:
            return self.own[id]
        proxy = self.theirs.setdefault(id, Theirs(self, id))
        proxy.received += 1
        self._found.append(id)
        return proxy

    def unpack(self, body: bytes) -> Any:
        return msgpack.unpackb(body, strict_map_key=False, ext_hook=self._ext)

    # Out.

    def _new_uuid(self) -> bytes:
        return self._prefix + next(self._numbers).to_bytes(8, "big")

    def call(self, name: str, *args: Any, **named: Any) -> asyncio.Future[Any]:
        return self._request(self.pack([name, args, named]))

    def call_with(self, metadata: dict[str, Any], name: str, *args: Any) -> asyncio.Future[Any]:
        return self._request(self.pack(["cara:call", [metadata, name, args], {}]))

    def _request(self, body: bytes) -> asyncio.Future[Any]:
        uid = self._new_uuid()
        answer = self._waiting[uid] = asyncio.get_running_loop().create_future()
        self._refused[uid] = body
        answer.add_done_callback(lambda answer: self._given_up(uid) if answer.cancelled() else None)
        self.send(uid, WORK, body)
        return answer

    def _given_up(self, uid: bytes) -> None:
        if self._waiting.pop(uid, None) is not None:
            self.call("cara:cancel", uid)

    def send(self, uid: bytes, kind: bytes, body: bytes) -> None:
        self._outgoing.append((uid, kind, body))
        if len(self._outgoing) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        batch: list[tuple[bytes, bytes, bytes]] = []
        posts = []
        size = 0
        for message in outgoing:
            taken = len(message[2]) + HEAD_BYTES
            alone = (
                self.version != 2
                or message[1] not in (OK, WORK, ERROR)
                or message[0] in self._greetings
                or taken > MAX_BATCH_BYTES
            )
            if batch and (alone or size + taken > MAX_BATCH_BYTES or len(batch) == MAX_IN_BATCH):
                posts.append((b"", BATCH, msgpack.packb(batch)))
                batch, size = [], 0
            if alone:
                posts.append(message)
            else:
                batch.append(message)
                size += taken
        if batch:
            posts.append((b"", BATCH, msgpack.packb(batch)))
        sender = asyncio.get_running_loop().create_task(self._send_all(posts))
        self._senders.add(sender)
        sender.add_done_callback(self._senders.discard)

    async def _send_all(self, posts: list[tuple[bytes, bytes, bytes]]) -> None:
        async with self._order:
            for uid, kind, body in posts:
                self.sent.append(kind)
                await self._transmit([b"", b"v1", uid, kind, body])

    # In.

    def take(self, frames: list[bytes]) -> None:
        """Handle a message: its frames without the routing id."""
        if len(frames) != 5 or frames[:2] != [b"", b"v1"]:
            return
        uid, kind, body = frames[2:]
        self.received.append(kind)
        if kind != BATCH:
            self._take_one(uid, kind, body)
        elif self.version == 2:
            for message in msgpack.unpackb(body):
                self._take_one(*message)

    def _take_one(self, uid: bytes, kind: bytes, body: bytes) -> None:
        if kind == WORK and len(uid) == 16:
            self._work(uid, body)
        elif kind in (OK, ERROR):
            self._found.clear()
            value = self.unpack(body)
            answer = self._waiting.pop(uid, None)
            if answer is None and self._found:
                # It came too late.
                self.call("cara:release", *([id, 1] for id in self._found))
            self._refused.pop(uid, None)
            if answer is not None and not answer.done():
                if kind == OK:
                    answer.set_result(value)
                else:
                    answer.set_exception(Failure(*value))
        elif kind == UNAUTHORIZED and self._credentials is not None:
            self.send(uid, HELLO, msgpack.packb(self._credentials))
            self._credentials = None
        elif kind == AUTHENTICATED:
            for refused, work in self._refused.items():
                self.send(refused, WORK, work)

    def _work(self, uid: bytes, body: bytes) -> None:
        name, args, named = self.unpack(body)
        if name == "cara:hello":
            self._greetings.add(uid)
        if name == "cara:call":
            metadata, name, args = args
            self.metadata.append(metadata)
        try:
            result = self._run(name, args, named)
        except Exception as error:
            self._fail(uid, error)
            return
        if isinstance(result, Awaitable):
            self._running[uid] = asyncio.get_running_loop().create_task(self._finish(uid, result))
        else:
            self.send(uid, OK, self.pack(result))

    async def _finish(self, uid: bytes, result: Awaitable[Any]) -> None:
        try:
            self.send(uid, OK, self.pack(await result))
        except asyncio.CancelledError:
            self.send(uid, ERROR, self.pack(status("cancelled", "given up")))
        except Exception as error:
            self._fail(uid, error)
        finally:
            self._running.pop(uid, None)

    def _fail(self, uid: bytes, error: Exception) -> None:
        self.send(uid, ERROR, self.pack(error.args[0] if isinstance(error, Refused) else (
            type(error).__name__, str(error), "",
        )))  # fmt: skip

    def _run(self, name: str, args: list[Any], named: dict[str, Any]) -> Any:
        if name == "cara:hello":
            self._greeted(args[0])
            return {"version": min(args[0]["version"], 2), "incarnation": self.incarnation}
        if name == "cara:cancel":
            for uid in args:
                if uid in self._running:
                    self._running[uid].cancel()
            return None
        if name == "cara:release":
            for id, count in args:
                self._release(id, count)
            return None
        if name == "call":
            id, interface_id, method, args, named = args
            if id not in self.own:
                raise Refused(status("not_found", "no such object"))
            return self.own[id].methods[interface_id, method](*args, **named)
        if name not in self.methods:
            raise Refused(("ServiceNotFoundError", name, ""))
        return self.methods[name](*args, **named)

    def _release(self, id: int, count: int) -> None:
        self.counts[id] -= count
        if id in self.own and self.counts[id] <= 0:
            del self.counts[id]
            self.own.pop(id).released.set()

    # The greeting.

    async def greet(self, credentials: tuple[bytes, bytes] | None = None) -> None:
        self._credentials = credentials
        try:
            self._greeted(await self.call("cara:hello", {"version": 2, "incarnation": self.incarnation}))
        except Failure as failure:
            if failure.is_status:
                raise
            self.version = 0

    def _greeted(self, said: dict[str, Any]) -> None:
        if self.version is None:
            self.version = min(said["version"], 2)
            self.their_incarnation = said.get("incarnation")

    def beat(self) -> None:
        self.send(b"", HEARTBEAT, b"")

    def abandon(self) -> None:
        for task in [*self._running.values(), *self._senders]:
            task.cancel()


class Refused(Exception):
    """Answered with these three texts."""


class LoneClient:
    """The connecting side, at a ROUTER or a DEALER."""

    def __init__(
        self,
        endpoint: str,
        kind: int = zmq.ROUTER,
        *,
        server: bytes = b"server",
        user: str | None = None,
        incarnation: bytes | None = None,
        **options: Any,
    ) -> None:
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(kind)
        self._head = [server] if kind == zmq.ROUTER else []
        wanted: dict[str, Any] = {
            "linger": 0, "reconnect_ivl": 2**31 - 1, "heartbeat_ivl": 300, "heartbeat_timeout": 1200,
            "handshake_ivl": 2000, "rcvhwm": 0, "maxmsgsize": 33_554_432, **options,
        }  # fmt: skip
        if kind == zmq.ROUTER:
            wanted |= {"router_mandatory": 1, "router_handover": 1}
        for name, value in wanted.items():
            setattr(self._socket, name, value)
        self.line = Line(self._transmit, True, user)
        self.line.incarnation = incarnation or secrets.token_bytes(16)
        self._socket.connect(endpoint)

    async def _transmit(self, frames: list[bytes]) -> None:
        while True:
            try:
                await self._socket.send_multipart([*self._head, *frames])
                return
            except zmq.ZMQError as error:
                if error.errno != zmq.EHOSTUNREACH:
                    raise
                # The server's name is not known yet.
                await asyncio.sleep(SEND_AGAIN_S)

    async def _read(self) -> None:
        while True:
            frames = await self._socket.recv_multipart()
            self.line.take(frames[len(self._head) :])

    async def __aenter__(self) -> Line:
        self._reader = asyncio.get_running_loop().create_task(self._read())
        return self.line

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        self.line.abandon()
        self._context.destroy(linger=0)


class LoneServer:
    """The listening side: a line for each client, by its routing id."""

    def __init__(self, name: bytes, methods: Callable[[Line], dict[str, Method]]) -> None:
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        for option, value in (
            ("linger", 0), ("routing_id", name), ("router_mandatory", 1), ("rcvhwm", 100), ("sndhwm", 100),
            ("maxmsgsize", 33_554_432),
        ):  # fmt: skip
            setattr(self._socket, option, value)
        self._methods = methods
        self._incarnation = secrets.token_bytes(16)
        self.lines: dict[bytes, Line] = {}
        self.endpoint = f"tcp://127.0.0.1:{self._socket.bind_to_random_port('tcp://127.0.0.1')}"

    def _line(self, routing_id: bytes) -> Line:
        line = self.lines.get(routing_id)
        if line is None:

            async def transmit(frames: list[bytes]) -> None:
                await self._socket.send_multipart([routing_id, *frames])

            line = self.lines[routing_id] = Line(transmit, False, None)
            line.incarnation, line.methods = self._incarnation, self._methods(line)
        return line

    async def _read(self) -> None:
        while True:
            routing_id, *frames = await self._socket.recv_multipart()
            self._line(routing_id).take(frames)

    async def __aenter__(self) -> LoneServer:
        self._reader = asyncio.get_running_loop().create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        for line in self.lines.values():
            line.abandon()
        self._context.destroy(linger=0)
