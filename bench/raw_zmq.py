"""The yardstick for cara_pseud: calls in pseud's frames over a ROUTER–ROUTER pair, without anything else.

Six frames each way: routing id, empty, version, 16-byte call id, type, msgpack body. Both sides watch the socket's
file descriptor and drain it. That descriptor is edge-triggered: it has to be drained after every send too, or a message
that came meanwhile waits for the next one.

`python -m bench.raw_zmq server` prints its endpoint; `python -m bench.raw_zmq client ENDPOINT` takes orders
(see bench.orders).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

import msgpack
import zmq

from bench import orders

OK = b"\x01"
WORK = b"\x03"
PEER = b"server"


class Router:
    """A ROUTER socket whose messages are handed to `on_message` as lists of frames."""

    def __init__(self, socket: zmq.Socket[bytes], on_message: Callable[[list[bytes]], None]) -> None:
        self.socket = socket
        self._on_message = on_message
        asyncio.get_running_loop().add_reader(socket.fileno(), self.drain)

    def drain(self) -> None:
        receive = self.socket.recv_multipart
        while True:
            try:
                frames = receive(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._on_message(frames)


async def serve() -> None:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
    socket.identity = PEER
    socket.set(zmq.ROUTER_MANDATORY, 1)
    port = socket.bind_to_random_port("tcp://127.0.0.1")

    def answer(frames: list[bytes]) -> None:
        sender, empty, version, call_id, _, body = frames
        _, (first, second), _ = msgpack.unpackb(body)
        socket.send_multipart([sender, empty, version, call_id, OK, msgpack.packb(first + second)], zmq.NOBLOCK)

    router = Router(socket, answer)
    print(f"tcp://127.0.0.1:{port}", flush=True)
    del router
    await asyncio.Event().wait()


class Caller:
    """The client: keeps `in_flight` calls going until the time is over."""

    def __init__(self, endpoint: str) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
        self._socket.set(zmq.ROUTER_MANDATORY, 1)
        self._socket.connect(endpoint)
        self._router = Router(self._socket, self._answered)
        self._counter = 0
        self._open: set[bytes] = set()
        self._until = 0.0
        self._done = asyncio.Event()
        self._calls = 0

    async def run(self, seconds: float, in_flight: int) -> int:
        self._calls = 0
        self._done.clear()
        self._until = time.perf_counter() + seconds
        for _ in range(in_flight):
            self._send()
        self._router.drain()
        await self._done.wait()
        return self._calls

    async def connected(self) -> None:
        """Wait until the server's routing id is known here; before that, ROUTER_MANDATORY refuses to send."""
        while True:
            try:
                await self.run(0, 1)
            except zmq.ZMQError:
                self._open.clear()
                await asyncio.sleep(0.01)
            else:
                return

    def _send(self) -> None:
        self._counter += 1
        call_id = self._counter.to_bytes(16, "big")
        self._open.add(call_id)
        body = msgpack.packb(("add", (2, 5), {}))
        self._socket.send_multipart([PEER, b"", b"v1", call_id, WORK, body], zmq.NOBLOCK)

    def _answered(self, frames: list[bytes]) -> None:
        _, _, _, call_id, kind, body = frames
        self._open.remove(call_id)
        if kind != OK or msgpack.unpackb(body) != 7:
            raise RuntimeError(f"not the answer: {frames}")
        self._calls += 1
        if time.perf_counter() < self._until:
            self._send()
        elif not self._open:
            self._done.set()


async def call(endpoint: str) -> None:
    caller = Caller(endpoint)
    await caller.connected()
    await orders.take(caller.run)


if __name__ == "__main__":
    asyncio.run(serve() if sys.argv[1] == "server" else call(sys.argv[2]))
