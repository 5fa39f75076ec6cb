"""ZMTP 3.0 over a plain TCP socket, both sides of it: says whatever a test wants, at the speed of the network.

A ZeroMQ socket would not do: it keeps what is sent in queues of its own, and closes politely.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgpack

_SIGNATURE = b"\xff" + b"\0" * 8 + b"\x7f\x03\x00"
_MORE, _LONG, _COMMAND = 1, 2, 4
PATIENCE_S = 20.0


def frame(data: bytes, flags: int = 0) -> bytes:
    if len(data) < 256:
        return bytes([flags, len(data)]) + data
    return bytes([flags | _LONG]) + struct.pack(">Q", len(data)) + data


def message(*frames: bytes) -> bytes:
    """A whole message as it stands on the wire."""
    return b"".join(frame(data, _MORE) for data in frames[:-1]) + frame(frames[-1])


def body(name: str, *args: Any) -> bytes:
    """The body of a call."""
    packed: bytes = msgpack.packb((name, args, {}))
    return packed


def capability(payload: bytes) -> msgpack.ExtType:
    return msgpack.ExtType(100, payload)


def work(name: str, *args: Any, uid: bytes | None = None) -> bytes:
    """A call of pseud v1."""
    return call_of(body(name, *args), uid)


def call_of(body: bytes, uid: bytes | None = None) -> bytes:
    return message(b"", b"v1", os.urandom(16) if uid is None else uid, b"\x03", body)


def batch(*messages: Sequence[Any]) -> bytes:
    """A batch of Extension 2 with whatever is given for messages."""
    return batch_of(msgpack.packb(messages))


def batch_of(body: bytes) -> bytes:
    return message(b"", b"v1", b"", b"\x21", body)


def _command(name: bytes, data: bytes) -> bytes:
    body = bytes([len(name)]) + name + data
    return frame(body, _COMMAND)


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


class Raw:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.connection.recv(size - len(data))
            if not piece:
                raise ConnectionError("the other side has closed the connection")
            data += piece
        return bytes(data)

    def _greet(self, mechanism: bytes, as_server: bool) -> None:
        self.connection.sendall(_SIGNATURE + mechanism.ljust(20, b"\0") + bytes([as_server]) + b"\0" * 31)
        self._read(64)

    def _frame(self) -> tuple[int, bytes]:
        flags, size = self._read(2)
        if flags & _LONG:
            (size,) = struct.unpack(">Q", bytes([size]) + self._read(7))
        return flags, self._read(size)

    def say_hello_of_zmtp(self, login: tuple[bytes, bytes] | None, routing_id: bytes, kind: bytes) -> None:
        self._greet(b"PLAIN" if login else b"NULL", False)
        metadata = _property(b"Socket-Type", kind) + _property(b"Identity", routing_id)
        if login:
            user, password = login
            hello = bytes([len(user)]) + user + bytes([len(password)]) + password
            self.connection.sendall(_command(b"HELLO", hello))
            self._frame()
            self.connection.sendall(_command(b"INITIATE", metadata))
        else:
            self.connection.sendall(_command(b"READY", metadata))
        self._frame()

    def take_hello_of_zmtp(self, routing_id: bytes) -> None:
        self._greet(b"NULL", True)
        self.connection.sendall(
            _command(b"READY", _property(b"Socket-Type", b"ROUTER") + _property(b"Identity", routing_id))
        )
        self._frame()

    def receive(self) -> list[bytes]:
        """The frames of the next message; pings are answered meanwhile."""
        frames = []
        while True:
            flags, data = self._frame()
            if flags & _COMMAND:
                if data.startswith(b"\x04PING"):
                    self.connection.sendall(_command(b"PONG", data[7:]))
                continue
            frames.append(data)
            if not flags & _MORE:
                return frames

    def messages(self) -> list[tuple[bytes, bytes, bytes]]:
        """uuid, type and body of what comes next; several out of a batch."""
        _, _, uid, kind, content = self.receive()
        return [tuple(inner) for inner in msgpack.unpackb(content)] if kind == b"\x21" else [(uid, kind, content)]

    def answer_next_call(self, result: Any) -> str:
        """Answer the next call that is none of an extension; its name."""
        while True:
            for uid, kind, content in self.messages():
                if kind != b"\x03":
                    continue
                name = msgpack.unpackb(content)[0]
                if name == "cara:call":
                    name = msgpack.unpackb(content)[1][1]
                if not name.startswith("cara:"):
                    self.connection.sendall(message(b"", b"v1", uid, b"\x01", msgpack.packb(result)))
                    return str(name)

    def answer_to(self, uid: bytes) -> tuple[bytes, Any]:
        """Type and value of the answer to a call, also out of a batch; everything else is thrown away."""
        while True:
            for got, kind, content in self.messages():
                if got == uid:
                    return kind, msgpack.unpackb(content, strict_map_key=False)

    def call(self, name: str, *args: Any) -> Any:
        """Call a method; what it answers, or an error as ``(class, text, details)`` in a list of its own."""
        uid = os.urandom(16)
        self.connection.sendall(work(name, *args, uid=uid))
        kind, value = self.answer_to(uid)
        return value if kind == b"\x01" else ["error", *value]

    def greet(self, version: int = 2, incarnation: bytes = b"i" * 16) -> Any:
        """The greeting of peers of cara_pseud."""
        return self.call("cara:hello", {"version": version, "incarnation": incarnation})

    def read_and_forget(self) -> None:
        """Read in a thread of its own until the connection is closed."""

        def read() -> None:
            with suppress(OSError):
                while self.connection.recv(2**20):
                    """Only the other side's queues are to be emptied."""

        threading.Thread(target=read, daemon=True).start()

    def flood(self, data: bytes, seconds: float) -> int:
        """Send it again and again, as fast as it is taken; how many bytes were."""
        until = time.monotonic() + seconds
        self.connection.settimeout(0.2)
        sent = 0
        view = memoryview(data)
        place = 0
        try:
            while time.monotonic() < until:
                try:
                    taken = self.connection.send(view[place:])
                except TimeoutError:
                    continue
                sent += taken
                place = (place + taken) % len(data)
        except OSError:
            # It was thrown out.
            pass
        self.connection.settimeout(PATIENCE_S)
        return sent

    def send_some(self, data: bytes, seconds: float = 1.0) -> None:
        """Send as much of it as is taken in that time."""
        self.connection.settimeout(seconds)
        with suppress(OSError):
            self.connection.sendall(data)
        self.connection.settimeout(PATIENCE_S)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def connect(
    endpoint: str,
    login: tuple[bytes, bytes] | None = None,
    routing_id: bytes = b"",
    kind: bytes = b"DEALER",
) -> Raw:
    """A client's side."""
    raw = Raw(socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), PATIENCE_S))
    raw.say_hello_of_zmtp(login, routing_id, kind)
    return raw


class RawServer:
    """A server's side: every connection is handled by a function, in a thread of its own."""

    def __init__(self, handle: Callable[[Raw], None], routing_id: bytes = b"server") -> None:
        self._handle = handle
        self._routing_id = routing_id
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._open: list[Raw] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(Raw(connection),), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw: Raw) -> None:
        self._open.append(raw)
        with raw:
            try:
                raw.take_hello_of_zmtp(self._routing_id)
                self.connections += 1
                self._handle(raw)
            except (OSError, ValueError):
                # The other side went away.
                pass

    def __enter__(self) -> RawServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for raw in self._open:
            with suppress(OSError):
                raw.connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)


def answer_greeting(raw: Raw, version: int = 2, incarnation: bytes = b"s" * 16) -> None:
    """Wait for the greeting of a client of cara_pseud and answer it."""
    while True:
        _, _, uid, kind, content = raw.receive()
        if kind == b"\x03" and msgpack.unpackb(content)[0] == "cara:hello":
            said = msgpack.packb({"version": version, "incarnation": incarnation})
            raw.connection.sendall(message(b"", b"v1", uid, b"\x01", said))
            return
